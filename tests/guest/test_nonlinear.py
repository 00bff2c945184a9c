# SPDX-License-Identifier: GPL-2.0
"""Packets whose TCP header is not in the linear part of the socket buffer."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from support import frames
from support.frames import ethernet, ipv4, tcp
from support.network import Network
from support.recording import Recording
from support.traffic import TransmitRing

_TRACING = Path("/sys/kernel/tracing")


class HookCalls:
    """The calls of nf_hook_slow(): the length of each packet, and of its nonlinear part."""

    def __init__(self) -> None:
        self.lengths: list[tuple[int, int]] = []

    def read(self) -> None:
        trace = (_TRACING / "trace").read_text()
        found = re.findall(r"nf_hook_slow\S* len=(\d+) rest=(\d+) hook=0\n", trace)
        self.lengths = [(int(length), int(rest)) for length, rest in found]


@contextlib.contextmanager
def hook_calls() -> Iterator[HookCalls]:
    """Records the calls by a function probe."""
    probe = "f:nf_tracer_test nf_hook_slow len=skb->len rest=skb->data_len hook=state->hook"
    enable = _TRACING / "events/fprobes/nf_tracer_test/enable"
    (_TRACING / "trace").write_text("")
    (_TRACING / "dynamic_events").write_text(probe)
    enable.write_text("1")
    calls = HookCalls()
    try:
        yield calls
        calls.read()
    finally:
        enable.write_text("0")
        (_TRACING / "dynamic_events").write_text("")


def test_a_tcp_header_outside_the_linear_part_is_read_all_the_same(
    record: Callable[..., Recording], network: Network
) -> None:
    packets = [
        ipv4(tcp(seq=n, rest=bytes(n)), "10.67.0.1", frames.HOST, options=b"\1" * 4 * (n % 11)) for n in range(200)
    ]
    packets += [ipv4(tcp()[:n], "10.67.0.1", frames.HOST) for n in range(20)]
    ring = TransmitRing(network.peer, network.peer_device)
    with record() as recording, hook_calls() as calls:
        ring.send([ethernet(packet) for packet in packets])
    ring.close()
    recording.check()
    assert recording.summaries["prerouting"].emitted == 200
    assert recording.summaries["prerouting"].truncated == 20
    # The kernel has pulled in the IP header, and nothing more.
    headers = [(packet[0] & 0xF) * 4 for packet in packets]
    assert [length for length, _ in calls.lengths] == [len(packet) for packet in packets]
    assert [length - rest for length, rest in calls.lengths] == headers
