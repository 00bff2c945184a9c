# SPDX-License-Identifier: GPL-2.0
"""Draws what each row costs, on a logarithmic scale, and how that grows."""

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
# The same results make the same file, and its text remains text.
mpl.rcParams.update({"svg.hashsalt": "nf_tracer", "svg.fonttype": "none", "font.size": 9})

import matplotlib.pyplot as plt  # noqa: E402
import readings  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from table import number  # noqa: E402

COLOURS = {
    "none": "#999999",
    "C": "#4c72b0",
    "nf_tracer": "#c44e52",
    "nft": "#55a868",
    "iptables": "#8172b2",
    "BPF": "#ccb974",
}


def caption(results: dict) -> str:
    facts = results["facts"]
    return f"one packet, TCP, PRE_ROUTING · Linux {facts['kernel']} · {facts['machine']} · {facts['made']}"


def bars(axes: Axes, values: list[float], colours: list[str], title: str) -> None:
    places = range(len(values))
    axes.barh(places, values, color=colours)
    axes.set_xscale("log")
    axes.set_xlim(left=min(values) / 2, right=max(values) * 5)
    axes.set_title(title, loc="left")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    for place, value in zip(places, values, strict=True):
        axes.text(value * 1.1, place, number(value), va="center", fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def paths(results: dict, groups: dict[str, str], to: Path) -> None:
    names = [name for name in results["instructions"] if name in groups]
    colours = [COLOURS[groups[name]] for name in names]
    native = readings.native(results["native"])
    figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(11, 0.27 * len(names) + 1.4))

    bars(left, [results["instructions"][name][0] for name in names], colours, "instructions, stock kernel")
    medians = [native[name].median for name in names]
    bars(right, medians, colours, "nanoseconds, native (median; least to most)")
    spread = [
        [median - native[name].least for name, median in zip(names, medians, strict=True)],
        [native[name].most - median for name, median in zip(names, medians, strict=True)],
    ]
    right.errorbar(medians, range(len(names)), xerr=spread, fmt="none", ecolor="black", elinewidth=0.8)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    figure.text(0.01, 0.005, caption(results), fontsize=7, color="#555555")
    save(figure, to)


def curves(panels: list[tuple[str, str, str, dict]], results: dict, to: Path) -> None:
    """Draws panels, each given by its title, the words for its axes, and its curves."""
    figure, all_axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.6), squeeze=False)
    for axes, (title, x_word, y_word, lines) in zip(all_axes[0], panels, strict=True):
        for name, curve in lines.items():
            axes.plot([float(x) for x in curve], list(curve.values()), marker="o", markersize=3, label=name)
        axes.set_xscale("log", base=10 if max(float(x) for c in lines.values() for x in c) > 200 else 2)
        axes.set_yscale("log")
        axes.set_title(title, loc="left")
        axes.set_xlabel(x_word)
        axes.set_ylabel(y_word)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.text(0.01, 0.005, caption(results), fontsize=7, color="#555555")
    save(figure, to)


def save(figure: plt.Figure, to: Path) -> None:
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(to, metadata={"Date": None})
    plt.close(figure)
