# SPDX-License-Identifier: GPL-2.0
"""The modules of tests/modules, and what their effects are measured by."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support import kmsg
from support.kernel import TRACING
from support.netns import run
from support.paths import TOP
from vm.pace import patience

LIST_HOOKS = ("nft", "list", "hooks", "ip")
# MAX_HOOK_COUNT in net/netfilter/core.c.
_MAX_HOOK_COUNT = 1024
MODULES = TOP / "tests/modules"


class Loaded:
    """A loaded module, and what it prints."""

    def __init__(self, name: str, parameters: dict[str, object]) -> None:
        self._name = name
        self._log = kmsg.KernelLog()
        run("insmod", str(MODULES / f"{name}.ko"), *(f"{key}={value}" for key, value in parameters.items()))
        self._loaded = True

    def unload(self) -> None:
        if self._loaded:
            run("rmmod", self._name)
            self._loaded = False

    def lines(self) -> list[str]:
        """Returns the module's log lines since the last call."""
        prefix = f"{self._name}: "
        return [text.removeprefix(prefix) for _, text in self._log.read() if text.startswith(prefix)]


@contextlib.contextmanager
def loaded(name: str, **parameters: object) -> Iterator[Loaded]:
    """Loads a module, and unloads it afterwards."""
    module = Loaded(name, parameters)
    try:
        yield module
    finally:
        module.unload()


@contextlib.contextmanager
def rules(text: str, netns: str | None = None) -> Iterator[None]:
    """Replaces nft's rule set, and flushes it afterwards."""
    path = Path("/tmp/rules.nft")  # noqa: S108
    path.write_text(f"flush ruleset\n{text}")
    run("nft", "-f", str(path), netns=netns)
    try:
        yield
    finally:
        run("nft", "flush", "ruleset", netns=netns)


def base_chains(point: str, listing: str, room: int = 0) -> str:
    """Returns a table that fills a hook point of IPv4 with base chains, up to `room` hooks.

    `listing` is what LIST_HOOKS says: security modules have hooks in each namespace.
    """
    there = re.search(rf"hook {point} {{\n(.*?)}}", listing, re.DOTALL)
    free = _MAX_HOOK_COUNT - (there[1].strip().count("\n") + 1 if there else 0)
    chains = "\n".join(f"chain c{n} {{ type filter hook {point} priority {n}; }}" for n in range(free - room))
    return f"table ip full {{\n{chains}\n}}\n"


@contextlib.contextmanager
def full_hook_point(point: str) -> Iterator[None]:
    """Fills a hook point, so that the kernel takes no more hooks there."""
    subprocess.run(["nft", "-f", "-"], input=base_chains(point, run(*LIST_HOOKS)), text=True, check=True)
    try:
        yield
    finally:
        run("nft", "delete", "table", "ip", "full")


def counted(netns: str | None = None) -> dict[str, int]:
    """Returns the packets of nft's named counters, by 'family counter'."""
    found = json.loads(run("nft", "-j", "list", "counters", netns=netns))["nftables"]
    counters = [entry["counter"] for entry in found if "counter" in entry]
    return {f"{c['family']} {c['name']}": c["packets"] for c in counters}


def ping(
    address: str, count: int = 3, netns: str | None = None, wait: float = 3, size: int = 56
) -> tuple[int, list[float]]:
    """Pings, and waits for so many seconds, at this machine's speed, for the last reply.

    Returns the number of replies and their round trip times in milliseconds.
    """
    command = f"ping -i 0.1 -c {count} -W {patience(wait):.1f} -s {size} {address} || true"
    text = run("sh", "-c", command, netns=netns)
    times = [float(time) for time in re.findall(r"time=([\d.]+) ms", text)]
    return len(times), times


@contextlib.contextmanager
def drop_reasons() -> Iterator[list[str]]:
    """Collects the reasons of dropped packets, by the tracepoint skb:kfree_skb."""
    if not (TRACING / "events").exists():
        run("mount", "-t", "tracefs", "none", str(TRACING))
    enable = TRACING / "events/skb/kfree_skb/enable"
    (TRACING / "trace").write_text("")
    enable.write_text("1")
    reasons: list[str] = []
    try:
        yield reasons
    finally:
        enable.write_text("0")
        lines = (TRACING / "trace").read_text().splitlines()
        reasons += [line.rpartition("reason: ")[2] for line in lines if "reason: " in line]
