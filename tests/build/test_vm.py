# SPDX-License-Identifier: GPL-2.0
"""scripts/vm: what differs for guests of another architecture than the machine's."""

import io
import os
import platform
import subprocess
from pathlib import Path

import pytest

from support.paths import TOP
from vm import guest, main
from vm.console import START_MARK, Console

# arm64's own words, as its kernel prints them.
OOPS = "[   33.10] Internal error: Oops - Undefined instruction: 0000000002000000 [#1]  SMP"
TRACE = "[   33.20] Call trace:"


@pytest.fixture(params=["amd64", "arm64"])
def architecture(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kernel's, on an amd64 machine."""
    monkeypatch.setenv("NF_TRACER_ROOT_ARCHITECTURE", request.param)
    monkeypatch.setenv("NF_TRACER_ROOT_GUEST", {"amd64": "/", "arm64": "/srv"}[request.param])
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return request.param


def test_only_guests_of_the_machines_architecture_have_its_files_and_kvm(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(Path, "open", lambda _: io.StringIO("flags\t\t: fpu vmx\n"))
    foreign = ["--arch", "aarch64", "--root", "/srv", "--busybox", "/srv/usr/bin/busybox"]
    assert guest.foreign_options() == {"amd64": [], "arm64": foreign}[architecture]
    assert guest.kvm_works() == (architecture == "amd64")


def test_each_architecture_has_its_emulator(architecture: str, tmp_path: Path) -> None:
    for name in ("x86_64", "aarch64"):
        emulator = tmp_path / f"qemu-system-{name}"
        emulator.write_text(f"#!/bin/sh\necho {name} $*\n")
        emulator.chmod(0o755)
    done = subprocess.run(
        [TOP / "scripts/vm.d/qemu", "-version"],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == {"amd64": "x86_64 -version\n", "arm64": "aarch64 -version\n"}[architecture]


def test_an_architecture_without_guests_is_refused() -> None:
    done = subprocess.run(
        [TOP / "scripts/vm.d/qemu"],
        env=os.environ | {"NF_TRACER_ROOT_ARCHITECTURE": "s390x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "scripts/vm: there are no guests of s390x\n")


def test_the_debug_kernels_are_refused_where_they_cannot_be_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NF_TRACER_ROOT_ARCHITECTURE", "arm64")
    with pytest.raises(SystemExit) as ended:
        main.kernel_options("debug")
    assert ended.value.code == main.EXIT_USAGE
    assert "the debug kernels are amd64's" in capsys.readouterr().err


def test_what_arm64_reports_in_words_of_its_own_is_found(tmp_path: Path) -> None:
    log = tmp_path / "console"
    log.write_text(f"{OOPS}\n[   33.00] {START_MARK}\n{TRACE}\n")
    assert Console(log).cause_of_death() is None
    assert Console(log).splats() == ["Call trace:"]
    log.write_text(f"[   33.00] {START_MARK}\n{OOPS}\n{TRACE}\n")
    assert Console(log).cause_of_death() == OOPS.split("] ", 1)[1]
    assert Console(log).splats() == [OOPS.split("] ", 1)[1]]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--timeout", "nan"], "--cpus and --timeout want a number above 0"),
        (["--timeout", "inf"], "--cpus and --timeout want a number above 0"),
        (["--mem", "0"], "--mem wants a number above 0 with M or G behind, such as 2G"),
        (["--mem", "2"], "--mem wants a number above 0 with M or G behind, such as 2G"),
    ],
)
def test_a_size_or_time_that_is_none_is_refused(option: list[str], told: str) -> None:
    done = subprocess.run([TOP / "scripts/vm", *option, "--", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"scripts/vm: error: {told}"
