# SPDX-License-Identifier: GPL-2.0
"""IPv6 extension headers: as many as the kernel delivers, more of them, and in fragments."""

import contextlib
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import kmsg, parameters
from support.frames import (
    DESTINATION,
    HOP_BY_HOP,
    PROTO_TCP,
    PROTO_UDP,
    ROUTING,
    extension,
    fragment,
    ipv4,
    ipv6,
    tcp,
    udp,
    with_checksum,
)
from support.listeners import events, ftrace, trace_pipe
from support.netns import inside, ip
from support.nflog import Listener
from support.nft import Nft
from support.tap import DEVICE, LOCAL4, LOCAL6, NETNS, SOURCES4, SOURCES6, Tap, open_socket, tapped
from vm.pace import patience

_SOURCE, _SOURCE4 = SOURCES6[0], SOURCES4[0]
_PORT = 8080
_SYN = 0x002
# IP6_MAX_EXT_HDRS_CNT, as in the stack and nft.
_MOST = 12
_FULL = "netns=all family=inet hooks=prerouting rate=0 format=full"


@dataclass
class Scene:
    tap: Tap
    udp: socket.socket
    tcp: socket.socket
    log: kmsg.KernelLog = field(default_factory=kmsg.KernelLog)

    def send(self, *packets: bytes) -> None:
        for packet in packets:
            self.tap.send(packet, v6=packet[0] >> 4 == 6)

    def lines(self) -> list[dict[str, str]]:
        """Returns the fields of the lines since the last call; a word without '=' is a field without a value."""
        lines = [text for _, text in self.log.read() if text.startswith("nf_tracer: hook=")]
        return [dict(word.partition("=")[::2] for word in line.split()[1:]) for line in lines]

    def delivered(self) -> bytes | None:
        with contextlib.suppress(TimeoutError):
            return self.udp.recv(1 << 16)
        return None


