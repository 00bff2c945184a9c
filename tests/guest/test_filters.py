# SPDX-License-Identifier: GPL-2.0
"""The conditions, against tcpdump's choice of the same packets."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
)
from scapy.layers.sctp import SCTP
from scapy.packet import Packet, Raw

from support import frames, kmsg, parameters
from support.hook_modules import ping
from support.netns import ipv6_enabled
from support.network import Network
from support.wire import ALL_NODES, ALL_NODES_MAC, Wire, to_host

_EXPRESSIONS = [
    # Protocols and families.
    *("ip", "ip6", "tcp", "udp", "icmp", "icmp6", "sctp", "not tcp", "tcp or udp", "ip and tcp", "ip6 and udp"),
    *("ip proto 47", "ip proto \\tcp", "proto 17", "ip6 proto 58", "ip6 proto 6", "ip6 proto 44", "not arp"),
    *("proto 132", "ip6 proto 60", "not (ip or icmp6)", "not ip6 proto 0", "ah or esp", "igmp or pim or vrrp"),
    # Addresses.
    *("host 10.1.0.1", "src host 10.1.0.2", "dst host 10.66.0.1", "net 10.1.0.0/24", "not net 10.1.0.0/16"),
    *("src net 10.2.0.0/16", "net 10.1", "src net 10.1.0.0 mask 255.255.252.0", "src 10.1.0.1 or src 10.2.0.1"),
    *("host 2001:db8:1::1", "src host 2001:db8:2::1", "ip6 host 2001:db8:1::1", "ip6 src net 2001:db8::/32"),
    *("net 2001:db8:1::/48", "not ip6 net 2001:db8:1::/48", "ip6 dst host ff02::1", "src net fe80::/10"),
    *("host 10.1.0.1 or host 2001:db8:1::1", "ip multicast", "ip6 multicast", "not ip6 multicast"),
    *("src net 2001:db8:1::/64 and icmp6", "src net 2000::/3", "src net ::/0", "src net 0.0.0.0/0"),
    # Ports.
    *("port 80", "src port 80", "dst port 53", "tcp port 80", "udp port 53", "tcp port 80 or udp port 53"),
    *("portrange 50-100", "src portrange 0-1023", "tcp dst portrange 80-81", "sctp port 80", "not port 80"),
    *("ip6 and port 80", "ip6 and udp dst port 53", "ip and not port 53", "port 80 and host 2001:db8:1::1"),
    *("tcp dst port 8080", "udp src portrange 1000-2000", "port 65535", "src port 1024 and dst port 80"),
    # Flags and fields of TCP.
    *("tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] == tcp-syn|tcp-ack", "tcp[tcpflags] & (tcp-fin|tcp-rst) != 0"),
    *("tcp[13] & 1 != 0", "tcp[13] = 2", "tcp[14:2] = 0", "tcp[12] >> 4 > 5", "tcp[0:2] < 1024", "tcp[4:4] = 0"),
    *("tcp[tcpflags] = tcp-syn and dst port 80", "tcp[(tcp[12] >> 2):1] = 0x78", "tcp[20:4] = 0x020405b4"),
    # ICMP.
    *("icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echoreply", "icmp[0] = 3", "icmp[icmpcode] = 0"),
    *("icmp6[icmp6type] = icmp6-echo", "icmp6[0] = 129", "icmp6[icmp6type] = icmp6-neighborsolicit"),
    *("icmp6 and not icmp6[0] = 135", "icmp[icmptype] = icmp-unreach or icmp6", "icmp6[icmp6code] = 0"),
    # Fields of IPv4 and IPv6.
    *("ip[8] < 5", "ip[6:2] & 0x1fff != 0", "ip[6] & 0x40 != 0", "ip[0] & 0xf > 5", "ip[1] & 0xfc = 0xb8"),
    *("ip[9] = 17", "ip[12:4] = 0x0a010001", "ip[2:2] > 100 and tcp", "ip[6:2] & 0x3fff = 0", "ip[8] = ip[1]"),
    *("ip6[6] = 58", "ip6[7] < 5", "ip6[4:2] > 40", "ip6[0:2] & 0xff0 = 0xb80", "ip6[40] = 6", "ip6[8:4] = 0x20010db8"),
    *("udp[4:2] > 20", "udp[8:4] = 0x78787878", "udp[6:2] != 0", "icmp[4:2] = 0"),
    # Lengths and arithmetic.
    *("len > 100", "less 60", "greater 200", "len <= 40", "len = 28", "len - 20 > 50", "len & 1 != 0"),
    *("(ip[2:2] - ((ip[0] & 0xf) << 2)) > 100", "ip[8] * 2 = 10", "ip[8] % 3 = 1", "ip[8] / 3 = 2"),
    *("(ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2)) != 0", "ip[8] ^ 1 > 3", "ip[8] | 8 = 9"),
    *("ip[3] + ip[8] > 60", "ip6[5] * 2 > len", "(0 - ip[8]) & 7 = 1", "(ip[8] << 4) - 1 < 40"),
    # Together.
    *("tcp and not (port 80 or port 8080)", "(icmp or icmp6) and less 100", "ip and (udp or icmp) and src net 10.1"),
    *("(ip6 and tcp) or (ip and udp)", "src net 10.1.0.0/24 and tcp[tcpflags] & tcp-ack != 0 and ip[8] > 1"),
    *("not (tcp or udp or icmp or icmp6)", "udp and (len > 100 or ip6)", "tcp or (udp and not dst port 53) or icmp"),
    *("port 80 and (host 10.1.0.1 or host 10.1.3.1 or host 2001:db8:1::1) and not udp", "not (not ip6)"),
    *("ip src or dst 10.1.0.1", "src or dst port 1024", "tcp or udp or sctp and port 80", "host 10.1.0.1 and not icmp"),
]
# So that none of the tests takes long.
_PARTS = 5
# The module's conditions and equal tcpdump expressions; proto is `all` where not given.
_CONDITIONS = [
    ("proto=udp", "udp"),
    ("proto=tcp,icmp", "tcp or icmp"),
    ("proto=icmpv6", "icmp6"),
    ("proto=47", "ip proto 47"),
    ("proto=sctp,58", "sctp or icmp6"),
    ("host=10.1.0.1", "host 10.1.0.1"),
    ("host=2001:db8:1::1", "host 2001:db8:1::1"),
    ("src=10.1.0.0/24,10.2.0.0/16", "src net 10.1.0.0/24 or src net 10.2.0.0/16"),
    ("src=2001:db8:1::/48,10.2.0.1", "src net 2001:db8:1::/48 or src host 10.2.0.1"),
    ("dst=ff00::/8", "ip6 multicast"),
    ("src=::/0", "ip6"),
    ("src=0.0.0.0/0", "ip"),
    ("host=10.1.0.0/16,fe80::/10 dst=10.66.0.1,ff02::1", "(src net 10.1 or src net fe80::/10) and not ip multicast"),
    ("src=10.1.0.0/16 port=80", "src net 10.1.0.0/16 and port 80"),
    ("proto=tcp,udp port=53,70-90", "(tcp or udp) and (port 53 or portrange 70-90)"),
    ("proto=tcp,udp sport=80", "(tcp or udp) and src port 80"),
    ("proto=tcp,udp dport=80 src=10.1.0.1", "(tcp or udp) and dst port 80 and src host 10.1.0.1"),
    ("sport=0-1023 dport=80 src=2001:db8::/32", "src portrange 0-1023 and dst port 80 and src net 2001:db8::/32"),
    ("family=ipv6 proto=tcp", "ip6 and tcp"),
    ("family=ipv4 port=80", "ip and port 80"),
]


def _ipv6_packets(source: str, port: int) -> list[Packet]:
    ip = IPv6(src=source, dst=ALL_NODES, hlim=port % 9 + 1)
    return [
        *(ip / TCP(sport=port, dport=80, flags=flags) for flags in ("S", "SA")),
        *(ip / UDP(sport=port, dport=dport) / Raw(b"x" * size) for dport in (53, 80) for size in (0, 151)),
        ip / ICMPv6EchoRequest(id=5) / Raw(b"y" * 30),
        ip / ICMPv6EchoReply(id=5),
        ip / ICMPv6ND_NS(tgt="2001:db8::9"),
        IPv6(src=source, dst=ALL_NODES, tc=0xB8) / SCTP(sport=port, dport=80, tag=1),
    ]


def _packets() -> list[Packet]:
    found = []
    for source, port in [("10.1.0.1", 80), ("10.1.0.2", 1024), ("10.1.3.1", 53), ("10.2.0.1", 65535)]:
        end = {"src": source, "dst": frames.HOST}
        ip = IP(ttl=port % 9 + 1, **end)
        found += [ip / TCP(sport=port, dport=80, flags=flags, window=port % 3) for flags in ("S", "SA", "FA", "R")]
        found += [ip / UDP(sport=port, dport=dport) / Raw(b"x" * size) for dport in (53, 80) for size in (0, 151)]
        found += [ip / ICMP(type=kind) / Raw(b"y" * 30) for kind in (0, 3, 8)]
        found += [IP(proto=47, tos=0xB8, **end) / Raw(b"z" * 20), IP(flags="DF", **end) / SCTP(sport=port, dport=80)]
        found += [IP(frag=9, proto=17, **end) / Raw(b"z" * 24), ip / UDP(sport=port, dport=9) / Raw(b"x" * 4)]
        found += [IP(options=b"\x01" * 4, **end) / TCP(sport=port, dport=8080)]
        found += [ip / TCP(sport=port, dport=81, seq=9, options=[("MSS", 1460)]) / Raw(b"x" * 5)]
        found += [IP(src=source, dst="224.0.0.1") / UDP(sport=port, dport=9), IP(proto=50, **end) / Raw(bytes(20))]
    for source, port in [("2001:db8:1::1", 80), ("2001:db8:2::1", 1024), ("fe80::1", 53)]:
        found += _ipv6_packets(source, port)
    return found


def _with_extensions() -> list[Packet]:
    """Returns packets with extension headers, behind which libpcap reads no ports."""
    ip = IPv6(src="2001:db8:3::1", dst=ALL_NODES)
    option = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0")])
    return [
        ip / option / TCP(sport=1, dport=2),
        ip / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0\0")]) / UDP(sport=3, dport=4),
        ip / IPv6ExtHdrFragment(offset=0, m=1, id=9) / UDP(sport=7, dport=8) / Raw(b"12345678"),
        ip / IPv6ExtHdrFragment(offset=100, m=0, id=9) / Raw(b"12345678"),
    ]


def _framed(packets: list[Packet]) -> list[Packet]:
    """Numbers the packets, so that lines and captures identify them, and puts them in frames."""
    for number, packet in enumerate(packets, 1000):
        setattr(packet, "id" if IP in packet else "fl", number)
    macs = {"10.66.0.1": frames.HOST_MAC, "224.0.0.1": "01:00:5e:00:00:01", ALL_NODES: ALL_NODES_MAC}
    return [frame for packet in packets for frame in to_host([packet], macs[packet.dst])]


@pytest.fixture(scope="module")
def wire(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = Wire(_framed(_packets() + _with_extensions()), tmp_path_factory.mktemp("wire"), network)
    with ipv6_enabled(network.device):
        yield made
    made.close()


@pytest.mark.parametrize(("iface", "emitted"), [("veth0", 8), ("lo", 0), ("lo,veth+", 8), ("veth", 0), ("+", 8)])
def test_iface_matches_the_input_and_the_output_device(network: Network, iface: str, emitted: int) -> None:
    with parameters.loaded(f"proto=icmp hooks=all rate=0 iface={iface}"):
        ping(network.peer_address, count=2)
        # A request at LOCAL_OUT and POST_ROUTING, its answer at PRE_ROUTING and LOCAL_IN.
        assert parameters.total().emitted == emitted


def _chosen(wire: Wire, log: kmsg.KernelLog, lost: int = 0) -> set[int]:
    """Returns the numbers of the packets that the module prints."""
    log.read()
    wire.send(lost)
    texts = [text for _, text in log.read() if text.startswith("nf_tracer: hook=")]
    # Flow labels here have 16 bits.
    numbers = [int(match[1]) for match in (re.search(r" (?:id|flowlabel)=(\d+)", text) for text in texts) if match]
    # The kernel's own packets are neighbour discovery.
    ours = [number for number in numbers if number >= 1000]
    assert len(ours) == len(set(ours))
    return set(ours)


def _emitted(wire: Wire) -> int:
    before = parameters.total().emitted
    wire.send()
    return parameters.total().emitted - before


@pytest.mark.parametrize("part", range(_PARTS))
def test_bpf_chooses_what_tcpdump_chooses(wire: Wire, network: Network, log: kmsg.KernelLog, part: int) -> None:
    expressions = _EXPRESSIONS[part::_PARTS]
    # Starting programs is slow.
    with ThreadPoolExecutor() as threads:
        programs = list(threads.map(parameters.bpf, expressions))
        expectations = list(threads.map(wire.chosen_by_tcpdump, expressions))
    scope = f"hooks=prerouting iface={network.device}"
    with parameters.loaded(f"family=inet proto=all rate=0 format=full {scope}"):
        for expression, program, expected in zip(expressions, programs, expectations, strict=True):
            parameters.put("bpf", program)
            assert _chosen(wire, log) == expected, expression
    # The expressions are not all equivalent.
    assert len({frozenset(chosen) for chosen in expectations}) > len(expressions) / 2


def test_the_conditions_choose_what_tcpdump_chooses(wire: Wire, network: Network, log: kmsg.KernelLog) -> None:
    # Scapy is slow.
    plain, others = _packets(), _with_extensions()
    six = sum(IPv6 in packet for packet in plain + others)
    of_others = {"family=ipv4": six, "family=ipv6": len(plain + others) - six}
    behind = {1000 + len(plain) + number for number in range(len(others))}
    scope = f"hooks=prerouting iface={network.device}"
    expressions = [f"({expression}) and not net 2001:db8:3::/48" for _, expression in _CONDITIONS]
    with ThreadPoolExecutor() as threads:
        expectations = list(threads.map(wire.chosen_by_tcpdump, expressions))
    for (condition, _), expected in zip(_CONDITIONS, expectations, strict=True):
        with parameters.loaded(f"family=inet proto=all rate=0 format=full {scope} {condition}"):
            assert 0 < len(expected) < len(plain)
            chosen = _chosen(wire, log, of_others.get(condition.split()[0], 0))
            assert chosen - behind == expected, condition


def test_iface_matches_whole_names_and_prefixes(wire: Wire) -> None:
    everything = len(_packets() + _with_extensions())
    expectations = {"veth0": everything, "ve+": everything, "lo,veth+": everything, "lo,eth+": 0, "veth": 0}
    for names, expected in expectations.items():
        with parameters.loaded(f"family=inet proto=all rate=0 hooks=prerouting iface={names}"):
            assert _emitted(wire) == expected, names


def test_a_malformed_packet_is_emitted_only_if_it_meets_the_conditions(
    network: Network, tmp_path: Path, log: kmsg.KernelLog
) -> None:
    invalid = IP(src="10.1.0.1", dst=frames.HOST) / TCP(sport=1, dport=2, dataofs=4)
    truncated = IP(src="10.1.0.2", dst=frames.HOST, proto=6) / Raw(b"short")
    wire = Wire(_framed([invalid, truncated]), tmp_path, network)
    with parameters.loaded("rate=0 hooks=prerouting format=full"):
        for name, value, chosen in (
            ("iface", "", {1000, 1001}),
            ("iface", network.device, {1000, 1001}),
            ("iface", "lo", set()),
            ("dport", "2", {1000}),
            ("sport", "2", set()),
            ("src", "10.1.0.2", {1001}),
            ("dst", "10.1.0.2", set()),
            ("bpf", parameters.bpf("src host 10.1.0.1"), {1000}),
        ):
            parameters.put(name, value)
            assert _chosen(wire, log) == chosen, (name, value)
            parameters.put(name, "")
    wire.close()


def test_a_packet_of_ipv6_is_found_behind_extension_headers(network: Network, tmp_path: Path) -> None:
    end = {"src": "fe80::1", "dst": ALL_NODES}
    packets = [
        IPv6(**end) / TCP(sport=1, dport=2),
        IPv6(**end) / IPv6ExtHdrDestOpt() / UDP(sport=3, dport=4),
        IPv6(**end) / ICMPv6EchoRequest(id=5, seq=6),
        IPv6(**end) / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=0, m=1, id=9) / UDP(sport=7, dport=8),
    ]
    wire = Wire(to_host(packets, ALL_NODES_MAC), tmp_path, network)
    with ipv6_enabled(network.device):
        for condition, expected in (
            ("proto=all", 4),
            ("proto=udp", 2),
            ("proto=udp port=3", 1),
            ("proto=icmpv6", 1),
            ("proto=tcp src=fe80::/10", 1),
            ("proto=tcp src=fe81::/16", 0),
        ):
            scope = f"family=ipv6 rate=0 hooks=prerouting iface={network.device} src=fe80::1"
            with parameters.loaded(f"{scope} {condition}"):
                # The kernel sends some of its own.
                assert _emitted(wire) == expected, condition
    wire.close()


def test_lists_of_64_of_each_family_are_searched_and_changed_at_run_time(
    network: Network, tmp_path: Path, log: kmsg.KernelLog
) -> None:
    # Each prefix has a packet within it, and one just beside it.
    v4 = [IPv4Network((0x0B000000 + (n << 17), 16 + n % 17)) for n in range(64)]
    v6 = [IPv6Network(((0x20010DB8 << 96) + (n << 81), 48 + n % 81)) for n in range(64)]
    packets = []
    for prefix in v4 + v6:
        for address in (prefix.broadcast_address, prefix.broadcast_address + 1):
            ip = IP(src=str(address), dst=frames.HOST) if prefix.version == 4 else IPv6(src=str(address), dst=ALL_NODES)
            packets.append(ip / UDP(sport=len(packets), dport=9))
    wire = Wire(_framed(packets), tmp_path, network)
    mixed = [str(prefix) for pair in zip(v4, v6, strict=True) for prefix in pair]
    within = {1000 + 2 * n for n in range(128)}
    scope = f"rate=0 hooks=prerouting format=full iface={network.device}"
    with ipv6_enabled(network.device), parameters.loaded(f"family=inet proto=udp {scope}"):
        for name in ("src", "host"):
            parameters.put(name, ",".join(reversed(mixed)))
            assert _chosen(wire, log) == within
            for other in ("12.0.0.1", "2001:db9::1"):
                with pytest.raises(OSError, match="Invalid argument"):
                    parameters.put(name, ",".join([*mixed, other]))
            assert _chosen(wire, log) == within
            # Removed from the list.
            parameters.put(name, ",".join(mixed[:100]))
            assert _chosen(wire, log) == within - {1000 + 2 * n for n in (*range(50, 64), *range(114, 128))}
            parameters.put(name, "")
        names = [f"none{n}" for n in range(63)]
        parameters.put("iface", ",".join([*names, network.device]))
        parameters.put("sport", ",".join(f"{4 * n}-{4 * n + 1}" for n in range(64)))
        assert _chosen(wire, log) == {1000 + n for n in range(256) if n % 4 < 2}
        with pytest.raises(OSError, match="Invalid argument"):
            parameters.put("iface", ",".join([*names, network.device, "more"]))
    wire.close()
