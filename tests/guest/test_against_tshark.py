# SPDX-License-Identifier: GPL-2.0
"""Full lines of IPv6, of fragments and of TCP options, field by field against tshark."""

import re
import time
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.sctp import SCTP
from scapy.packet import Packet, Raw

from support import frames, kmsg, parameters
from support.netns import ipv6_enabled
from support.network import Network
from support.tshark import read_fields, without
from support.wire import ALL_NODES, ALL_NODES_MAC, Wire, to_host

# tshark's field for each key of ours, of all packets in which either has it.
_FIELDS = {
    "src": ("ip.src", "ipv6.src"),
    "dst": ("ip.dst", "ipv6.dst"),
    "ttl": ("ip.ttl",),
    "tos": ("ip.dsfield",),
    "id": ("ip.id",),
    "hoplimit": ("ipv6.hlim",),
    "tc": ("ipv6.tclass",),
    "flowlabel": ("ipv6.flow",),
    "fragid": ("ipv6.fraghdr.ident",),
    "sport": ("tcp.srcport", "udp.srcport", "sctp.srcport"),
    "dport": ("tcp.dstport", "udp.dstport", "sctp.dstport"),
    "seq": ("tcp.seq_raw",),
    "ack": ("tcp.ack_raw",),
    "window": ("tcp.window_size_value",),
    "urg": ("tcp.urgent_pointer",),
    "vtag": ("sctp.verification_tag",),
    "csum": ("tcp.checksum", "udp.checksum", "icmp.checksum", "icmpv6.checksum"),
    "echoid": ("icmp.ident", "icmpv6.echo.identifier"),
    "echoseq": ("icmp.seq", "icmpv6.echo.sequence_number"),
}
_FLAGS = ("fin", "syn", "reset", "push", "ack", "urg", "ece", "cwr", "ae")
_NAMES = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE")


def _tshark(file: Path, fields: list[str]) -> list[dict[str, list[str]]]:
    """Returns all values of some fields, for each packet."""
    preferences = without("tcp.relative_sequence_numbers", "ip.defragment", "ipv6.defragment")
    rows = read_fields(file, fields, *preferences, occurrences="a")
    return [{name: value.split(";") if value else [] for name, value in row.items()} for row in rows]


def _mac_of(packet: Packet) -> str:
    return ALL_NODES_MAC if packet.dst == ALL_NODES else frames.HOST_MAC


def _trace(network: Network, folder: Path, packets: list[Packet]) -> tuple[Path, list[str]]:
    """Sends packets to the host; returns the file with them, and the module's full lines, one for each."""
    framed = [frame for packet in packets for frame in to_host([packet], _mac_of(packet))]
    wire = Wire(framed, folder, network)
    log = kmsg.KernelLog()
    scope = f"hooks=prerouting iface={network.device}"
    with ipv6_enabled(network.device), parameters.loaded(f"family=inet proto=all rate=0 format=full {scope}"):
        wire.send()
        time.sleep(0.2)
        lines = [text for _, text in log.read() if text.startswith("nf_tracer: hook=")]
    log.close()
    wire.close()
    ours = [line for line in lines if " src=2001:db8:" in line or " src=10.1.0." in line]
    assert len(ours) == len(packets)
    return wire.file, ours


def _number(text: str) -> int | str:
    try:
        return int(text, 0)
    except ValueError:
        return text


