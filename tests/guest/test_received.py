# SPDX-License-Identifier: GPL-2.0
"""Received packets, each kind odd in one way.

All are sent and captured once; each test looks at its own, by the source address.
"""

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from support import frames, oracle
from support.frames import HOST, MORE_FRAGMENTS, PROTO_TCP, ethernet, ipv4, tcp
from support.network import Network
from support.recording import Recording
from support.traffic import Injector

_FUZZ_SEED = 2021
_FUZZ_COUNT = 1600
_WRONG_CHECKSUM = "a wrong header checksum makes no line"
_EDGES_32 = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_EDGES_16 = (0, 1, 0x7FFF, 0x8000, 0xFFFF)

# The behaviour: the expected number of lines, and a function that makes the packets by `to_host`,
# which is ipv4() with the addresses filled in.
_CASES: dict[str, tuple[int, Callable[[Callable[..., bytes]], list[bytes]]]] = {
    "IP options of any length are stepped over": (
        11,
        lambda to_host: [to_host(tcp(seq=n), options=b"\1\1\1\1" * n) for n in range(11)],
    ),
    "any combination of the nine flags is traced": (
        512,
        lambda to_host: [to_host(tcp(seq=flags, flags=flags)) for flags in range(512)],
    ),
    "windows are printed unscaled": (
        5,
        lambda to_host: [to_host(tcp(window=n)) for n in _EDGES_16],
    ),
    "urgent pointers are printed with and without the flag": (
        10,
        lambda to_host: [to_host(tcp(urg=n, flags=f)) for n in _EDGES_16 for f in (0x10, 0x30)],
    ),
    "TCP checksums are printed right or wrong": (
        6,
        lambda to_host: [to_host(tcp(csum=n)) for n in (0, 1, 0xF, 0xFF, 0xFFF, 0xFFFF)],
    ),
    "sequence numbers are absolute": (
        25,
        lambda to_host: [to_host(tcp(seq=a, ack=b)) for a in _EDGES_32 for b in _EDGES_32],
    ),
    "ports of any number are printed": (
        25,
        lambda to_host: [to_host(tcp((a, b))) for a in _EDGES_16 for b in _EDGES_16],
    ),
    "TCP options need not be there or make sense": (
        32,
        lambda to_host: [to_host(tcp(seq=n, doff=n, rest=rest)) for n in range(16) for rest in (b"", b"\0" * 40)],
    ),
    "a TCP header of fewer than 20 bytes makes no line": (
        0,
        lambda to_host: [to_host(tcp()[:n]) for n in range(20)],
    ),
    "padding of the frame is not taken for a header": (
        0,
        lambda to_host: [to_host(tcp(), total_len=20 + n) for n in range(20)],
    ),
    "padding of the frame does no harm": (
        2,
        lambda to_host: [to_host(tcp()) + b"\xff" * n for n in (1, 1000)],
    ),
    "a packet of another length than its frame can hold makes no line": (
        0,
        lambda to_host: [to_host(tcp(), total_len=n) for n in (0, 19, 41, 1500, 65535)],
    ),
    "a first fragment with the header is traced": (
        2,
        lambda to_host: [to_host(tcp(rest=bytes(n)), fragment=MORE_FRAGMENTS, ident=n) for n in (4, 12)],
    ),
    "a first fragment without the whole header makes no line": (
        0,
        lambda to_host: [to_host(tcp()[:n], fragment=MORE_FRAGMENTS, ident=n) for n in (8, 16)],
    ),
    "later fragments make no line of TCP, whether they overlap or not": (
        0,
        lambda to_host: [
            to_host(tcp(rest=bytes(12)), fragment=more | offset)
            for offset in (1, 2, 3, 4, 0x1FFF)
            for more in (MORE_FRAGMENTS, 0)
        ],
    ),
    "other protocols make no line": (
        0,
        lambda to_host: [to_host(tcp(), protocol=n) for n in range(256) if n != PROTO_TCP],
    ),
    "a packet in a tunnel makes no line": (
        0,
        lambda to_host: [to_host(to_host(tcp()), protocol=4)],
    ),
    _WRONG_CHECKSUM: (
        0,
        lambda to_host: [to_host(tcp(), bad_checksum=True)] * 7,
    ),
    "a header that is not IPv4's makes no line": (
        0,
        lambda to_host: [
            *(to_host(tcp(), version=n) for n in range(16) if n != 4),
            *(to_host(tcp(), ihl=n) for n in range(5)),
            *(to_host(tcp())[:n] for n in range(20)),
        ],
    ),
}
# The few that need other addresses or another Ethernet header.
_OTHER_FRAMES = {
    "addresses of any kind are printed": (
        6,
        [
            ethernet(ipv4(tcp(), source, dest))
            for source, dest in (
                ("0.0.0.0", HOST),  # noqa: S104
                ("255.255.255.255", HOST),
                ("127.0.0.1", "127.0.0.2"),
                ("10.67.255.1", "255.255.255.255"),
                ("10.67.255.1", "224.0.0.1"),
                ("240.1.2.3", "192.0.2.200"),
            )
        ],
    ),
    "other ethertypes make no line": (
        0,
        [
            ethernet(ipv4(tcp(), "10.67.255.2", HOST), ethertype)
            for ethertype in (0x86DD, 0x0806, 0x8100, 0x88A8, 0x1234)
        ],
    ),
    "a frame for another station makes no line": (
        0,
        [ethernet(ipv4(tcp(), "10.67.255.3", HOST), dest="02:00:00:00:00:99")],
    ),
    "a frame for all stations is traced": (
        1,
        [ethernet(ipv4(tcp(), "10.67.255.4", HOST), dest="ff:ff:ff:ff:ff:ff")],
    ),
}


