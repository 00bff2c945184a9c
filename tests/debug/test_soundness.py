# SPDX-License-Identifier: GPL-2.0
"""Registering under traffic, in a kernel that finds what was freed too early, leaked or locked wrongly."""

import os
import re
import subprocess
from pathlib import Path

from console import SPLAT

TOP = Path(__file__).resolve().parents[2]
MODULES = Path(os.environ["NF_TRACER_DEBUG_MODULES"])
ROUNDS = int(os.environ.get("NF_TRACER_ROUNDS", "100"))
GUEST_FAILED = 125


def run(*scene: str, build: str = "real", options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Boots the debug kernel for one scene of inside.py. Any report of the kernel's is an exit status of 125."""
    return subprocess.run(
        [
            *(TOP / "scripts/vm", "--kernel", "debug", "--cpus", "2", "--mem", "3G"),
            *("--timeout", "3000", *options, "--"),
            *("env", f"PYTHONPATH={TOP / 'tests/guest'}", "PYTHONDONTWRITEBYTECODE=1"),
            *("python3", TOP / "tests/debug/inside.py", MODULES / build, *scene),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_registrations_of_every_kind_come_and_go_under_traffic() -> None:
    done = run("register", f"rounds={ROUNDS}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    match = re.search(r"registrar: (\d+) rounds: here (\d+), everywhere (\d+), at_device (\d+)", done.stdout)
    assert match, done.stdout
    rounds, *seen = (int(number) for number in match.groups())
    print(match[0])
    assert rounds == ROUNDS
    # Each kind was called; the device is there for a part of the time only.
    here, everywhere, at_device = seen
    assert min(here, everywhere) > ROUNDS, match[0]
    assert at_device > 0, match[0]


def test_modules_are_loaded_and_unloaded_under_traffic() -> None:
    done = run("reload", str(max(ROUNDS // 20, 1)))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_parameters_change_under_traffic() -> None:
    done = run("change", str(max(ROUNDS // 2, 20)))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    # Both what was wanted and what was not, and lines of it.
    for word in ("not_matched", "emitted", "suppressed"):
        assert re.search(rf"prerouting ipv4 log seen .* {word} [1-9]", done.stdout), done.stdout


def test_a_load_that_runs_out_of_memory_leaves_nothing_behind() -> None:
    names = "nf_tracer", "netns_counter"
    done = run("fail", "nf_tracer.ko", "tests/modules/netns_counter.ko", options=("--allow-warnings",))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    # The kernel's own: it warns where it has no memory for a module's jump labels, or for an event's fields.
    own = (" kernel/jump_label.c:", " at event_define_fields+")
    reports = [line for line in done.stdout.splitlines() if SPLAT.search(line) and "cut here" not in line]
    assert not [line for line in reports if not any(place in line for place in own)], "\n".join(reports)
    for name in names:
        match = re.search(rf"{name}: \d+ allocations failed, (\d+) loads refused", done.stdout)
        assert match, done.stdout
        print(match[0])
        assert int(match[1]) > 20, match[0]


def test_a_registration_that_does_not_wait_is_caught() -> None:
    # Unregistering patches the kernel's code, which takes a busy machine many milliseconds.
    done = run("register", "rounds=2", "stay=500", build="no-wait")
    assert done.returncode == GUEST_FAILED, done.stdout[-2000:] + done.stderr
    assert "KASAN: slab-use-after-free" in done.stderr, done.stderr
