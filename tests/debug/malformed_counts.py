# SPDX-License-Identifier: GPL-2.0
"""Compares nf_tracer's counts with those of nft's rules right behind its hooks."""

import re
from collections import Counter

from malformed_network import NAMESPACES

from support import parameters
from support.kernel import HOOKS
from support.nft import Nft, counting_chain
from vm.pace import Limit

SINKS = "log", "trace", "nflog"
PRIORITY = -1000


class Counters:
    """nft's counters right behind nf_tracer's hooks, one for each hook and family of a namespace."""

    def __init__(self, netns: str) -> None:
        self._nft = Nft(netns)
        for family in ("ip", "ip6"):
            chains = "".join(counting_chain(hook, PRIORITY + 1) for hook in HOOKS)
            self._nft.run(f"table {family} malformed {{\n{chains}}}")

    def read(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for family, name in (("ip", "ipv4"), ("ip6", "ipv6")):
            counters = self._nft.counters(f"{family} malformed")
            found.update({f"{hook} {name}": packets for hook, packets in counters.items()})
        return found


def counts(sink: str) -> dict[str, Counter[str]]:
    """Returns nf_tracer's own counts, of each hook and family."""
    points = {}
    for line in parameters.get("counts").splitlines():
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
        """Starts counting. The kernel has packets of its own now and then, such as neighbour solicitations."""
        self._before = self._quiet()

    def _quiet(self) -> tuple[dict[str, Counter[str]], Counter[str]]:
        """Returns both counts at a moment at which no packet is on its way."""
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
        """Checks that each sink has seen since the start what nft has seen; returns that."""
        ours, theirs = self._quiet()
        expected = theirs - self._before[1]
        for sink in SINKS:
            found = ours[sink] - self._before[0][sink]
            wanted = expected if sink in re.findall(r"\w+", sinks) else Counter()
            assert found == wanted, f"{sink}: nf_tracer {dict(found)}, nft {dict(wanted)}"
        return expected