@pytest.fixture
def scene() -> Iterator[Scene]:
    with tapped() as tap:
        sockets = [open_socket(socket.AF_INET6, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        for sock in sockets:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", _PORT))
            sock.settimeout(0.5)
        sockets[1].listen()
        scene = Scene(tap, *sockets)
        yield scene
        for sock in sockets:
            sock.close()
        scene.log.close()


def _datagram(data: bytes, source: str = _SOURCE, dest: str = LOCAL6) -> bytes:
    return with_checksum(PROTO_UDP, udp(data, (40000, _PORT)), source, dest)


def _syn(sport: int, source: str = _SOURCE, dest: str = LOCAL6) -> bytes:
    return with_checksum(PROTO_TCP, tcp((sport, _PORT), flags=_SYN), source, dest)


def test_a_connection_behind_as_many_extension_headers_as_the_kernel_takes_is_traced(scene: Scene) -> None:
    rules = Nft(NETNS)
    rules.run(
        "table ip6 t { counter c {}\nchain c { type filter hook input priority 0;"
        f" tcp dport {_PORT} counter name c; }}\n}}"
    )
    numbers = (0, 1, 8, 9, 10, 11, _MOST)
    with parameters.loaded(f"{_FULL} hooks=prerouting,input host={LOCAL6} dport={_PORT}"):
        for number in numbers:
            chain = [extension()] * number
            scene.send(ipv6(_syn(4000 + number), _SOURCE, LOCAL6, extensions=chain))
        answers = [packet for packet in scene.tap.received() if packet[6] == PROTO_TCP]
        lines = scene.lines()
    # The stack has answered each, and nft has counted each.
    assert [struct.unpack("!H", answer[42:44])[0] for answer in answers] == [4000 + number for number in numbers]
    assert rules.counters("ip6 t") == {"c": len(numbers)}
    for number in numbers:
        own = [line for line in lines if line["sport"] == str(4000 + number)]
        assert [(line["hook"], line["proto"], line["dport"]) for line in own] == [
            ("prerouting", "tcp", str(_PORT)),
            ("input", "tcp", str(_PORT)),
        ]


def _in_fragments(
    payload: bytes, cut: int, chain: list[tuple[int, bytes]], ident: int, protocol: int = PROTO_UDP
) -> list[bytes]:
    """Returns a datagram in two fragments, with its extension headers in the fragmentable part."""
    whole = ipv6(payload, _SOURCE, LOCAL6, protocol=protocol, extensions=chain)
    following, rest = whole[6], whole[40:]
    pieces = ((0, True, rest[:cut]), (cut, False, rest[cut:]))
    return [
        ipv6(piece, _SOURCE, LOCAL6, protocol=following, extensions=[fragment(offset, more=more, ident=ident)])
        for offset, more, piece in pieces
    ]


@pytest.mark.parametrize("cut", [8, 16, 24])
def test_a_first_fragment_whose_chain_goes_on_in_the_next_one_is_emitted(scene: Scene, cut: int) -> None:
    # The kernel drops it only where it sees that the upper header is missing, not where it ends between two headers.
    packets = _in_fragments(_datagram(b"delivered"), cut, [extension()] * 4, cut)
    with parameters.loaded(f"{_FULL} proto=udp dport={_PORT}"):
        scene.send(*packets)
        assert scene.delivered() == b"delivered"
        first, counts = scene.lines(), parameters.counts()["prerouting ipv6"]
        # Whatever the protocol filter: the protocol is not known yet.
        parameters.put("proto", "tcp,sctp")
        scene.send(packets[0])
        again = scene.lines()
        parameters.put("host", "2001:db8::2")
        scene.send(*packets)
        others = scene.lines()
    (line,) = first
    assert (line["src"], line["dst"], line["frag"], line["proto"]) == (_SOURCE, LOCAL6, "0+", str(DESTINATION))
    assert "TRUNCATED" in line
    assert (counts.truncated, counts.not_matched) == (1, 1)
    assert [line["frag"] for line in again] == ["0+"]
    assert others == []


def test_a_first_fragment_of_one_header_more_is_walked_since_conntrack_takes_that_one_off(scene: Scene) -> None:
    chain = [extension()] * _MOST
    packets = _in_fragments(_datagram(b"delivered"), 8 * _MOST + 8, chain, 7)
    rules = Nft(NETNS)
    rules.run("table ip6 t { chain c { type filter hook prerouting priority 0; ct state new accept; }\n}")
    with parameters.loaded(f"{_FULL} proto=udp dport={_PORT}"):
        scene.send(*packets)
        assert scene.delivered() == b"delivered"
        (line,) = scene.lines()
    assert (line["sport"], line["dport"], line["proto"]) == ("40000", str(_PORT), "udp")


def test_a_chain_longer_than_is_walked_is_reported_as_too_many_with_the_addresses(scene: Scene) -> None:
    packet = ipv6(_datagram(b""), _SOURCE, LOCAL6, protocol=PROTO_UDP, extensions=[extension()] * 40)
    conditions = f"src={_SOURCE} dst={LOCAL6} iface={DEVICE} proto=tcp dport=1 sink=log,trace,nflog:5"
    with parameters.loaded(f"{_FULL} {conditions}"):
        listener = Listener(5, NETNS)
        listener.settimeout(patience(5))
        with ftrace():
            scene.send(packet)
            (event,) = events(trace_pipe())
        (line,) = scene.lines()
        counts = {sink: parameters.total(sink) for sink in ("log", "trace", "nflog")}
        got = listener.recv(1 << 16)
        for name, value in (("dst", "fd07::9"), ("src", "fd07::9"), ("iface", "lo")):
            before = parameters.get(name)
            parameters.put(name, value)
            scene.send(packet)
            parameters.put(name, before)
        assert scene.lines() == []
        not_matched = parameters.total().not_matched
        # The classic line has the known fields.
        parameters.put("format", "classic")
        scene.send(packet)
        ((_, classic),) = scene.log.read()
    listener.close()
    assert (line["src"], line["dst"], line["proto"]) == (_SOURCE, LOCAL6, str(DESTINATION))
    assert "TOO_MANY_EXTHDRS" in line
    assert (event["saddrv6"], event["daddrv6"], event["malformed"]) == (_SOURCE, LOCAL6, "too-many-exthdrs")
    assert packet in got
    for count in counts.values():
        assert count == kmsg.Summary(seen=1, invalid=1)
    assert not_matched == 3
    assert re.fullmatch(
        rf"nf_tracer: source : {_SOURCE} \| dest : {LOCAL6} \| protocol : 60 \| length : \d+", classic
    ), classic


def test_a_longer_chain_that_a_vrf_delivers_is_emitted(scene: Scene) -> None:
    with inside(NETNS):
        for name in ("all", DEVICE):
            Path(f"/proc/sys/net/ipv6/conf/{name}/seg6_enabled").write_text("1")
    ip(
        f"""link add red type vrf table 10
        link set red up
        link set {DEVICE} master red
        addr replace {LOCAL6}/64 dev {DEVICE} nodad""",
        netns=NETNS,
    )
    with inside(NETNS):
        Path("/proc/sys/net/ipv6/conf/red/seg6_enabled").write_text("1")
        Path("/proc/sys/net/ipv4/udp_l3mdev_accept").write_text("1")
    # One segment is left, this host itself: the stack delivers the packet again, and restarts its count.
    address = socket.inet_pton(socket.AF_INET6, LOCAL6)
    segments = ROUTING, bytes([4, 4, 1, 1, 0, 0, 0]) + address * 2
    chain = ([extension()] * 10 + [segments]) * 8 + [extension()] * 10
    packet = ipv6(_datagram(b"delivered"), _SOURCE, LOCAL6, protocol=PROTO_UDP, extensions=chain)
    with parameters.loaded(f"{_FULL} proto=udp dport={_PORT}"):
        scene.send(packet)
        assert scene.delivered() == b"delivered"
        lines = scene.lines()
    # A packet passes the hook twice, the second time from the VRF's device.
    assert lines
    assert all((line["src"], line["dst"]) == (_SOURCE, LOCAL6) for line in lines)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_connection_request_in_two_tiny_fragments_is_traced_by_its_ports(scene: Scene, family: str) -> None:
    if family == "ipv4":
        # The first one has only TCP's ports and sequence number.
        segment, cut = _syn(5000, _SOURCE4, LOCAL4), 8
        pieces = ((0x2000, segment[:cut]), (cut // 8, segment[cut:]))
        packets = [ipv4(piece, _SOURCE4, LOCAL4, fragment=field, ident=7) for field, piece in pieces]
    else:
        # The kernel requires the whole header in the first one.
        segment = tcp((5000, _PORT), flags=_SYN, doff=6, rest=b"\1\1\1\1data")
        packets = _in_fragments(with_checksum(PROTO_TCP, segment, _SOURCE, LOCAL6), 24, [], 7, PROTO_TCP)
    with parameters.loaded(f"{_FULL} dport={_PORT}"):
        scene.send(*packets)
        answers = scene.tap.received()
        (line,) = scene.lines()
        parameters.put("format", "classic")
        scene.send(packets[0])
        ((_, classic),) = scene.log.read()
    assert any(b"\x1f\x90\x13\x88" in answer for answer in answers)
    assert (line["sport"], line["dport"]) == ("5000", str(_PORT))
    assert line["frag"] == "0+"
    if family == "ipv4":
        assert "TRUNCATED" in line
        assert classic == (
            f"nf_tracer: source : {_SOURCE4}:5000 | dest : {LOCAL4}:{_PORT} | protocol : 6 | fragment : 0 | id : 7"
            " | length : 8"
        )


@pytest.mark.parametrize("protocol", [135, 139, 140, 59, 50])
def test_what_is_no_extension_header_to_the_kernel_is_found_as_a_protocol(scene: Scene, protocol: int) -> None:
    # Would be TCP behind an extension header of 8 bytes.
    packet = ipv6(extension()[1].rjust(8, b"\6") + tcp(), _SOURCE, LOCAL6, protocol=protocol)
    rules = Nft(NETNS)
    rules.run(
        "table ip6 t { counter own {}\ncounter segments {}\nchain c { type filter hook prerouting priority 0;"
        f" meta l4proto {protocol} counter name own; meta l4proto tcp counter name segments; }}\n}}"
    )
    with parameters.loaded(f"{_FULL} proto={protocol}"):
        scene.send(packet)
        own = scene.lines()
        parameters.put("proto", "tcp")
        scene.send(packet)
        as_tcp = scene.lines()
    assert rules.counters("ip6 t") == {"own": 2, "segments": 0}
    (line,) = own
    assert not {"sport", "seq", "flags"} & set(line), line
    assert as_tcp == []


def test_a_packet_is_found_by_the_number_of_each_extension_header_that_it_has(scene: Scene) -> None:
    chain = [extension(HOP_BY_HOP), extension(DESTINATION), (ROUTING, bytes(7)), fragment(0, more=False, ident=1)]
    packet = ipv6(_datagram(b"delivered"), _SOURCE, LOCAL6, protocol=PROTO_UDP, extensions=chain)
    raw = open_socket(socket.AF_INET6, socket.SOCK_RAW, DESTINATION)
    raw.settimeout(1)
    with parameters.loaded(_FULL):
        for number, found in ((0, 1), (60, 1), (43, 1), (44, 1), (17, 1), (51, 0), (6, 0), (58, 0)):
            parameters.put("proto", str(number))
            scene.send(packet)
            assert len(scene.lines()) == found, number
    # The stack delivers it to a raw socket for one of these, too.
    assert raw.recv(1 << 16).endswith(b"delivered")
    raw.close()
