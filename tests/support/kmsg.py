# SPDX-License-Identifier: GPL-2.0
"""Reads and parses the module's log from /dev/kmsg, where a lost record shows as a gap in the numbers."""

import os
import re
from collections import defaultdict
from typing import NamedTuple


class Line(NamedTuple):
    """The fields of a classic line."""

    source: str
    source_port: int
    dest: str
    dest_port: int
    seq: int
    ack_seq: int
    window: int
    csum: int
    urg_ptr: int


class Fragment(NamedTuple):
    """The fields of the line of a fragment without a whole TCP header; a first one may have its ports."""

    source: str
    source_port: int | None
    dest: str
    dest_port: int | None
    offset: int


class Summary(NamedTuple):
    """The counts of one hook point."""

    seen: int = 0
    not_matched: int = 0
    truncated: int = 0
    invalid: int = 0
    emitted: int = 0
    suppressed: int = 0
    lost: int = 0


_NUMBER = r"(0|[1-9]\d*)"
_ADDRESS = r"((?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3})"
# The format that scripts rely on: no leading zeros, one space around each separator.
_CLASSIC = re.compile(
    rf"nf_tracer: source : {_ADDRESS}:{_NUMBER} \| dest : {_ADDRESS}:{_NUMBER}"
    rf" \| seq : {_NUMBER} \| ack_seq : {_NUMBER} \| window : {_NUMBER}"
    rf" \| csum : 0x(0|[1-9a-f][0-9a-f]{{0,3}}) \| urg_ptr : {_NUMBER}"
)
_FRAGMENT = re.compile(
    rf"nf_tracer: source : {_ADDRESS}(?::{_NUMBER})? \| dest : {_ADDRESS}(?::{_NUMBER})?"
    rf" \| protocol : 6 \| fragment : {_NUMBER} \| id : {_NUMBER} \| length : {_NUMBER}"
)
_SUMMARY = re.compile(r"nf_tracer: (?:(\w+) ipv4 )?log seen (.*)")
_SUPPRESSED = re.compile(r"nf_tracer: (1(?= line )|[2-9]|[1-9]\d+) lines? suppressed")
_ANY_SUMMARY = re.compile(r"nf_tracer: (\w+ ipv[46] )?(log|trace|nflog) seen (.*)")
_LEVEL_INFO = 6
# The kernel's own lines about the first module that is not its own.
_LOADER = ("loading out-of-tree module", "module verification failed")


class KernelLog:
    """The kernel's log since it was opened."""

    def __init__(self) -> None:
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)
        self._next: int | None = None

    def close(self) -> None:
        os.close(self._fd)

    def read(self) -> list[tuple[int, str]]:
        """Returns the level and the text of the records since the last call.

        Without those that depend on which module is the guest's first.
        """
        records = []
        while True:
            try:
                # A reader that was overtaken gets EPIPE: that is an error here, not a pass.
                record = os.read(self._fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return records
            head, _, text = record.partition(";")
            level, number = (int(field) for field in head.split(",")[:2])
            if self._next is not None and number != self._next:
                raise AssertionError(f"log records {self._next} to {number - 1} are lost")
            self._next = number + 1
            if not any(words in text for words in _LOADER):
                records.append((level & 7, text.split("\n")[0]))


def complaints(records: list[tuple[int, str]]) -> list[str]:
    """Returns the records that report a kernel in trouble."""
    words = ("WARNING: ", "BUG: ", "Oops", "cut here", "detected stall", "Call Trace", "Call trace", "leaked")
    return [text for _, text in records if any(word in text for word in words)]


def suppressed(records: list[tuple[int, str]]) -> list[int]:
    """Returns the numbers of suppressed lines that were reported."""
    return [int(match[1]) for match in (_SUPPRESSED.fullmatch(text) for _, text in records) if match]


def parse_line(text: str) -> Line:
    match = _CLASSIC.fullmatch(text)
    assert match, f"not spelt like a classic line: {text!r}"
    source, source_port, dest, dest_port, seq, ack_seq, window, csum, urg_ptr = match.groups()
    return Line(
        *(source, int(source_port), dest, int(dest_port)),
        *(int(seq), int(ack_seq), int(window), int(csum, 16), int(urg_ptr)),
    )


def fragments(records: list[tuple[int, str]]) -> list[Fragment]:
    """Parses the lines of fragments."""
    matches = [_FRAGMENT.fullmatch(text) for _, text in records]
    found = (match.groups() for match in matches if match)
    return [
        Fragment(source, int(sport) if sport else None, dest, int(dport) if dport else None, int(offset))
        for source, sport, dest, dport, offset, *_ in found
    ]


def parse_summary(text: str) -> Summary:
    """Parses the counts behind the word 'seen', and checks that they add up."""
    counts = dict(re.findall(r"([a-z_]+) (\d+)", "seen " + text))
    summary = Summary(*(int(counts[name]) for name in Summary._fields))
    assert summary.seen == sum(summary[1:]), text
    return summary


def check_counts(records: list[tuple[int, str]]) -> None:
    """Checks that the counts logged on unloading add up, across each point and across all points, for each sink."""
    points: dict[str, list[Summary]] = defaultdict(list)
    for match in filter(None, (_ANY_SUMMARY.fullmatch(text) for _, text in records)):
        summary = parse_summary(match[3])
        if match[1]:
            points[match[2]].append(summary)
        else:
            ours = points.pop(match[2], [])
            assert list(summary) == [sum(column) for column in zip(Summary(), *ours, strict=True)], match[0]
    assert not points, "points without a sum"


def split_records(records: list[tuple[int, str]]) -> tuple[list[Line], dict[str, Summary]]:
    """Parses classic lines, and summaries by hook point; fails on any other line of the module.

    A point that has seen nothing is not mentioned by the module, but here.
    """
    lines: list[Line] = []
    summaries: dict[str, Summary] = {}
    for level, text in records:
        if not text.startswith("nf_tracer: "):
            continue
        assert level == _LEVEL_INFO, f"not at info level: <{level}>{text}"
        if match := _SUMMARY.fullmatch(text):
            summary = parse_summary(match[2])
            if match[1]:
                summaries[match[1]] = summary
            else:
                assert summary.seen == sum(point.seen for point in summaries.values()), summaries
                summaries = {"prerouting": Summary(), "output": Summary(), **summaries}
        elif not _FRAGMENT.fullmatch(text):
            lines.append(parse_line(text))
    return lines, summaries
