# SPDX-License-Identifier: GPL-2.0
"""Reads the longest texts of parameters, as root and as nobody. Runs in the debug kernel."""

import os
from pathlib import Path

from helpers import forked, load, unload

from support import parameters

_NOBODY = 65534
_V4 = ",".join(f"255.255.{number}.254/31" for number in range(100, 164))
_V6 = ",".join(f"ffff:{number:02x}ff:ffff:ffff:ffff:ffff:ffff:fffe/127" for number in range(64))
_PORTS = ",".join(f"{port}-{port + 1}" for port in range(10_000, 10_384, 3))
_LONGEST = {
    **dict.fromkeys(("host", "src", "dst"), f"{_V4},{_V6}"),
    **dict.fromkeys(("port", "sport", "dport"), _PORTS),
    "proto": ",".join(str(number) for number in range(255)),
    "iface": ",".join(f"fifteen-lette{number:02}+" for number in range(64)),
    "sink": "log,trace,nflog:65535",
    "hooks": "all",
    "family": "inet",
    "priority": "raw_before_defrag",
}


def _program(length: int) -> str:
    return f"{length},{'0 0 0 0,' * (length - 1)}6 0 0 1"


def _read_all() -> None:
    """Reads each parameter's file, as a whole, and the last bytes one by one."""
    for file in sorted(parameters.FOLDER.iterdir()):
        text = file.read_text() if os.access(file, os.R_OK) else ""
        if text:
            with file.open("rb", buffering=0) as opened:
                opened.seek(max(0, len(text) - 20))
                while opened.read(1):
                    pass
        print(f"{file.name} by {os.getuid()}: {len(text)} bytes to {text[-24:]!r}", flush=True)


def _as_nobody() -> None:
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _read_all()


def _read_by_both() -> None:
    _read_all()
    os.waitpid(forked(_as_nobody), 0)


def read(modules: Path) -> None:
    Path("/proc/sys/kernel/panic_on_warn").write_text("1")
    for length in (600, 4096):
        given = " ".join(f'{name}="{value}"' for name, value in _LONGEST.items())
        error = load(modules / "real/nf_tracer.ko", f'{given} bpf="{_program(length)}"')
        assert error == 0, os.strerror(error)
        _read_by_both()
        # As many bytes as one write takes: the text fills the page but for its NUL.
        value = _program(510).replace("0 0 0 0,0 0 0 0", "0 0 0 4294967295,0 0 0 1000", 1)
        (parameters.FOLDER / "bpf").write_bytes(value.encode())
        assert (parameters.FOLDER / "bpf").read_text() == value
        assert load(modules / "tests/debug/modules/huge_counts.ko") == 0
        _read_by_both()
        unload("huge_counts")
        unload("nf_tracer")
