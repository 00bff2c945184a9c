# SPDX-License-Identifier: GPL-2.0
"""Runs one of the benchmark's measurements in the kernel that this is running on, and prints what it gives as JSON.

Each measurement is a file of its own, with a function measure(options).
"""

import argparse
import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import driver

MEASUREMENTS = ["paths", "growth", "cpus", "namespaces", "rate", "allocations", "end_to_end", "steps"]


@dataclass(frozen=True)
class Options:
    modules: Path
    # How often all rows are measured.
    rounds: int = 1
    batches: int = 20
    # The clock counts instructions; interruptions only add to a time, so the minimum counts.
    exact: bool = False
    quick: bool = False
    # The rows to measure, all if there are none.
    only: list[str] = field(default_factory=list)
    # Where a measurement that is followed from outside writes the kernel's symbols.
    symbols: Path = Path("/dev/null")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measurement", choices=MEASUREMENTS)
    parser.add_argument("--modules", type=Path, required=True, help="the folder that the modules are in")
    parser.add_argument("--rounds", type=int, default=Options.rounds)
    parser.add_argument("--batches", type=int, default=Options.batches)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", default=[], metavar="ROW")
    parser.add_argument("--symbols", type=Path, default=Options.symbols)
    arguments = vars(parser.parse_args())

    measure = importlib.import_module(arguments.pop("measurement")).measure
    options = Options(**arguments)
    # Lines go to the log only, not to a slow console.
    Path("/proc/sys/kernel/printk").write_text("1")
    with driver.loaded(options.modules):
        print(json.dumps(measure(options)))


if __name__ == "__main__":
    main()
