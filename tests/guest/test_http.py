# SPDX-License-Identifier: GPL-2.0
"""Ordinary connections."""

from collections.abc import Callable

import pytest

from support.network import Network
from support.recording import Recording
from support.traffic import fetch, web_server


@pytest.mark.every_kernel
def test_a_connection_over_veth_is_traced_in_both_directions(
    record: Callable[..., Recording], network: Network
) -> None:
    with web_server(network.peer_address, network.peer) as url, record() as recording:
        assert fetch(url + "3000") == 3000
    recording.check()
    assert recording.summaries["output"].emitted >= 4
    assert recording.summaries["prerouting"].emitted >= 4
    ends = {(line.source, line.dest) for line in recording.lines}
    assert ends == {
        (network.address, network.peer_address),
        (network.peer_address, network.address),
    }


@pytest.mark.every_kernel
def test_a_connection_over_loopback_has_each_packet_traced_at_both_hooks(
    record: Callable[..., Recording],
) -> None:
    with web_server("127.0.0.1") as url, record() as recording:
        assert fetch(url + "100000") == 100000
    recording.check()
    assert recording.summaries["output"].emitted == recording.summaries["prerouting"].emitted
    assert len(recording.lines) == 2 * len(recording.packets) >= 20
