# SPDX-License-Identifier: GPL-2.0
"""Makes each kind of mistake that the kernel is to find. Runs in the debug kernel."""

import errno
import os
from pathlib import Path

from churn import traffic
from helpers import kasan_has_reported, leaks, load, unload

from support import parameters


def replace_without_waiting(modules: Path) -> None:
    """Frees filters under packets that use them. It takes some writes to hit one."""
    # A slow path that prints nothing: after a first report everything goes to the console.
    conditions = "host=0.0.0.0/0,::/0 src=0.0.0.0/0,::/0 dst=0.0.0.0/0,::/0 sink=nflog:5"
    error = load(modules / "no-wait/nf_tracer.ko", f"family=inet hooks=all proto=all {conditions}")
    assert error == 0, os.strerror(error)
    for number in range(3000):
        if kasan_has_reported():
            break
        (parameters.FOLDER / "sport").write_text(f"{number}-65535\n")
    unload("nf_tracer")


def register_without_waiting(modules: Path) -> None:
    """Frees registrations under packets in their handlers."""
    error = load(modules / "no-wait/tests/modules/registrar.ko", "rounds=20")
    assert error == 0, os.strerror(error)
    unload("registrar")


def misbehave(modules: Path, *kinds: str) -> None:
    """Makes each kind of mistake in turn, behind a mark on the console.

    The kernel goes on after each, and stalls are noticed soon.
    """
    for name, value in (
        *(("kernel/panic_on_oops", 0), ("kernel/softlockup_panic", 0), ("kernel/hung_task_panic", 0)),
        *(("kernel/hung_task_timeout_secs", 1), ("kernel/watchdog_thresh", 1)),
        ("net/core/netdev_unregister_timeout_secs", 1),
    ):
        Path("/proc/sys", name).write_text(str(value))
    Path("/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout").write_text("3")
    misbehaver = modules / "tests/debug/modules/misbehaver.ko"
    if "leak" in kinds:
        # The leak is reported when the command has ended. After a report by KASAN the scan would take long.
        assert load(misbehaver, "kind=leak") == errno.EAGAIN
        leaks()
    ours = {"no-wait-replace": replace_without_waiting, "no-wait-register": register_without_waiting}
    for kind in kinds:
        Path("/dev/kmsg").write_text(f"<4>vm: command starts: {kind}\n")
        if kind in ours:
            with traffic():
                ours[kind](modules)
        elif kind != "leak":
            error = load(misbehaver, f"kind={kind}")
            assert error == errno.EAGAIN, f"{kind}: {os.strerror(error)}"