def _all_frames() -> dict[str, list[bytes]]:
    sent = {}
    for number, (name, (_, make)) in enumerate(_CASES.items()):
        to_host = partial(ipv4, source=f"10.67.{number}.1", dest=HOST)
        sent[name] = [ethernet(packet) for packet in make(to_host)]
    sent |= {name: made for name, (_, made) in _OTHER_FRAMES.items()}
    rng = random.Random(_FUZZ_SEED)  # noqa: S311
    sent["random"] = [ethernet(frames.random_ipv4(rng)) for _ in range(_FUZZ_COUNT)]
    return sent


class Received:
    """The one recording of all packets."""

    def __init__(self, recording: Recording, sent: dict[str, list[bytes]], checksum_errors: dict[str, int]) -> None:
        self.recording = recording
        self.checksum_errors = checksum_errors
        self.expected = oracle.lines(recording.received(), recording.file)
        self.surplus = oracle.surplus(recording.lines, self.expected)
        self.missing = oracle.surplus(self.expected, recording.lines)
        self._frames: dict[str, range] = {}
        first = 1
        for name, made in sent.items():
            self._frames[name] = range(first, first + len(made))
            first += len(made)
        # The last one is IPv4: if it has the last number, no frame is missing.
        assert recording.packets[-1].frame == first - 1, "frames are lost, or not ours"

    def expected_of(self, name: str) -> list[oracle.Line]:
        packets = [p for p in self.recording.received() if p.frame in self._frames[name]]
        return oracle.lines(packets, self.recording.file)

    def sources_of(self, name: str) -> set[str]:
        return {p.source for p in self.recording.packets if p.frame in self._frames[name]}


def _checksum_errors() -> int:
    """Returns the kernel's count of packets dropped for a wrong header checksum."""
    names, counts = (
        line.split() for line in Path("/proc/net/netstat").read_text().splitlines() if line.startswith("IpExt:")
    )
    return int(counts[names.index("InCsumErrors")])


@pytest.fixture(scope="module")
def received(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Received:
    sent = _all_frames()
    injector = Injector(network.peer, network.peer_device)
    errors = {}
    # On one CPU packets and lines keep their order.
    os.sched_setaffinity(0, {0})
    with Recording(tmp_path_factory.mktemp("received"), (network.device,)) as recording:
        for name, made in sent.items():
            before = _checksum_errors()
            injector.send(*made)
            errors[name] = _checksum_errors() - before
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    injector.close()
    return Received(recording, sent, errors)


@pytest.mark.parametrize("name", [*_CASES, *_OTHER_FRAMES])
def test_a_received_packet_makes_the_lines_that_it_should(received: Received, name: str) -> None:
    count = (_CASES | _OTHER_FRAMES)[name][0]
    expected = received.expected_of(name)
    assert len(expected) == count
    assert not [line for line in expected if line in received.missing]
    sources = received.sources_of(name)
    assert not [line for line in received.surplus if line.source in sources]


def test_thousands_of_random_packets_are_told_apart(received: Received) -> None:
    expected = received.expected_of("random")
    # Whatever the seed, the packets must be of all kinds.
    assert 250 < len(expected) < _FUZZ_COUNT - 250, f"seed {_FUZZ_SEED}"
    counts = oracle.summarize(received.recording.received())
    assert min(counts.not_matched, counts.truncated, counts.emitted) > 20
    assert len(received.recording.fragments) > 20


def test_the_kernel_itself_dropped_what_had_a_wrong_checksum(received: Received) -> None:
    frames_sent = _CASES[_WRONG_CHECKSUM][1](partial(ipv4, source=HOST, dest=HOST))
    assert received.checksum_errors[_WRONG_CHECKSUM] == len(frames_sent)
    assert received.checksum_errors["windows are printed unscaled"] == 0


def test_nothing_else_is_printed_and_the_counts_agree(received: Received) -> None:
    received.recording.check()


def test_lines_come_in_the_order_of_the_packets(received: Received) -> None:
    assert received.recording.lines == received.expected
