# SPDX-License-Identifier: GPL-2.0
"""scripts/matrix, in a made-up checkout whose scripts/root, scripts/vm and tests/guest/run only say what is wanted."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.paths import TOP
from vm.pace import Limit

OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith("NF_TRACER_")}
# What each program does, where the test does not say otherwise.
ROOT = """\
export NF_TRACER_KERNEL=$2
shift 3
case "$*" in
scripts/vm* | tests/guest/run*) exec "$@" ;;
*symvers*) echo "7 symbols" ;;
*auto.conf*) echo "rustc 1, bindgen 2" ;;
*) echo "  LD [M]  nf_tracer.ko" ;;
esac"""
VM = 'echo "7.0-$NF_TRACER_KERNEL"'
TESTS = 'printf "noise\\n\\n41 passed, 0 failed in 166 s\\n"'


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "scripts").mkdir()
        (folder / "tests/guest").mkdir(parents=True)
        shutil.copy(TOP / "scripts/matrix", folder / "scripts")
        shutil.copytree(TOP / "scripts/root.d", folder / "scripts/root.d")
        self.put("scripts/root", ROOT)
        self.put("scripts/vm", VM)
        self.put("tests/guest/run", TESTS)
        self.git("init", "-q")

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.folder, check=True)

    def put(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, *kernels: str) -> tuple[int, list[str], str]:
        """Runs the matrix; returns its status, the lines of its table and last line, and what it says."""
        self.git("add", "-A")
        done = subprocess.run(
            ["scripts/matrix", *kernels],
            cwd=self.folder,
            env=OUTSIDE | {"NF_TRACER_CACHE": str(self.folder / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("| 7.") or "passed, " in line]
        return done.returncode, lines, done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


WELL = "| {0} | 7 symbols | rustc 1, bindgen 2 | silent | 7.0-{0} | 41 passed, 0 failed | 0 min |"


def test_each_kernel_has_a_row_and_all_are_tried_by_default(checkout: Checkout) -> None:
    names = [
        row.split()[0] for row in (TOP / "scripts/root.d/kernels").read_text().splitlines() if row[:1] not in ("", "#")
    ]
    status, lines, _ = checkout.run()
    assert status == 0
    assert lines == [*(WELL.format(name) for name in names), f"{len(names)} passed, 0 failed"]
    assert not list((checkout.folder / "cache").glob("matrix-*"))


def test_a_step_that_fails_ends_that_kernel_and_no_other(checkout: Checkout) -> None:
    checkout.put("scripts/vm", f'test $NF_TRACER_KERNEL != 7.3-rt-amd64 || {{ echo "it died" >&2; exit 125; }}\n{VM}')
    status, lines, said = checkout.run("7.3-amd64", "7.3-rt-amd64", "7.2-amd64")
    assert status == 1
    assert lines == [
        WELL.format("7.3-amd64"),
        "| 7.3-rt-amd64 | 7 symbols | rustc 1, bindgen 2 | silent | failed | - | 0 min |",
        WELL.format("7.2-amd64"),
        "2 passed, 1 failed",
    ]
    assert "7.3-rt-amd64: boot failed after 0 s: it died (all of it: " in said


def test_a_warning_of_the_build_is_a_failure(checkout: Checkout) -> None:
    checkout.put("scripts/root", f'case "$*" in *W=1*) echo "warning: unused import" >&2 ;; esac\n{ROOT}')
    status, lines, said = checkout.run("7.2-amd64")
    assert (status, lines[-1]) == (1, "0 passed, 1 failed")
    assert lines[0].startswith("| 7.2-amd64 | 7 symbols | rustc 1, bindgen 2 | failed | - | - |")
    assert "build failed after 0 s: warning: unused import" in said


def test_tests_that_fail_are_counted_in_the_row(checkout: Checkout) -> None:
    checkout.put("tests/guest/run", 'echo "40 passed, 1 failed in 5 s"; exit 1')
    status, lines, _ = checkout.run("7.2-amd64")
    assert status == 1
    assert "| 40 passed, 1 failed |" in lines[0]


def test_an_unknown_kernel_is_refused_before_any_is_tried(checkout: Checkout) -> None:
    status, lines, said = checkout.run("7.2-amd64", "7.0-none")
    assert (status, lines) == (1, [])
    assert said.startswith("scripts/matrix: no kernel '7.0-none': there are ")


def test_what_a_step_runs_ends_with_the_script(checkout: Checkout) -> None:
    checkout.put("scripts/root", "echo $$ >root.pid; exec sleep 100")
    checkout.git("add", "-A")
    environment = OUTSIDE | {"NF_TRACER_CACHE": str(checkout.folder / "cache")}
    matrix = subprocess.Popen(["scripts/matrix", "7.2-amd64"], cwd=checkout.folder, env=environment)
    limit = Limit(20)
    while not (pids := [path.read_text() for path in checkout.folder.rglob("root.pid")]) or not pids[0]:
        assert not limit.is_over()
        time.sleep(0.05)
    matrix.terminate()
    assert matrix.wait() == 128 + signal.SIGTERM
    process = Path("/proc", pids[0].strip())
    while process.exists():
        assert not limit.is_over()
        time.sleep(0.05)
    assert not list((checkout.folder / "cache").glob("matrix-*"))
