# SPDX-License-Identifier: GPL-2.0
"""Records the events of packets with trace-cmd.

The events are enabled in a trace instance of its own, so that whoever else traces is not disturbed, and none stays
enabled when the instance is gone. That matters more than elsewhere: nf_tracer cannot be unloaded while its event is on.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TextIO

from packet_way.errors import UserError
from packet_way.events import CONSUME, KFREE, PACKET

PARAMETERS = Path("/sys/module/nf_tracer/parameters")
_HOOKS = "prerouting", "input", "forward", "output", "postrouting"
# Where ip(8) and Docker keep their named namespaces.
_NETNS = Path("/run/netns"), Path("/run/docker/netns")
_TRACEFS = Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing")
_PATIENCE = 30
# Time for packets that are still on their way when the command has ended.
_SETTLE = 0.2


def check() -> list[str]:
    """Raises UserError if the module emits no events; returns notes on what it leaves out."""
    if os.geteuid():
        raise UserError("recording needs root: run it as root, or read a recording with --input FILE")
    if not shutil.which("trace-cmd"):
        raise UserError("there is no trace-cmd here: install it (Debian: apt install trace-cmd)")
    if not PARAMETERS.exists():
        raise UserError("nf_tracer is not loaded: insmod nf_tracer.ko sink=trace hooks=all")
    if not (PARAMETERS / "sink").exists():
        raise UserError("this nf_tracer has no tracepoint: load a newer one with sink=trace hooks=all")
    sinks = (PARAMETERS / "sink").read_text().strip()
    if "trace" not in sinks.split(","):
        raise UserError(f"nf_tracer has sink={sinks}, trace is not in it: echo {sinks},trace >{PARAMETERS}/sink")
    hooked = (PARAMETERS / "hooks").read_text().strip().split(",")
    missing = [hook for hook in _HOOKS if hook not in hooked and "all" not in hooked]
    if missing:
        return [f"nf_tracer is not hooked in at {','.join(missing)}: ways have gaps: echo all >{PARAMETERS}/hooks"]
    return []


def namespaces() -> dict[int, str]:
    """Returns the names of network namespaces that have one, by inode number."""
    names = {}
    for folder in _NETNS:
        with contextlib.suppress(OSError):
            names |= {path.stat().st_ino: path.name for path in folder.iterdir()}
    names[Path("/proc/1/ns/net").stat().st_ino] = "host"
    return names


class Recorder:
    """A context in which events are recorded to a file; it disables them on exit."""

    def __init__(self, file: Path, buffer: int, drops_only: bool) -> None:
        self._file = file
        self._instance = f"packet-way-{os.getpid()}"
        events = [PACKET, KFREE] if drops_only else [PACKET, KFREE, CONSUME]
        self._command = ["trace-cmd", "record", "-q", "-o", str(file), "-B", self._instance]
        # Ordered across CPUs, and close to the log's clock.
        self._command += ["-C", "mono", "-b", str(buffer)]
        for event in events:
            self._command += ["-e", event]
        self._last = events[-1].replace(":", "/")
        self._folder = next((path for path in _TRACEFS if (path / "events").exists()), _TRACEFS[0])
        self._folder /= f"instances/{self._instance}"

    def __enter__(self) -> "Recorder":
        with tempfile.TemporaryFile("w+", errors="replace") as says:
            # In a process group of its own, so that it gets a terminal's Ctrl-C only from us, once.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=says,
                stderr=says,
                process_group=0,
                preexec_fn=_end_with_parent,
            )
            try:
                self._wait_for_start(says)
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _wait_for_start(self, says: TextIO) -> None:
        end = time.monotonic() + _PATIENCE
        while not self._is_recording():
            if self._process.poll() is not None or time.monotonic() > end:
                says.seek(0)
                reasons = filter(None, says.read().split("\n"))
                raise UserError(f"trace-cmd does not record: {next(reasons, 'it does not say why')}")
            time.sleep(0.01)

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        self._remove_instance()

    def _is_recording(self) -> bool:
        """Returns whether the last of the events is enabled and the buffer records."""
        try:
            files = [self._folder / "events" / self._last / "enable", self._folder / "tracing_on"]
            return all(file.read_text().startswith("1") for file in files)
        except OSError:
            return False

    def _remove_instance(self) -> None:
        """Removes what trace-cmd may have left: an enabled event pins the module."""
        end = time.monotonic() + 2
        while self._folder.exists() and time.monotonic() < end:
            with contextlib.suppress(OSError):
                (self._folder / "events/enable").write_text("0")
                # EBUSY while anybody reads from it.
                self._folder.rmdir()
            time.sleep(0.05)


def _end_with_parent() -> None:
    """Has the kernel interrupt trace-cmd when this process dies. Called between fork and exec."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


class StoppedError(Exception):
    """Raised by the first signal that asks the recording to end."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turns the first terminating signal into StoppedError and ignores later ones during cleanup."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise StoppedError

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def record(
    file: Path, command: list[str], *, duration: float | None, buffer: int, drops_only: bool, quiet: bool
) -> int:
    """Records while the command runs, for some seconds, or until Ctrl-C; returns the command's exit status.

    To be quiet is to keep the command's output out of ours.
    """
    status = 0
    with interruptible(), contextlib.suppress(StoppedError), Recorder(file, buffer, drops_only):
        if command:
            status = _run(command, duration, quiet)
            time.sleep(_SETTLE)
        elif duration is not None:
            time.sleep(duration)
        else:
            print("packet-way: recording until Ctrl-C", file=sys.stderr, flush=True)
            signal.pause()
    return status


def _run(command: list[str], duration: float | None, quiet: bool) -> int:
    try:
        process = subprocess.Popen(command, stdout=2 if quiet else None)
    except OSError as error:
        raise UserError(f"cannot run {command[0]}: {error.strerror}") from None
    try:
        status = process.wait(duration)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
        # The duration was asked for.
        status = 0
    except StoppedError:
        process.terminate()
        process.wait()
        raise
    return status if status >= 0 else 128 - status
