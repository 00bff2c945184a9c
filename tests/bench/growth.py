# SPDX-License-Identifier: GPL-2.0
"""Measures a packet that no filter wants, for growing filters and growing numbers of namespaces."""

from collections.abc import Iterable

import paths
from inside import Options
from rows import PREFIXES, Row

from support.netns import more

PORTS = [str(20000 + 2 * number) for number in range(128)]


def entries(limit: int) -> list[int]:
    return [1 << power for power in range(limit.bit_length())]


def rules(prefixes: Iterable[str]) -> str:
    return "\n".join(f"ip saddr {prefix} counter" for prefix in prefixes)


def measure(options: Options) -> dict[str, dict[int, float]]:
    """Returns the curves, each as a time for each number."""
    prefixes = PREFIXES.split(",")

    def cost(row: Row) -> float:
        return paths.one(row, options)

    def nf_tracer(parameters: str) -> float:
        return cost(Row("", "nf_tracer", module=f"nf_tracer {parameters}"))

    curves = {
        "nf_tracer, prefixes": {n: nf_tracer(f"host={','.join(prefixes[:n])}") for n in entries(64)},
        "nf_tracer, ports": {n: nf_tracer(f"port={','.join(PORTS[:n])}") for n in entries(128)},
        "nft, rules": {n: cost(Row("", "nft", nft=rules(prefixes[:n]))) for n in entries(64)},
        "nft, a set": {
            n: cost(Row("", "nft", nft=f"ip saddr {{ {','.join(prefixes[:n])} }} counter")) for n in entries(64)
        },
    }
    curves["nf_tracer, namespaces"] = {}
    for number in (1, 10, 100):
        with more(number - 1):
            curves["nf_tracer, namespaces"][number] = nf_tracer("netns=all proto=udp")
    return curves
