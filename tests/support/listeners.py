# SPDX-License-Identifier: GPL-2.0
"""Consumers of the module's tracepoint or of an NFLOG group."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from scapy.utils import RawPcapReader

from support import module
from support.kernel import EVENT, TRACING
from support.nflog import parse_record
from support.waiting import wait_until
from vm.pace import patience

# A program takes long to start under emulation; bpftrace has a compiler to load.
_PATIENCE = 120.0


def holders() -> int:
    """Returns the module's reference count; each consumer of its tracepoint has a reference."""
    return int(Path("/sys/module", module.NAME, "refcnt").read_text())


def groups() -> dict[int, int]:
    """Returns the NFLOG groups with a listener, and the listener's netlink port."""
    rows = Path("/proc/net/netfilter/nfnetlink_log").read_text().splitlines()
    return {int(row.split()[0]): int(row.split()[1]) for row in rows}


@contextlib.contextmanager
def _running(command: list[str], output: Path, ready: Callable[[], object]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program that listens, and interrupts it afterwards."""
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: ready() or process.poll() is not None, f"{command[0]} listens", _PATIENCE)
        assert process.poll() is None, output.read_text()
        yield process
        process.send_signal(signal.SIGINT)
        process.wait(patience(_PATIENCE))
    finally:
        process.kill()
        process.wait()


def _opened() -> Iterator[str]:
    """Yields the files that any process has open."""
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(FileNotFoundError):
            yield str(fd.readlink())


def _trace_cmd_records() -> bool:
    """Returns whether trace-cmd records: the event is enabled first, then each CPU has a process.

    One that is told to end before it has come that far leaves nothing behind of what its CPU has.
    """
    tracing_on = TRACING / "tracing_on"
    pipes = [file for file in _opened() if file.endswith("/trace_pipe_raw")]
    on = all(switch.read_text() == "1\n" for switch in (EVENT / "enable", tracing_on))
    return on and len(pipes) >= (os.cpu_count() or 1)


@contextlib.contextmanager
def tracing(command: list[str], output: Path) -> Iterator[None]:
    """Has a program listen to the tracepoint; its output is in the file afterwards.

    MARKER in the command stands for a shell script that the program runs once it listens.
    """
    listens = output.with_suffix(".listens")
    marker = output.with_suffix(".sh")
    marker.write_text(f"touch {listens}\nexec sleep 1000\n")
    command = [word.replace("MARKER", str(marker)) for word in command]
    with _running(command, output, _trace_cmd_records if command[0] == "trace-cmd" else listens.exists):
        yield


@contextlib.contextmanager
def capturing(command: list[str], group: int, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Has a program listen to a group of NFLOG."""
    with _running(command, output, lambda: group in groups()) as process:
        yield process


@contextlib.contextmanager
def ftrace() -> Iterator[None]:
    """Has ftrace record the event."""
    (TRACING / "trace").write_text("")
    (EVENT / "enable").write_text("1")
    try:
        yield
    finally:
        (EVENT / "enable").write_text("0")


def trace_pipe() -> str:
    """Returns what ftrace has recorded and nobody has read yet."""
    text = b""
    pipe = os.open(TRACING / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(pipe, 1 << 16):
            text += piece
    os.close(pipe)
    return text.decode()


def events(text: str) -> list[dict[str, str]]:
    """Parses the fields of each event, which ftrace, trace-cmd and perf print alike."""
    lines = [line for line in text.splitlines() if re.search(r"packet: +skbaddr=", line)]
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]


def nflog_records(file: Path) -> list[tuple[str, bytes]]:
    """Returns the prefixes and the packets that tcpdump has written to a file so far."""
    file_header = 24
    if not file.exists() or file.stat().st_size < file_header:
        return []
    return [parse_record(record) for record, _ in RawPcapReader(str(file))]
