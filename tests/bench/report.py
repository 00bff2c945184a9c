# SPDX-License-Identifier: GPL-2.0
"""Says what was measured: in the terminal, as pictures, and in the README."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import bars
import estimate
import picture
import profiles
import rows
import table

MARKS = ("<!-- Made by 'scripts/bench --record', from here -->", "<!-- to here. -->")
# Those that the README has.
README_ROWS = [
    "C hook that accepts",
    "nf_tracer, no match by proto",
    "nf_tracer, tracepoint, recorded",
    "nf_tracer, classic line",
    "nft log",
]


def lines(results: dict) -> Iterator[str]:
    facts = results["facts"]
    yield from (f"{name}: {text}" for name, text in facts.items())
    yield ""
    yield from table.paths(results)
    for key, title, unit in (
        ("growth", "growth", "instructions a packet"),
        ("rate", "packets a second", "ns a packet, natively"),
        ("cpus", "CPUs", "ns a packet on each, emulated or KVM"),
        ("namespaces", "namespaces", "seconds, natively"),
    ):
        if key in results:
            yield ""
            yield from table.curves(title, unit, results[key])
    for key, unit, exact in (("end_to_end", "ns", False), ("end_to_end_counted", "instructions", True)):
        if key in results:
            yield ""
            yield from table.end_to_end(results[key], unit, exact=exact)
    yield ""
    yield from table.memory(results["memory"])
    yield ""
    yield from estimate.lines(results)
    yield ""
    if "profile" in results:
        yield from profiles.lines(results["profile"])
        yield ""
    yield from (str(bar) for bar in bars.check(results))


def write(results: dict, to: Path) -> None:
    print("\n".join(lines(results)))
    groups = {row.what: row.group for row in rows.all_rows()}
    picture.paths(results, groups, to / "paths.svg")
    panels = [
        (title, x_word, y_word, results[key])
        for key, title, x_word, y_word in (
            ("growth", "a packet that nobody wants", "entries, or namespaces", "instructions"),
            ("rate", "packets a second", "packets a second", "ns a packet, native"),
            ("cpus", "CPUs at the same time", "CPUs", "ns a packet on each"),
            ("namespaces", "load and unload", "namespaces", "seconds, native"),
        )
        if key in results
    ]
    if panels:
        picture.curves(panels, results, to / "growth.svg")


def record(results: dict, readme: Path) -> None:
    """Puts the tables between the marks of the README, a few rows, and of the one in this folder, all of them."""
    facts = results["facts"]
    few = results | {"instructions": {what: results["instructions"][what] for what in README_ROWS}}
    text = [
        *table.paths(results),
        "",
        *estimate.lines(results),
        "",
        f"Linux {facts['kernel']} on {facts['machine']}, {facts['made']}; {facts['versions']}.",
    ]
    replace(readme, table.paths(few))
    replace(readme.parent / "tests/bench/README.md", text)


def replace(file: Path, lines: Iterable[str]) -> None:
    """Puts the lines between a file's marks."""
    first, last = (re.escape(mark) for mark in MARKS)
    new = f"{MARKS[0]}\n\n" + "\n".join(lines) + f"\n\n{MARKS[1]}"
    whole, found = re.subn(f"{first}.*{last}", lambda _: new, file.read_text(), flags=re.DOTALL)
    if not found:
        raise RuntimeError(f"{file} has no marks for the tables")
    file.write_text(whole)