def _packets() -> list[Packet]:
    end = {"src": "2001:db8::1", "dst": ALL_NODES}
    base = IPv6(hlim=7, tc=0xB8, fl=0x12345, **end)
    option = PadN(optdata=b"\0\0")
    segment = TCP(sport=1, dport=2, seq=3, ack=4, window=5, urgptr=6, flags="SAUPEC")
    packets = [
        *(base / TCP(sport=1, dport=2, seq=1 << 31, flags=1 << bit) for bit in range(9)),
        base / segment / Raw(b"payload"),
        base / UDP(sport=53, dport=54) / Raw(b"abc"),
        base / SCTP(sport=11, dport=12, tag=0xDEADBEEF),
        base / ICMPv6EchoRequest(id=17, seq=18) / Raw(b"data"),
        base / ICMPv6EchoReply(id=65535, seq=0),
        base / ICMPv6ND_NS(tgt="2001:db8::9"),
        base / ICMPv6DestUnreach(code=4) / Raw(bytes(8)),
        base / IPv6ExtHdrHopByHop(options=[option]) / UDP(sport=1, dport=2) / Raw(b"12"),
        base / IPv6ExtHdrDestOpt(options=[option]) / segment / Raw(b"x" * 99),
        base / IPv6ExtHdrRouting(addresses=["2001:db8::4"], segleft=0) / UDP(sport=3, dport=4),
        base / IPv6ExtHdrDestOpt(options=[option]) / IPv6ExtHdrFragment(offset=0, m=1, id=98) / segment / Raw(bytes(4)),
        base / IPv6ExtHdrFragment(offset=0, m=1, id=99) / UDP(sport=7, dport=8) / Raw(b"12345678"),
        base / IPv6ExtHdrFragment(offset=2, m=1, id=99, nh=17) / Raw(b"f" * 16),
        base / IPv6ExtHdrFragment(offset=4, m=0, id=99, nh=17) / Raw(b"f" * 5),
        base / IPv6ExtHdrFragment(offset=8191, m=0, id=0xFFFFFFFF, nh=6) / Raw(b"f" * 5),
        base / IPv6ExtHdrFragment(offset=0, m=0, id=1) / UDP(sport=9, dport=10) / Raw(b"atom"),
    ]
    ip = {"src": "10.1.0.1", "dst": frames.HOST}
    return packets + [
        IP(ttl=9, tos=0xB8, id=7, flags="MF", **ip) / UDP(sport=7, dport=8) / Raw(b"12345678"),
        IP(id=7, frag=2, flags="MF", proto=17, **ip) / Raw(b"f" * 16),
        IP(id=7, frag=8189, proto=6, **ip) / Raw(b"f" * 5),
        IP(id=8, flags="DF", **ip) / ICMP(type=13, id=3, seq=4) / Raw(bytes(12)),
    ]


@pytest.mark.every_kernel
def test_fields_of_ipv6_and_of_fragments_are_those_of_tshark(network: Network, tmp_path: Path) -> None:
    packets = _packets()
    file, lines = _trace(network, tmp_path, packets)
    more = ["ipv6.fraghdr.offset", "ipv6.fraghdr.more", "ip.frag_offset", "ip.flags.mf", "ip.flags.df"]
    more += ["ip.proto", "ipv6.nxt", "ipv6.fraghdr.nxt", "tcp.len", "udp.length", "icmpv6.type", "icmpv6.code"]
    flags = [f"tcp.flags.{flag}" for flag in _FLAGS]
    names = [name for names in _FIELDS.values() for name in names]
    rows = _tshark(file, [*names, *more, *flags])
    assert len(rows) == len(lines)
    compared = 0
    for line, row in zip(lines, rows, strict=True):
        ours = dict(re.findall(r"(\w+)=(\S*)", line))
        # A later fragment has no transport header, whatever tshark reads there.
        later = bool(ours.get("frag", "0").rstrip("+") != "0")
        for key, candidates in _FIELDS.items():
            # The first value: ICMP errors quote another packet.
            values = [row[name][0] for name in candidates if row[name]]
            if later and not candidates[0].startswith("ip"):
                assert key not in ours, line
                continue
            assert [_number(ours[key])] * bool(values) == [_number(values[0])] if values else key not in ours, line
            compared += bool(values)
        six = bool(row["ipv6.src"])
        offset = row["ipv6.fraghdr.offset"] if six else row["ip.frag_offset"]
        follows = row["ipv6.fraghdr.more"] if six else row["ip.flags.mf"]
        is_more = bool(follows) and follows[0] in ("1", "True")
        where = int(offset[0], 0) * 8 if offset else 0
        is_fragment = bool(row["ipv6.fraghdr.offset"]) if six else bool(is_more or where)
        assert ours.get("frag") == (f"{where}{'+' * is_more}" if is_fragment else None), line
        set_flags = [name for name, flag in zip(_NAMES, flags, strict=True) if row[flag][:1] in (["1"], ["True"])]
        if not later:
            assert ours.get("flags", "") == ",".join(set_flags), line
        if row["tcp.len"] and not later:
            assert ours["payload"] == row["tcp.len"][0], line
        if row["udp.length"] and not later:
            # A fragment has less than its length says.
            there = int(ours["payload"]) + 8
            assert there == int(row["udp.length"][0]) or is_more, line
        assert (" df " in line) == (row["ip.flags.df"][:1] in (["1"], ["True"])), line
        assert "TRUNCATED" not in line
        assert "INVALID" not in line
    assert compared > 8 * len(packets)


