# SPDX-License-Identifier: GPL-2.0
"""The console log of a guest: where it is kept, and which lines report trouble."""

import contextlib
import os
import re
import time
from pathlib import Path

KEPT_LOGS = 30
# In seconds; no guest runs longer.
KEPT_AT_LEAST = 4 * 3600

# Written to the kernel's log by scripts/vm.d/init around the command.
START_MARK = "vm: command starts"

FATAL = re.compile(
    r"Kernel panic - not syncing|Oops: |BUG: |kernel BUG at|panicked at |general protection fault|"
    # arm64's, before what x86 calls by other words too.
    r"Internal error: |vm: init: "
)
# Reports that a kernel may go on after. BUG: is in both, as panic_on_oops does not cover
# all of them ("scheduling while atomic"). tests/debug has the kernel make one of each kind.
SPLAT = re.compile(
    r"WARNING: |BUG: |BUG \S+ \(|kernel BUG at|Oops: |panicked at |UBSAN: |KASAN: |KCSAN: |refcount_t: |"
    r"Internal error: |INFO: (?:task .* blocked|possible |suspicious |trying to register)|"
    r"rcu: INFO: .*detected .*stall|possible circular locking|"
    r"suspicious RCU usage|unreferenced object|unregister_netdevice: waiting"
)
# In every report, those of other kinds included; arm64 has a small t.
UNNAMED = re.compile(r"cut here|Call [Tt]race:")


def cache_dir() -> Path:
    if cache := os.environ.get("NF_TRACER_CACHE"):
        return Path(cache).resolve()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "nf_tracer").resolve()


def new_log() -> Path:
    """Makes an empty log, and removes old ones."""
    folder = cache_dir() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("vm-*.console"))[: -KEPT_LOGS + 1]:
        # A recent one may belong to a running guest.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > KEPT_AT_LEAST:
                old.unlink()
    stamp = time.strftime("%Y%m%d-%H%M%S")
    log = folder / f"vm-{stamp}-{os.getpid()}.console"
    log.touch()
    return log


class Console:
    """The lines of a log, and where the command started."""

    def __init__(self, log: Path) -> None:
        self.lines = log.read_text(errors="replace").splitlines()
        marks = [n for n, line in enumerate(self.lines) if START_MARK in line]
        self.command_started = bool(marks)
        self._start = marks[-1] if marks else 0

    def cause_of_death(self) -> str | None:
        """Returns the first line that tells why the guest went down."""
        hits = [line for line in self.lines[self._start :] if FATAL.search(line)]
        return strip_time(hits[0]) if hits else None

    def splats(self) -> list[str]:
        """Returns the kernel's reports since the command started."""
        lines = self.lines[self._start :]
        titles = [strip_time(line) for line in lines if SPLAT.search(line)]
        return titles or [strip_time(line) for line in lines if UNNAMED.search(line)]

    def end(self, count: int = 40) -> str:
        """Returns the last lines, of those since the command started if it did."""
        return "\n".join(self.lines[max(self._start, len(self.lines) - count) :])


def strip_time(line: str) -> str:
    return re.sub(r"^\[ *\d+\.\d+\] *", "", line)
