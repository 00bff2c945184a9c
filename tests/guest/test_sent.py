# SPDX-License-Identifier: GPL-2.0
"""Packets that the host sends by a raw socket, with hand-made headers."""

import errno
import random
import socket
from collections import Counter
from collections.abc import Callable

from support import frames
from support.network import Network
from support.recording import Recording

_FUZZ_SEED = 1981
_FUZZ_COUNT = 1200


def _send(packets: list[bytes], dest: str) -> Counter[str]:
    """Sends packets; returns how many the kernel refused, by error."""
    refused: Counter[str] = Counter()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for packet in packets:
            try:
                raw.sendto(packet, (dest, 0))
            except OSError as error:
                refused[errno.errorcode[error.errno or 0]] += 1
    return refused


def _hand_made(dest: str) -> tuple[int, list[bytes]]:
    """Returns the expected number of lines, and the packets."""
    from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP, IPOption_RR
    from scapy.packet import Raw, fuzz

    ip = IP(src=frames.HOST, dst=dest)
    with_line = [
        ip / TCP(),
        IP(src="192.0.2.1", dst="203.0.113.1") / TCP(sport=0, dport=65535),
        *(IP(src=frames.HOST, dst=dest, options=[IPOption_NOP()] * n) / TCP() for n in (1, 40)),
        IP(src=frames.HOST, dst=dest, options=[IPOption_RR(routers=["0.0.0.0"] * 3)]) / TCP(),  # noqa: S104
        IP(src=frames.HOST, dst=dest, flags="MF") / TCP() / Raw(b"1234"),
        IP(src=frames.HOST, dst=dest, flags="DF+evil") / TCP(),
        IP(src=frames.HOST, dst=dest, tos=255, ttl=255, id=65535) / TCP(),
        *(ip / TCP(seq=n, dataofs=n) for n in range(16)),
        *(ip / TCP(seq=n, flags=n) for n in range(0, 512, 7)),
        *(ip / fuzz(TCP(options=[])) for _ in range(50)),
        *(ip / TCP(window=n, urgptr=n, chksum=n) for n in (0, 1, 0x7FFF, 0x8000, 0xFFFF)),
        *(IP(src=frames.HOST, dst=dest, frag=n) / TCP() for n in (1, 2, 0x1FFF)),
    ]
    without = [
        *(IP(src=frames.HOST, dst=dest, proto=6) / Raw(bytes(n)) for n in range(20)),
        *(IP(src=frames.HOST, dst=dest, proto=n) / TCP() for n in range(0, 256, 5)),
        *(IP(src=frames.HOST, dst=dest, version=n) / TCP() for n in range(16) if n != 4),
        IP(src=frames.HOST, dst=dest, ihl=15) / TCP() / Raw(bytes(39)),
        ip / UDP(),
        ip,
    ]
    return len(with_line), [bytes(packet) for packet in with_line + without]


def test_headers_of_all_kinds_make_their_lines(record: Callable[..., Recording], network: Network) -> None:
    count, packets = _hand_made(network.peer_address)
    with record() as recording:
        assert not _send(packets, network.peer_address)
    recording.check()
    output = recording.summaries["output"]
    # Those with a data offset below 5 have lines, but count as invalid, as do other IP versions. So have those above it
    # without options, which count as truncated.
    assert output.emitted == count - 5 - 10
    assert output.seen == len(packets)
    assert output.invalid == 5 + 15


def test_the_kernel_refuses_a_header_of_impossible_length(record: Callable[..., Recording], network: Network) -> None:
    packets = [frames.ipv4(b"", frames.HOST, frames.PEER, ihl=n) for n in range(6, 16)]
    packets += [frames.ipv4(frames.tcp(), frames.HOST, frames.PEER, ihl=n) for n in range(5)]
    packets += [packets[0][:n] for n in range(20)]
    with record() as recording:
        assert _send(packets, network.peer_address) == {"EINVAL": len(packets)}
    recording.check()
    assert recording.summaries["output"].seen == 0


def test_thousands_of_random_headers_are_told_apart(record: Callable[..., Recording], network: Network) -> None:
    rng = random.Random(_FUZZ_SEED)  # noqa: S311
    packets = [frames.random_ipv4(rng, frames.PEER) for _ in range(_FUZZ_COUNT)]
    looped = [frames.random_ipv4(rng, "127.0.0.1") for _ in range(_FUZZ_COUNT // 5)]
    with record() as recording:
        refused = _send(packets, network.peer_address) + _send(looped, "127.0.0.1")
    recording.check()
    output = recording.summaries["output"]
    assert set(refused) <= {"EINVAL"}
    assert output.seen >= len(packets) + len(looped) - refused.total() > _FUZZ_COUNT
    assert all(count > 50 for count in output[:5]), f"{output} with seed {_FUZZ_SEED}"
    assert recording.summaries["prerouting"].emitted > 50
