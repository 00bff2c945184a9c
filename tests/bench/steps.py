# SPDX-License-Identifier: GPL-2.0
"""Sends packets through the hooks while the host follows one of them, instruction by instruction.

For each row, writes the kernel's symbols to a file, says so, and goes on to the next when a line comes back.
"""

import select
import sys
from pathlib import Path

import driver
import rows
from hooks import on_the_hook
from inside import Options


def measure(options: Options) -> None:
    chosen = {row.what: row for row in rows.load(rows.parameters_of(options.modules / "nf_tracer.ko"))}

    for what in options.only:
        row = chosen[what]
        with on_the_hook(row, options.modules):
            driver.call(calls=row.calls, batches=2, family=row.family)
            # Modules' symbols have their addresses only now.
            options.symbols.write_text(Path("/proc/kallsyms").read_text())
            print("ready", flush=True)
            while not select.select([sys.stdin], [], [], 0)[0]:
                driver.call(calls=1, batches=1, family=row.family)
            sys.stdin.readline()
