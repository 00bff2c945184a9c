# SPDX-License-Identifier: GPL-2.0
"""Follows one packet of a row through the hooks of the stock kernel: the instructions of each function on its way, and
what memory is written to. gdb steps QEMU's CPU from one instruction to the next, so that nothing is left out.
"""

import bisect
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import builds

TOP = builds.TOP
DRIVER = "bench_driver"
# Of the stock kernel, in bytes: the size of a stack, more than that of a task, and that of a packet.
STACK_SIZE = 16 << 10
TASK_SIZE = 16 << 10
SK_BUFF_SIZE = 232


class Symbols:
    """The symbols of /proc/kallsyms."""

    def __init__(self, text: str) -> None:
        rows = [line.split() for line in text.splitlines()]
        self._all = sorted((int(row[0], 16), row[2], row[3].strip("[]") if row[3:] else "kernel") for row in rows)
        self._addresses = [address for address, *_ in self._all]

    def address(self, name: str, module: str = "kernel") -> int:
        return next(at for at, *which in self._all if which == [name, module])

    def at(self, address: int) -> tuple[str, str]:
        """Returns the symbol and the module at an address."""
        _, name, module = self._all[bisect.bisect_right(self._addresses, address) - 1]
        return name, module


def memory_of(address: str | int, followed: dict) -> str:
    """Returns which private memory an address is in, or 'elsewhere'."""
    if address == "gs":
        return "this CPU's own"
    if address // STACK_SIZE == followed["stack"] // STACK_SIZE:
        return "the stack"
    if 0 <= address - followed["task"] < TASK_SIZE:
        return "the task"
    if 0 <= address - followed["packet"] < SK_BUFF_SIZE:
        return "the packet"
    return "elsewhere"


def evaluate(followed: dict, symbols: Symbols) -> dict:
    """Counts instructions by function, writes by memory, and writes elsewhere by function, without the driver's."""
    functions, writes, elsewhere = Counter(), Counter(), Counter()

    for at, _, written in followed["steps"]:
        name, module = symbols.at(at)
        if module == DRIVER:
            continue
        function = f"{module}: {name}"
        functions[function] += 1
        if written is not None:
            memory = memory_of(written, followed)
            writes[memory] += 1
            elsewhere[function] += memory == "elsewhere"
    return {
        "functions": dict(functions.most_common()),
        "writes": dict(writes.most_common()),
        "elsewhere": {name: count for name, count in elsewhere.most_common() if count},
    }


def follow(folder: Path) -> dict:
    """Follows one of the packets that pass in the guest."""
    symbols = Symbols((folder / "symbols").read_text())
    variables = {
        "FOLLOW_SOCKET": str(folder / "gdb"),
        "FOLLOW_FUNCTION": hex(symbols.address("call_ipv4", DRIVER)),
        "FOLLOW_CURRENT": hex(symbols.address("current_task")),
        "FOLLOW_OUTPUT": str(folder / "followed"),
    }
    command = ["gdb", "-nx", "-batch", "-x", str(TOP / "tests/bench/follow.py")]
    done = subprocess.run(
        command, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if not (folder / "followed").exists():
        sys.exit(f"{done.stderr}scripts/bench: gdb cannot follow a packet")
    followed = json.loads((folder / "followed").read_text())
    (folder / "followed").unlink()
    return evaluate(followed, symbols)


def profile(rows: list[str], modules: Path) -> dict[str, dict]:
    """Returns what evaluate() finds, for each row, on the stock kernel."""
    # In the cache, which the guest sees.
    with tempfile.TemporaryDirectory(prefix="steps-", dir=os.environ["NF_TRACER_CACHE"]) as name:
        folder = Path(name)
        command = [TOP / "scripts/vm", "--icount", "--gdb", folder / "gdb", "--"]
        command += [builds.PYTHON, TOP / "tests/bench/inside.py", "steps", "--modules", modules]
        command += ["--symbols", folder / "symbols", *(f"--only={row}" for row in rows)]
        profiles = {}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guest:
            for row in rows:
                if guest.stdout.readline() != "ready\n":
                    break
                profiles[row] = follow(folder)
                guest.stdin.write("go on\n")
                guest.stdin.flush()
            guest.stdout.read()
    if guest.returncode != 0:
        sys.exit("scripts/bench: following packets failed in the guest")
    return profiles


def demangled(text: str) -> str:
    """Demangles Rust's names and strips the crates' hashes."""
    text = subprocess.run(["c++filt"], input=text, capture_output=True, text=True, check=True).stdout
    return re.sub(r"\[[0-9a-f]{16}\]", "", text).rstrip()


def lines(profiles: dict[str, dict], least: float = 0.02) -> Iterator[str]:
    """Yields the functions with more than this share of the instructions, for each row."""
    for row, it in profiles.items():
        total = sum(it["functions"].values())
        kernel = sum(count for name, count in it["functions"].items() if not name.startswith("nf_tracer: "))
        yield f"{row}: {total:,} instructions, {kernel:,} of them the kernel's; writes to " + ", ".join(
            f"{memory} {count}" for memory, count in it["writes"].items()
        )
        for name, count in it["functions"].items():
            if count >= least * total:
                yield demangled(f"{count:8,} {count / total:5.1%}  {name}")
        for name, count in it["elsewhere"].items():
            yield demangled(f"{count:8,} writes elsewhere by {name}")
