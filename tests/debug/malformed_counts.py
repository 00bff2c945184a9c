# SPDX-License-Identifier: GPL-2.0
"""nf_tracer's counts, and those of rules of nft's right behind its hooks."""

import ctypes
import re
from collections import Counter
from pathlib import Path

from malformed_network import NAMESPACES
from netns import inside
from pace import Limit

COUNTS = Path("/sys/module/nf_tracer/parameters/counts")
HOOKS = "prerouting", "input", "forward", "output", "postrouting"
SINKS = "log", "trace", "nflog"
PRIORITY = -1000


class Counters:
    """Counters of nft's right behind nf_tracer's hooks, one for each hook and family of a namespace.

    By the library, since to start the program takes seconds here.
    """

    def __init__(self, netns: str) -> None:
        self._nft = ctypes.CDLL("libnftables.so.1")
        self._nft.nft_ctx_new.restype = ctypes.c_void_p
        self._nft.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
        with inside(netns):
            self._context = ctypes.c_void_p(self._nft.nft_ctx_new(0))
        self._nft.nft_ctx_buffer_output(self._context)
        for family in ("ip", "ip6"):
            chains = "".join(
                f"counter {hook} {{}}\n chain of_{hook} {{ type filter hook {hook} priority {PRIORITY + 1};"
                f" counter name {hook}; }}\n"
                for hook in HOOKS
            )
            self._run(f"table {family} malformed {{\n{chains}}}")

    def read(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for family, name in (("ip", "ipv4"), ("ip6", "ipv6")):
            text = self._run(f"list counters table {family} malformed")
            for hook, packets in re.findall(r"counter (\w+) \{\s+packets (\d+)", text):
                found[f"{hook} {name}"] = int(packets)
        return found

    def _run(self, command: str) -> str:
        assert self._nft.nft_run_cmd_from_buffer(self._context, command.encode()) == 0, command
        return self._nft.nft_ctx_get_output_buffer(self._context).decode()


def counts(sink: str) -> dict[str, Counter[str]]:
    """nf_tracer's own counts, of each hook and family."""
    points = {}
    for line in COUNTS.read_text().splitlines():
        hook, family, of, *words = line.split()
        if of == sink:
            points[f"{hook} {family}"] = Counter(dict(zip(words[::2], map(int, words[1::2]), strict=True)))
    return points


def seen(sink: str) -> Counter[str]:
    return Counter({point: numbers["seen"] for point, numbers in counts(sink).items()})


class Agreement:
    """Compares nf_tracer's counts with nft's, round by round."""

    def __init__(self) -> None:
        self._counters = [Counters(name) for name in NAMESPACES]
        self._before: tuple[dict[str, Counter[str]], Counter[str]] = {}, Counter()

    def start(self) -> None:
        """From here on. The kernel has packets of its own now and then, such as neighbour solicitations."""
        self._before = self._quiet()

    def _quiet(self) -> tuple[dict[str, Counter[str]], Counter[str]]:
        """Both counts, at a moment at which no packet is on its way."""
        limit = Limit(120)
        ours = {sink: seen(sink) for sink in SINKS}
        while True:
            theirs = sum((counters.read() for counters in self._counters), Counter())
            again = {sink: seen(sink) for sink in SINKS}
            if again == ours and theirs == sum((counters.read() for counters in self._counters), Counter()):
                return ours, theirs
            assert not limit.is_over(), "packets do not come to an end"
            ours = again

    def check(self, sinks: str) -> Counter[str]:
        """What was seen since the start, which for each of the sinks is what nft has seen."""
        ours, theirs = self._quiet()
        expected = theirs - self._before[1]
        for sink in SINKS:
            found = ours[sink] - self._before[0][sink]
            wanted = expected if sink in re.findall(r"\w+", sinks) else Counter()
            assert found == wanted, f"{sink}: nf_tracer {dict(found)}, nft {dict(wanted)}"
        return expected
