# SPDX-License-Identifier: GPL-2.0
"""The command line of packet-way."""

import argparse
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from packet_way.ways import KINDS

_DESCRIPTION = """\
Prints each packet's way through the netfilter hooks of this host: which it passed, with which addresses (NAT changes
them), how long each stretch took, and where it ended, with the kernel's own reason if it was dropped.

nf_tracer has to be loaded with sink=trace hooks=all; its other parameters choose the packets. With netns=all a way
goes on in other namespaces. Records while COMMAND runs, for --duration seconds, or until Ctrl-C.
"""
_EPILOG = """\
How a packet can end:
  delivered   it passed input, and was not dropped
  left        it passed postrouting, and was not dropped
  dropped     the kernel dropped it, and says why and where
  consumed    the kernel was done with it elsewhere: a fragment that was put together, say
  vanished    it was not seen any more: queued or stolen, or its end is not traced

examples:
  packet-way -- curl -s http://192.0.2.1/
  packet-way --duration 10 --only dropped,vanished --brief
  packet-way --duration 1 --output busy.dat --picture busy.png; packet-way --input busy.dat --json | jq .end
"""
_PICTURES = ".svg", ".png", ".pdf"


def _kinds(argument: str) -> set[str]:
    kinds = set(argument.split(","))
    if not kinds <= set(KINDS):
        wrong = next(kind for kind in argument.split(",") if kind not in KINDS)
        raise argparse.ArgumentTypeError(f"'{wrong}' is no way to end: there are {', '.join(KINDS)}")
    return kinds


def _number[T: (int, float)](kind: Callable[[str], T], least: T, what: str) -> Callable[[str], T]:
    def parse(argument: str) -> T:
        with contextlib.suppress(ValueError, OverflowError):
            number = kind(argument)
            if least <= number <= 1_000_000_000:
                return number
        raise argparse.ArgumentTypeError(f"'{argument}' is not {what}")

    return parse


def _new_file(argument: str) -> Path:
    """Parses the name of a file to write, and fails now rather than after the recording."""
    path = Path(argument)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"'{argument}' cannot be written")
    return path


def _picture(argument: str) -> Path:
    path = _new_file(argument)
    if path.suffix.lower() not in _PICTURES:
        raise argparse.ArgumentTypeError(f"'{argument}' does not end in one of {', '.join(_PICTURES)}")
    return path


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        """Prints the error in one line, without the usage."""
        self.exit(2, f"{self.prog}: {message}\n")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="packet-way",
        usage="packet-way [OPTION...] [--] [COMMAND [ARGUMENT...]]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run while recording")
    seconds = _number(float, 0.001, "a number of seconds above 0")
    add("-d", "--duration", type=seconds, metavar="SECONDS", help="record for so long at most")
    add("-i", "--input", type=Path, metavar="FILE", help="read what --output or trace-cmd has recorded")
    add("-o", "--output", type=_new_file, metavar="FILE", help="keep the recording, a trace.dat as of trace-cmd")
    add("--only", type=_kinds, metavar="KIND,...", help="packets that ended so: see below")
    count = _number(int, 0, "a number from 0 on")
    add("-n", "--count", type=count, metavar="N", help="print the first N packets; 0: the summary only")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--brief", action="store_true", help="a line for each packet")
    form.add_argument("--json", action="store_true", help="a line of JSON for each packet, times in nanoseconds")
    add("--picture", type=_picture, metavar="FILE", help=f"draw a timeline: {', '.join(_PICTURES)}; needs matplotlib")
    buffer = _number(int, 64, "a number of KiB from 64 on")
    add("--buffer", type=buffer, default=8192, metavar="KIB", help="trace buffer of each CPU (default: %(default)s)")
    add(
        "--drops-only",
        action="store_true",
        help="do not record skb:consume_skb: cheaper where much other traffic is, but what became of other packets"
        " is told by their last hook alone",
    )
    options = parser.parse_args(arguments)
    if options.command[:1] == ["--"]:
        options.command.pop(0)
    if options.input:
        for name, given in (("a COMMAND", options.command), ("--duration", options.duration)):
            if given:
                parser.error(f"--input reads what is recorded already: {name} does not go with it")
        if options.output or options.drops_only:
            parser.error("--input records nothing: --output and --drops-only do not go with it")
    return options
