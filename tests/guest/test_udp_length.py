# SPDX-License-Identifier: GPL-2.0
"""UDP's length field: a datagram is invalid if, and only if, the kernel does not deliver it."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support import kmsg, parameters
from support.frames import HOP_BY_HOP, PROTO_UDP, fragment, ipv4, ipv6, udp, with_checksum
from support.netns import inside, ip
from support.network import Network
from support.tap import DEVICE, LOCAL4, LOCAL6, NETNS, SOURCES4, SOURCES6, Tap, open_socket, tapped

_PORT = 5353
_DATA = b"twenty bytes of data"
_FULL = "netns=all family=inet proto=udp rate=0 format=full"
_LENGTHS = (0, 1, 7, 8, 9, 27, 28, 29, 100, 65535)


@dataclass
class Scene:
    tap: Tap
    sockets: dict[bool, socket.socket]
    log: kmsg.KernelLog

    def send(self, packet: bytes, *, v6: bool) -> tuple[dict[str, str], int | None]:
        """Sends a packet; returns the fields of its line, and how many bytes a socket received."""
        self.tap.send(packet, v6=v6)
        (text,) = [text for _, text in self.log.read() if "hook=prerouting" in text]
        got = None
        with contextlib.suppress(TimeoutError):
            got = len(self.sockets[v6].recv(1 << 18))
        return dict(word.partition("=")[::2] for word in text.split()[1:]), got


@pytest.fixture
def scene() -> Iterator[Scene]:
    with (
        tapped() as tap,
        parameters.loaded(f"{_FULL} iface={DEVICE} hooks=prerouting"),
        contextlib.ExitStack() as stack,
    ):
        sockets = {}
        for v6 in (False, True):
            sock = open_socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
            if v6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((LOCAL6 if v6 else LOCAL4, _PORT))
            sock.settimeout(0.2)
            sockets[v6] = stack.enter_context(sock)
        log = kmsg.KernelLog()
        stack.callback(log.close)
        yield Scene(tap, sockets, log)


def _datagram(length: int, *, v6: bool) -> bytes:
    source, dest = (SOURCES6[0], LOCAL6) if v6 else (SOURCES4[0], LOCAL4)
    return with_checksum(PROTO_UDP, udp(_DATA, (9, _PORT), length=length), source, dest, length=length)


@pytest.mark.parametrize("v6", [False, True])
def test_a_length_is_sound_if_the_kernel_delivers_the_datagram(scene: Scene, v6: bool) -> None:
    delivered = []
    for length in _LENGTHS:
        datagram = _datagram(length, v6=v6)
        if v6:
            packet = ipv6(datagram, SOURCES6[0], LOCAL6, protocol=PROTO_UDP)
        else:
            packet = ipv4(datagram, SOURCES4[0], LOCAL4, protocol=PROTO_UDP)
        fields, got = scene.send(packet, v6=v6)
        assert ("INVALID" in fields) == (got is None), (length, got, fields)
        if got is not None:
            assert int(fields["payload"]) == got == length - 8
            delivered.append(length)
        assert fields["dport"] == str(_PORT)
    assert delivered == [8, 9, 27, 28]
    assert parameters.total().invalid == len(_LENGTHS) - len(delivered)


def test_the_length_of_a_jumbogram_is_0(scene: Scene) -> None:
    ip(f"link set {DEVICE} mtu 65521", netns=NETNS)
    data = bytes(70000)
    datagram = udp(data, (9, _PORT), length=0)
    # The pseudo header has the actual length.
    datagram = with_checksum(PROTO_UDP, datagram, SOURCES6[0], LOCAL6)
    ends = socket.inet_pton(socket.AF_INET6, SOURCES6[0]) + socket.inet_pton(socket.AF_INET6, LOCAL6)
    assert len(ends) == 32
    option = struct.pack("!BBI", 194, 4, len(datagram) + 8)
    packet = ipv6(
        datagram, SOURCES6[0], LOCAL6, protocol=PROTO_UDP, extensions=[(HOP_BY_HOP, b"\0" + option)], payload_len=0
    )
    fields, got = scene.send(packet, v6=True)
    assert got == len(data)
    assert "INVALID" not in fields, fields
    assert int(fields["payload"]) == len(data)
    # Without the option, 0 is invalid.
    other = ipv6(_datagram(0, v6=True), SOURCES6[0], LOCAL6, protocol=PROTO_UDP)
    fields, got = scene.send(other, v6=True)
    assert got is None
    assert "INVALID" in fields


def test_a_first_fragment_is_not_held_against_its_length(scene: Scene) -> None:
    datagram = _datagram(28, v6=True)
    pieces = [
        ipv6(piece, SOURCES6[0], LOCAL6, protocol=PROTO_UDP, extensions=[fragment(at, more=more, ident=3)])
        for at, more, piece in ((0, True, datagram[:16]), (16, False, datagram[16:]))
    ]
    first, none = scene.send(pieces[0], v6=True)
    later, got = scene.send(pieces[1], v6=True)
    assert (none, got) == (None, 20)
    assert not {"INVALID", "TRUNCATED"} & (set(first) | set(later))
    assert first["payload"] == "8"


def test_nothing_that_the_stack_makes_of_datagrams_is_invalid(network: Network) -> None:
    udp_segment = 103
    with inside(network.peer):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((network.peer_address, _PORT))
    with (
        parameters.loaded("netns=all family=inet proto=udp hooks=all rate=0 format=full sink=log"),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.connect((network.peer_address, _PORT))
        # Whole, fragmented, and segmented by the device.
        for size in (0, 1, 1472, 1473, 60000):
            sender.send(bytes(size))
        sender.setsockopt(socket.IPPROTO_UDP, udp_segment, 1000)
        for size in (1000, 1001, 40000, 60000):
            sender.send(bytes(size))
        counts = parameters.total()
    receiver.close()
    assert counts.emitted > 9
    assert (counts.invalid, counts.truncated) == (0, 0)
