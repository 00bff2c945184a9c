# SPDX-License-Identifier: GPL-2.0
"""Measures what a packet costs with nf_tracer, with what it is compared with, and with neither.

Three readings: instructions, on the stock kernel under an emulator whose clock counts them; nanoseconds, in a kernel
that runs as a program; and the wall clock under KVM, on a machine that has it. Prints tables, says whether nf_tracer
keeps to its bars, and writes results.json, paths.svg and growth.svg.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import bars
import builds
import facts
import profiles
import report
import rows
import uml

from vm.guest import kvm_works

TOP = builds.TOP
INSIDE = str(TOP / "tests/bench/inside.py")
RECORD = TOP / "tests/bench/results"


def say(text: str) -> None:
    print(f"scripts/bench: {text}", file=sys.stderr, flush=True)


class Kernels:
    """The kernels to measure in, and the modules built for each."""

    def __init__(self) -> None:
        self.stock = builds.for_stock()
        self.uml = builds.for_uml(uml.kernel())

    def in_vm(self, options: list[str], measurement: str, *more: str) -> dict:
        command = [str(TOP / "scripts/vm"), "--timeout", "1200", *options, "--"]
        command += [builds.PYTHON, INSIDE, measurement, "--modules", str(self.stock), *more]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{done.stderr}scripts/bench: {measurement} failed in the guest")
        return json.loads(done.stdout)

    def counted(self, measurement: str, *more: str) -> dict:
        """Runs a measurement that counts instructions."""
        return self.in_vm(["--icount"], measurement, "--exact", *more)

    def native(self, measurement: str, *more: str) -> dict:
        command = [builds.PYTHON, INSIDE, measurement, "--modules", str(self.uml), *more]
        return json.loads(uml.run(command, timeout=1200))


def measure(quick: bool) -> dict:
    started = time.monotonic()

    def phase(text: str) -> None:
        say(f"{text} ({time.monotonic() - started:.0f} s)")

    phase("building")
    kernels = Kernels()
    results: dict = {"facts": facts.collect(), "memory": facts.memory(kernels.stock)}
    rounds = "5" if quick else "15"
    phase("counting instructions")
    results["instructions"] = kernels.counted("paths")
    phase("timing")
    results["native"] = kernels.native("paths", "--rounds", rounds)
    if kvm_works():
        phase("timing under KVM")
        results["kvm"] = kernels.in_vm([], "paths", "--rounds", rounds)
    if quick:
        return results

    phase("loading and unloading in many namespaces")
    results["namespaces"] = kernels.native("namespaces")
    phase("timing at more and more packets a second")
    results["rate"] = kernels.native("rate")
    phase("counting instructions for more and more entries")
    results["growth"] = kernels.counted("growth")
    phase("counting allocations")
    results["allocations"] = kernels.in_vm([], "allocations")
    phase("timing on several CPUs")
    results["cpus"] = kernels.in_vm(["--cpus", "4"], "cpus", "--rounds", "3", "--batches", "1000")
    phase("following single packets")
    results["profile"] = profiles.profile(bars.profiled(results), kernels.stock)
    phase("timing traffic")
    results["end_to_end"] = kernels.native("end_to_end", "--rounds", "3")
    phase("counting instructions of traffic")
    results["end_to_end_counted"] = kernels.counted("end_to_end")
    phase("done")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only the table of rows, in under 3 minutes")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where results.json and the pictures go (default: in the cache)"
    )
    parser.add_argument(
        "--record", action="store_true", help="put the results in tests/bench/results and in the README"
    )
    parser.add_argument(
        "--profile", action="append", metavar="ROW", help="only follow one packet, and say where its instructions are"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="measure nothing: take the results of this results.json"
    )
    arguments = parser.parse_args()
    if arguments.record and arguments.quick:
        parser.error("--record wants all of it, without --quick")

    if arguments.profile:
        unknown = set(arguments.profile) - {row.what for row in rows.all_rows()}
        if unknown:
            parser.error(f"no row '{unknown.pop()}': those of tests/bench/rows.toml are there")
        print("\n".join(profiles.lines(profiles.profile(arguments.profile, builds.for_stock()))))
        return

    output = arguments.output or (RECORD if arguments.record else Path(os.environ["NF_TRACER_CACHE"], "bench"))
    output.mkdir(parents=True, exist_ok=True)
    results = json.loads(arguments.report.read_text()) if arguments.report else measure(arguments.quick)
    # As --report reads it: keys that were numbers are text.
    results = json.loads(json.dumps(results))
    (output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    report.write(results, output)
    if arguments.record:
        report.record(results, TOP / "README.md")
    say(f"written to {output}")


if __name__ == "__main__":
    main()