# Kind and data of each option.
_OPTIONS: list[list[tuple[int, bytes]]] = [
    [(2, b"\x05\xb4"), (4, b""), (8, bytes(range(8))), (1, b""), (3, b"\x07")],
    [(2, b"\0\0"), (2, b"\xff\xff"), (3, b"\0"), (3, b"\x0e")],
    [(8, b"\xff" * 8), (5, bytes(range(8)))],
    [(5, bytes(range(16)))],
    [(5, bytes(range(24))), (1, b"")],
    [(5, bytes(range(100, 132)))],
    [(34, b"")],
    [(34, b"\xde\xad\xbe\xef")],
    [(34, bytes(range(16))), (2, b"\x05\xb4")],
    [(30, b"\x01" + b"\x81" + bytes(range(8)))],
    [(30, b"\x10\x05" + bytes(range(8)))],
    [(30, b"\x20\x01" + bytes(range(4)))],
    [(30, b"\x30\x01" + bytes(range(6)))],
    [(30, b"\x60\x00")],
    [(30, b"\x80\x00")],
    [(1, b"")] * 40,
    [(8, b"\0\0\0\1\0\0\0\0"), (30, b"\x20\x01" + bytes(range(4))), (3, b"\x01")],
]


def _option_bytes(options: list[tuple[int, bytes]]) -> bytes:
    made = b"".join(bytes([kind]) if kind <= 1 else bytes([kind, len(data) + 2]) + data for kind, data in options)
    return made + b"\0" * (-len(made) % 4)


def _told(options: str) -> dict[str, list[str]]:
    """Translates the options of a full line into tshark's fields."""
    found: dict[str, list[str]] = {}
    for word in filter(None, options.split(",")):
        kind, _, rest = word.partition(":")
        match kind:
            case "mss":
                found.setdefault("tcp.options.mss_val", []).append(rest)
            case "wscale":
                found.setdefault("tcp.options.wscale.shift", []).append(rest)
            case "sackOK":
                found.setdefault("tcp.options.sack_perm", []).append("set")
            case "ts":
                value, echo = rest.split(":")
                found.setdefault("tcp.options.timestamp.tsval", []).append(value)
                found.setdefault("tcp.options.timestamp.tsecr", []).append(echo)
            case "sack":
                for block in rest.split(":"):
                    left, right = block.split("-")
                    found.setdefault("tcp.options.sack_le", []).append(left)
                    found.setdefault("tcp.options.sack_re", []).append(right)
            case "fastopen":
                found.setdefault("tcp.options.tfo.cookie" if rest else "tcp.options.tfo.request", []).append(rest)
            case "mptcp":
                found.setdefault("tcp.options.mptcp.subtype", []).append(rest)
            case _:
                pytest.fail(f"an option that none of these is: {word}")
    return found


@pytest.mark.every_kernel
def test_options_of_tcp_are_those_of_tshark(network: Network, tmp_path: Path) -> None:
    packets = []
    for number, options in enumerate(_OPTIONS):
        made = _option_bytes(options)
        # As raw bytes, since scapy would rewrite the options.
        segment = frames.tcp(seq=number, flags=2, doff=5 + len(made) // 4, rest=made)
        packets.append(IP(src="10.1.0.1", dst=frames.HOST, proto=6) / Raw(segment))
    file, lines = _trace(network, tmp_path, packets)
    fields = ["mss_val", "wscale.shift", "sack_perm", "timestamp.tsval", "timestamp.tsecr", "sack_le", "sack_re"]
    fields += ["tfo.cookie", "tfo.request", "mptcp.subtype"]
    rows = _tshark(file, [f"tcp.options.{field}" for field in fields])
    for line, row in zip(lines, rows, strict=True):
        ours = _told(re.search(r"options=(\S*)", line)[1])  # type: ignore[index]
        theirs = {name: values for name, values in row.items() if values}
        # These have no value.
        for name in ("tcp.options.sack_perm", "tcp.options.tfo.request"):
            for found in (ours, theirs):
                if name in found:
                    found[name] = ["set"]
        assert {name: [_number(value) for value in values] for name, values in ours.items()} == {
            name: [_number(value.replace(":", "")) for value in values] for name, values in theirs.items()
        }, line
