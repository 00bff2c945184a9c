# SPDX-License-Identifier: GPL-2.0
"""Prints each packet's way through the netfilter hooks of this host: scripts/packet-way."""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from packet_way import events, options, recorder, text
from packet_way.errors import UserError
from packet_way.summary import Summary
from packet_way.ways import Joiner, Way


def say(message: str) -> None:
    print(f"packet-way: {message}", file=sys.stderr)


class Printer:
    """Prints ways as the options say, and keeps what the summary and the picture need."""

    def __init__(self, wanted: argparse.Namespace, names: text.Names, rows: int) -> None:
        self.summary = Summary()
        self.drawn: list[Way] = []
        self._wanted = wanted
        self._names = names
        self._rows = rows
        self._printed = 0

    def take(self, way: Way) -> None:
        wanted = self._wanted
        if wanted.only and (not way.end or way.end.kind not in wanted.only):
            return
        self.summary.add(way)
        if len(self.drawn) < self._rows:
            self.drawn.append(way)
        if wanted.count is None or self._printed < wanted.count:
            self._printed += 1
            self._print(way)

    def _print(self, way: Way) -> None:
        if self._wanted.json:
            print(text.as_json(way, self._names))
        elif self._wanted.brief:
            print(text.brief(way))
        else:
            print(text.block(way, self._names), end="\n\n")


def show(file: Path, wanted: argparse.Namespace, names: text.Names, picture: ModuleType | None) -> None:
    """Prints the ways in a recording."""
    joiner = Joiner()
    printer = Printer(wanted, names, picture.ROWS if picture else 0)
    for way in joiner.join(events.read(file)):
        printer.take(way)
    if not joiner.seen:
        say(f"{file}: no {events.PACKET} in it" if wanted.input else "nf_tracer saw no packet that it is to choose")
    if not wanted.json:
        print(printer.summary.text(), flush=True)
    for cpu, lost in sorted(joiner.lost.items()):
        say(f"CPU {cpu} lost {lost} events: ways may lack hooks and ends: try a larger --buffer")
    if picture:
        picture.draw(wanted.picture, printer.drawn, printer.summary)


def record_and_show(wanted: argparse.Namespace, picture: ModuleType | None) -> int:
    """Records and prints; returns the command's exit status."""
    for note in recorder.check():
        say(note)
    names = recorder.namespaces()
    # On a disk, as /tmp may be a tmpfs and a recording large.
    with tempfile.TemporaryDirectory(prefix="packet-way-", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        file = wanted.output or Path(folder, "trace.dat")
        status = recorder.record(
            file,
            wanted.command,
            duration=wanted.duration,
            buffer=wanted.buffer,
            drops_only=wanted.drops_only,
            quiet=wanted.json,
        )
        # The command may have made namespaces, or deleted some.
        show(file, wanted, text.Names(names | recorder.namespaces()), picture)
    return status


def load_picture() -> ModuleType:
    """Imports matplotlib, which only --picture needs."""
    try:
        from packet_way import picture
    except ImportError:
        raise UserError("--picture needs matplotlib: install it (Debian: apt install python3-matplotlib)") from None
    return picture


def main() -> int:
    wanted = options.parse(sys.argv[1:])
    try:
        picture = load_picture() if wanted.picture else None
        if wanted.input is None:
            return record_and_show(wanted, picture)
        show(wanted.input, wanted, text.Names({}), picture)
    except UserError as problem:
        say(str(problem))
        return 1
    except BrokenPipeError:
        # The reader has closed the pipe, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return 130
    return 0
