# SPDX-License-Identifier: GPL-2.0
"""Draws packets' ways: a timeline with a row for each, and a histogram of each stretch."""

from collections import Counter
from collections.abc import Sequence
from math import log10
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from packet_way import text
from packet_way.summary import Stretch, Summary
from packet_way.ways import DROPPED, VANISHED, Way

ROWS = 40
"""How many packets have room."""

# Okabe and Ito's palette, which is safe for colour blindness.
_COLOURS = {
    ("prerouting", "input"): "#56B4E9",
    ("prerouting", "forward"): "#0072B2",
    ("forward", "postrouting"): "#009E73",
    ("output", "postrouting"): "#E69F00",
    ("postrouting", "prerouting"): "#CC79A7",
    ("input", "free"): "#BBBBBB",
    ("postrouting", "free"): "#D9CFC0",
}
_OTHER = "#8C8C8C"
_BAD = "#C1272D"
_INK = "#333333"
# The marker of each hook.
_MARKERS = {"prerouting": ">", "input": "v", "forward": "D", "output": "^", "postrouting": "s"}
_BAR = 0.52
_ROW = 0.27
_BINS = 80


def draw(file: Path, ways: Sequence[Way], summary: Summary) -> None:
    """Draws these ways, and the times of all ways in the summary."""
    mpl.rcParams.update({"font.size": 9, "svg.fonttype": "none", "axes.edgecolor": "#999999", "text.color": _INK})
    rows = max(len(ways), 1)
    kinds = max(len(summary.stretches), 1)
    figure = Figure(figsize=(12, 2.2 + _ROW * (rows + kinds)), layout="constrained")
    timeline, times = figure.subplots(2, 1, height_ratios=[_ROW * rows + 0.2, _ROW * kinds + 0.2])
    total = summary.ends.total()
    which = f"the first {len(ways)} of {total} packets" if total > len(ways) else f"{total} packets"
    figure.suptitle(f"Ways through the host: {which}", x=0.01, ha="left", fontsize=13, fontweight="bold")
    _timeline(timeline, ways)
    _times(times, summary)
    figure.savefig(file, dpi=150)


def _colour(stretch: Stretch) -> str:
    return _COLOURS.get(stretch, _OTHER)


def _reach(ways: Sequence[Way]) -> float:
    """Returns where the time axis ends: most packets fit, and longer ones are cut off.

    Ends are not asked: a program may come back to read a packet after seconds.
    """
    spans = sorted((way.last.time - way.start.time) / 1000 for way in ways) or [0.0]
    return max(min(spans[-1] * 1.1, spans[len(spans) * 8 // 10] * 1.6), 1.0)


def _timeline(axes: Axes, ways: Sequence[Way]) -> None:
    reach = _reach(ways)
    for row, way in enumerate(ways):
        _row(axes, row, way, reach)
    labels = [f"{text.flow(way.start)}  {_short(way)}" for way in ways]
    axes.set_yticks(range(len(ways)), labels, fontsize=8)
    axes.set_ylim(max(len(ways), 1) - 0.4, -0.6)
    axes.set_xlim(-0.012 * reach, reach * 1.32)
    axes.set_xlabel("microseconds since the packet's first hook")
    _plain(axes)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    marks = [_mark(hook) for hook in _MARKERS]
    axes.legend(handles=marks, ncols=len(marks), loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)


def _mark(hook: str) -> Line2D:
    return Line2D([], [], marker=_MARKERS[hook], color=_INK, linestyle="", markersize=5, label=hook)


def _row(axes: Axes, row: int, way: Way, reach: float) -> None:
    origin = way.start.time
    for before, after, start, stop in way.stretches():
        left, right = (start - origin) / 1000, min((stop - origin) / 1000, reach * 1.02)
        if left < right:
            height = _BAR if after != "free" else _BAR / 3
            axes.barh(row, right - left, left=left, height=height, color=_colour((before, after)), zorder=2)
    for hop in way.hops:
        at = (hop.time - origin) / 1000
        if at <= reach * 1.02:
            axes.plot(at, row, marker=_MARKERS[hop.hook], color=_INK, markersize=4.5, zorder=4, linestyle="")
    _ending(axes, row, way, reach)


def _ending(axes: Axes, row: int, way: Way, reach: float) -> None:
    end = way.end
    assert end
    bad = end.kind in (DROPPED, VANISHED)
    ended = end.time if end.time is not None else way.last.time
    at = (ended - way.start.time) / 1000
    note = {DROPPED: end.reason, VANISHED: f"vanished after {way.last.hook}"}.get(end.kind, end.kind)
    if at > reach * 1.02:
        note += f", after {_rounded(at)}"
        at = reach * 1.02
        axes.plot(at, row, marker="$\u2026$", color=_INK, markersize=7, zorder=5, linestyle="")
    if bad:
        axes.plot(at, row, marker="X", color=_BAD, markersize=8, markeredgecolor="white", zorder=6, linestyle="")
    axes.annotate(
        note,
        (at, row),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color=_BAD if bad else "#777777",
        fontweight="bold" if bad else "normal",
    )


def _short(way: Way) -> str:
    """Returns the flags or the protocol, for a label with little room."""
    start = way.start
    return start.flags.replace("|", ",") if start.protocol == "tcp" else start.protocol


def _rounded(microseconds: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds:.3g} us"


def _times(axes: Axes, summary: Summary) -> None:
    """Draws a histogram of each kind of stretch on one logarithmic axis."""
    stretches = {stretch: [max(time, 1) / 1000 for time in times] for stretch, times in summary.stretches.items()}
    every = [time for times in stretches.values() for time in times] or [1.0]
    low, high = log10(min(every)), log10(max(every))
    width = max(high - low, 0.1) / _BINS
    labels = []
    for row, (stretch, times) in enumerate(stretches.items()):
        counts = Counter(int((log10(time) - low) / width) for time in times)
        highest = max(counts.values())
        for number, count in counts.items():
            left, right = 10 ** (low + number * width), 10 ** (low + (number + 1) * width)
            height = max(0.85 * count / highest, 0.04)
            axes.bar(left, -height, right - left, bottom=row + 0.45, align="edge", color=_colour(stretch), zorder=2)
        middle = sorted(times)[len(times) // 2]
        axes.plot([middle] * 2, [row - 0.42, row + 0.45], color=_INK, linewidth=1, zorder=3)
        labels.append(f"{stretch[0]} > {stretch[1]}  median {_rounded(middle)}")
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.6)
    axes.set_xscale("log")
    axes.set_xlabel("microseconds for a stretch: how many packets took so long")
    _plain(axes)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)


def _plain(axes: Axes) -> None:
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, colors=_INK)
