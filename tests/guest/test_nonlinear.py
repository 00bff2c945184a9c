# SPDX-License-Identifier: GPL-2.0
"""Packets whose TCP header is not in the linear part of the socket buffer."""

from collections.abc import Callable

from support import frames
from support.fprobe import probe
from support.frames import ethernet, ipv4, tcp
from support.kernel import PREROUTING
from support.network import Network
from support.recording import Recording
from support.traffic import TransmitRing


def test_a_tcp_header_outside_the_linear_part_is_read_all_the_same(
    record: Callable[..., Recording], network: Network
) -> None:
    packets = [
        ipv4(tcp(seq=n, rest=bytes(n)), "10.67.0.1", frames.HOST, options=b"\1" * 4 * (n % 11)) for n in range(200)
    ]
    packets += [ipv4(tcp()[:n], "10.67.0.1", frames.HOST) for n in range(20)]
    ring = TransmitRing(network.peer, network.peer_device)
    fields = "len=skb->len rest=skb->data_len hook=state->hook"
    with record() as recording, probe("nf_hook_slow", fields) as calls:
        ring.send([ethernet(packet) for packet in packets])
    ring.close()
    recording.check()
    assert recording.summaries["prerouting"].emitted == 200
    assert recording.summaries["prerouting"].truncated == 20
    # The kernel has pulled in the IP header, and nothing more.
    headers = [(packet[0] & 0xF) * 4 for packet in packets]
    lengths = [(int(call["len"]), int(call["rest"])) for call in calls if call["hook"] == str(PREROUTING)]
    assert [length for length, _ in lengths] == [len(packet) for packet in packets]
    assert [length - rest for length, rest in lengths] == headers
