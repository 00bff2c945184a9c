# SPDX-License-Identifier: GPL-2.0
"""Formats the results as tables, for the terminal and for the README."""

from collections.abc import Iterable, Iterator

import readings


def table(head: list[str], body: Iterable[list[str]]) -> Iterator[str]:
    """Yields the lines of a Markdown table that is aligned for reading as it is."""
    body = list(body)
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [
            cells[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
        ]
        return f"| {' | '.join(padded)} |"

    yield line(head)
    yield f"| {'-' * widths[0]} | {' | '.join('-' * (width - 1) + ':' for width in widths[1:])} |"
    for cells in body:
        yield line(cells)


def number(value: float) -> str:
    """Formats a number with three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def paths(results: dict) -> Iterator[str]:
    instructions = results["instructions"]
    columns = ["on the hook", "instructions", "native ns", "least to most", "x C hook"]
    native = readings.native(results["native"])
    wall = readings.native(results["kvm"]) if "kvm" in results else {}
    if wall:
        columns += ["KVM ns", "x C hook"]

    def line(what: str) -> list[str]:
        cells = [what, number(instructions[what][0])]
        reading = native[what]
        cells += [
            number(reading.median),
            f"{number(reading.least)} to {number(reading.most)}",
            f"{reading.ratio:.2f}",
        ]
        if wall:
            cells += [number(wall[what].median), f"{wall[what].ratio:.2f}"]
        return cells

    yield from table(columns, (line(what) for what in instructions))


def curves(title: str, unit: str, results: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yields a line for each curve; their x values may differ."""
    yield f"{title}, {unit}:"
    for what, curve in results.items():
        yield f"  {what}: " + ", ".join(f"{x}: {number(y)}" for x, y in curve.items())


def end_to_end(results: dict[str, dict[str, float]], unit: str, *, exact: bool) -> Iterator[str]:
    if exact:
        head = ["looking on", f"TCP, {unit} a packet", f"UDP, {unit} a packet"]
        body = ([what, number(row["tcp_ns"]), number(row["udp_ns"])] for what, row in results.items())
    else:
        head = ["looking on", "TCP, Gbit/s", f"TCP, {unit} a packet", "UDP, packets/s", f"UDP, {unit} a packet"]
        body = (
            [
                what,
                number(row["tcp_bits"] / 1e9),
                number(row["tcp_ns"]),
                number(row["udp_packets"]),
                number(row["udp_ns"]),
            ]
            for what, row in results.items()
        )
    yield from table(head, body)


def memory(results: dict[str, dict[str, int]]) -> Iterator[str]:
    body = ([what, f"{sizes['text']:,}", f"{sizes['data']:,}"] for what, sizes in results.items())
    yield from table(["module", "text, bytes", "data, bytes"], body)
