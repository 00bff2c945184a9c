# SPDX-License-Identifier: GPL-2.0
"""Measures traffic between two namespaces, with and without a tracer.

There is one CPU, which is busy all the time: what a packet takes is all that is done for it, sending, receiving and
looking on included.
"""

import statistics
from pathlib import Path

import rows
import traffic
from hooks import on_the_hook
from inside import Options


def received() -> int:
    return int(Path(f"/sys/class/net/{traffic.DEVICE}/statistics/rx_packets").read_text())


def one(row: rows.Row, options: Options) -> tuple[float, float, float]:
    """Returns the nanoseconds of a datagram, of a TCP packet, and of a byte of TCP."""
    size = 1 if options.exact else 10
    with on_the_hook(row, options.modules):
        traffic.udp(20)
        datagram = traffic.udp(100 * size)
        before = received()
        byte = traffic.tcp(200 * size)
        # The stack makes TCP packets of up to 64 KiB.
        packets = (received() - before) / (200 * size * traffic.TCP_BYTES)
    return datagram, byte / packets, byte


def measure(options: Options) -> dict[str, dict[str, float]]:
    """Returns the medians of all rounds, for each row."""
    parameters = rows.parameters_of(options.modules / "nf_tracer.ko")
    if Path("/sys/kernel/btf/vmlinux").exists():
        parameters["stock"] = ""
    chosen = rows.load(parameters, "end_to_end.toml")
    if options.only:
        chosen = [row for row in chosen if row.what in options.only]

    rounds: dict[str, list[tuple[float, float, float]]] = {row.what: [] for row in chosen}
    with traffic.network():
        for _ in range(options.rounds):
            for row in chosen:
                rounds[row.what].append(one(row, options))
    results = {}
    for what, times in rounds.items():
        udp_ns, tcp_ns, byte_ns = (statistics.median(column) for column in zip(*times, strict=True))
        results[what] = {
            "udp_ns": udp_ns,
            "udp_packets": 1e9 / udp_ns,
            "tcp_ns": tcp_ns,
            "tcp_bits": 8e9 / byte_ns,
        }
    return results
