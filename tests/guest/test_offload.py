# SPDX-License-Identifier: GPL-2.0
"""Packets of many segments, and packets larger than Ethernet's."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from support.netns import counter, ip, run
from support.network import Network
from support.recording import Recording
from support.traffic import iperf_server, transfer

_ETHERNET_FRAME = 1514
_AMOUNT = ("-n", "6M", "-l", "512K")


@contextlib.contextmanager
def devices(network: Network, settings: str, undo: str) -> Iterator[None]:
    """Changes both ends of the link by `ip link set`, and undoes that."""
    ip(f"link set {network.device} {settings}")
    ip(f"link set {network.peer_device} {settings}", netns=network.peer)
    yield
    ip(f"link set {network.device} {undo}")
    ip(f"link set {network.peer_device} {undo}", netns=network.peer)


@contextlib.contextmanager
def merging(network: Network) -> Iterator[None]:
    """Has the peer send segments one by one, and the host's device merge them."""
    run("ethtool", "-K", network.device, "gro", "on")
    run("ethtool", "-K", network.peer_device, "gso", "off", "tso", "off", netns=network.peer)
    yield
    run("ethtool", "-K", network.device, "gro", "off")
    run("ethtool", "-K", network.peer_device, "gso", "on", "tso", "on", netns=network.peer)


def test_a_packet_of_many_segments_to_be_sent_makes_one_line(
    record: Callable[..., Recording], network: Network
) -> None:
    with iperf_server(network.peer_address, network.peer), record() as recording:
        transfer(network.peer_address, *_AMOUNT)
    recording.check()
    assert sum(p.frame_len > 10 * _ETHERNET_FRAME for p in recording.sent()) > 20


def test_received_segments_that_were_merged_make_one_line(record: Callable[..., Recording], network: Network) -> None:
    frames = counter(network.device, "rx_packets")
    with (
        merging(network),
        iperf_server(network.peer_address, network.peer),
        record() as recording,
    ):
        transfer(network.peer_address, "-R", "-n", "2M")
    recording.check()
    merged = [p for p in recording.received() if p.frame_len > _ETHERNET_FRAME]
    assert len(merged) > 10
    assert counter(network.device, "rx_packets") - frames > 2 * len(recording.received())


@pytest.mark.parametrize("mtu", [9000, 65535])
def test_jumbo_packets_make_a_line_each(record: Callable[..., Recording], network: Network, mtu: int) -> None:
    with (
        devices(network, f"mtu {mtu} gso_max_segs 1", "mtu 1500 gso_max_segs 65535"),
        iperf_server(network.peer_address, network.peer),
        record() as recording,
    ):
        transfer(network.peer_address, *_AMOUNT, "--bidir")
    recording.check()
    for packets in (recording.sent(), recording.received()):
        assert sum(p.frame_len > mtu // 2 for p in packets) > 20
        assert max(p.frame_len for p in packets) <= mtu + 14


def test_packets_too_large_for_the_length_field_make_a_line_each(
    record: Callable[..., Recording], network: Network
) -> None:
    large, usual = "gso_ipv4_max_size {0} gso_max_size {0}", "65536"
    with (
        devices(network, large.format(200000), large.format(usual)),
        iperf_server(network.peer_address, network.peer),
        record() as recording,
    ):
        transfer(network.peer_address, "-n", "20M", "-l", "1M", "--bidir")
    recording.check()
    for packets in (recording.sent(), recording.received()):
        assert [p for p in packets if p.total_len == 0 and p.frame_len > 0xFFFF + 14]
