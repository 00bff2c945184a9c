# SPDX-License-Identifier: GPL-2.0
"""Packets on two CPUs at a time."""

import os
import threading
from collections.abc import Callable

from support import frames
from support.frames import ethernet, ipv4, tcp
from support.network import Network
from support.recording import Recording
from support.traffic import Injector, iperf_server, transfer

_COUNT = 1500


def _flood(network: Network, cpu: int) -> None:
    """Sends packets from one CPU, to which it ties its thread."""
    os.sched_setaffinity(0, {cpu})
    injector = Injector(network.peer, network.peer_device)
    source = f"10.67.0.{cpu}"
    injector.send(*(ethernet(ipv4(tcp(seq=n), source, frames.HOST)) for n in range(_COUNT)))


def test_flows_on_all_cpus_at_once_lose_no_line(record: Callable[..., Recording], network: Network) -> None:
    cpus = os.cpu_count() or 1
    assert cpus > 1, "the guest has too few CPUs for this test"
    floods = [threading.Thread(target=_flood, args=(network, cpu)) for cpu in range(cpus)]
    with iperf_server(network.peer_address, network.peer), record() as recording:
        for flood in floods:
            flood.start()
        transfer(network.peer_address, "-P", "2", "--bidir", "-n", "1M")
        for flood in floods:
            flood.join()
    recording.check()
    by_source = [line.source for line in recording.lines]
    assert [by_source.count(f"10.67.0.{cpu}") for cpu in range(cpus)] == [_COUNT] * cpus
    assert by_source.count(network.peer_address) > 20
