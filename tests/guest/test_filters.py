# SPDX-License-Identifier: GPL-2.0
"""Which packets are chosen, against tcpdump's choice of the same packets."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import frames
import parameters
import pytest
from conftest import Network
from hookmod import ping
from netns import inside
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

_EXPRESSIONS = [
    *("ip", "tcp", "udp", "icmp", "ip proto 47", "not tcp", "tcp or udp"),
    *("port 80", "src port 80", "dst port 53", "portrange 50-100", "tcp port 80 or udp port 53"),
    *("host 10.1.0.1", "src host 10.1.0.2", "net 10.1.0.0/24", "src net 10.2.0.0/16", "not net 10.1.0.0/16"),
    *("tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] == tcp-syn|tcp-ack", "tcp[13] & 1 != 0", "tcp[14:2] = 0"),
    *("icmp[icmptype] = icmp-echo", "icmp[0] = 3", "ip[8] < 5", "ip[6:2] & 0x1fff != 0", "ip[0] & 0xf > 5"),
    *("len > 100", "less 60", "greater 200", "udp[4:2] > 20", "ip[2:2] > 100 and tcp", "ether[0] & 1 = 0 or tcp"),
]
# What each condition of the module's own is in tcpdump's words.
_CONDITIONS = [
    ("proto=udp", "udp"),
    ("proto=tcp,icmp", "tcp or icmp"),
    ("proto=47", "ip proto 47"),
    ("proto=all host=10.1.0.1", "host 10.1.0.1"),
    ("proto=all src=10.1.0.0/24,10.2.0.0/16", "src net 10.1.0.0/24 or src net 10.2.0.0/16"),
    ("proto=all src=10.1.0.0/16 port=80", "src net 10.1.0.0/16 and port 80"),
    ("proto=tcp,udp port=53,70-90", "(tcp or udp) and (port 53 or portrange 70-90)"),
    ("proto=tcp,udp sport=80", "src port 80"),
    ("proto=tcp,udp dport=80 src=10.1.0.1", "dst port 80 and src host 10.1.0.1"),
]


def _packets() -> list[Packet]:
    ends = [("10.1.0.1", 80), ("10.1.0.2", 1024), ("10.1.3.1", 53), ("10.2.0.1", 65535)]
    found = []
    for source, port in ends:
        ip = IP(src=source, dst=frames.HOST, ttl=port % 9 + 1)
        found += [ip / TCP(sport=port, dport=80, flags=flags, window=port % 3) for flags in ("S", "SA", "FA", "R")]
        found += [ip / UDP(sport=port, dport=dport) / Raw(b"x" * size) for dport in (53, 80) for size in (0, 150)]
        found += [ip / ICMP(type=kind) / Raw(b"y" * 30) for kind in (0, 3, 8)]
        found += [IP(src=source, dst=frames.HOST, proto=47) / Raw(b"z" * 20)]
        found += [IP(src=source, dst=frames.HOST, frag=9, id=7, proto=17) / Raw(b"z" * 24)]
        found += [IP(src=source, dst=frames.HOST, options=b"\x01" * 4) / TCP(sport=port, dport=8080)]
    return [Ether(src=frames.PEER_MAC, dst=frames.HOST_MAC) / packet for packet in found]


class Wire:
    """Packets that can be sent to the host again and again, and what tcpdump thinks of them."""

    def __init__(self, packets: list[Packet], folder: Path, network: Network) -> None:
        self.file = folder / "packets.pcap"
        wrpcap(str(self.file), packets)
        self._frames = [bytes(packet) for packet in packets]
        with inside(network.peer):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._socket.bind((network.peer_device, 0))

    def put(self) -> None:
        """Sends them, whoever looks."""
        for frame in self._frames:
            self._socket.send(frame)

    def send(self, lost: int = 0) -> None:
        """Sends them, and waits until the module has seen all but `lost`, which do not get to its hook."""
        before = parameters.total().seen
        self.put()
        end = time.monotonic() + 10
        while parameters.total().seen < before + len(self._frames) - lost:
            assert time.monotonic() < end, "the packets do not arrive"
            time.sleep(0.01)

    def chosen_by_tcpdump(self, expression: str) -> int:
        command = ["tcpdump", "-n", "-r", str(self.file), expression]
        return len(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def wire(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = Wire(_packets(), tmp_path_factory.mktemp("wire"), network)
    yield made
    made.close()


@pytest.mark.parametrize(("iface", "emitted"), [("veth0", 8), ("lo", 0), ("lo,veth+", 8), ("veth", 0), ("+", 8)])
def test_a_device_is_that_of_either_way(network: Network, iface: str, emitted: int) -> None:
    with parameters.loaded(f"proto=icmp hooks=all rate=0 iface={iface}"):
        ping(network.peer_address, count=2)
        # A request at LOCAL_OUT and POST_ROUTING, its answer at PRE_ROUTING and LOCAL_IN.
        assert parameters.total().emitted == emitted


def _emitted(wire: Wire) -> int:
    before = parameters.total().emitted
    wire.send()
    return parameters.total().emitted - before


def test_bpf_chooses_what_tcpdump_chooses(wire: Wire, network: Network) -> None:
    chosen = set()
    with parameters.loaded(f"proto=all rate=0 hooks=prerouting iface={network.device}"):
        for expression in _EXPRESSIONS:
            # There is no link layer at a hook, and with it go 14 bytes of length.
            at_hook = expression.replace("len > 100", "len > 86").replace("less 60", "less 46")
            at_hook = at_hook.replace("greater 200", "greater 186").replace("ether[0] & 1 = 0 or ", "ip or ")
            parameters.put("bpf", parameters.bpf(at_hook))
            expected = wire.chosen_by_tcpdump(expression)
            assert _emitted(wire) == expected, expression
            chosen.add(expected)
    assert len(chosen) > 10


def test_the_conditions_choose_what_tcpdump_chooses(wire: Wire, network: Network) -> None:
    for condition, expression in _CONDITIONS:
        with parameters.loaded(f"rate=0 hooks=prerouting iface={network.device} {condition}"):
            expected = wire.chosen_by_tcpdump(expression)
            assert 0 < expected < len(_packets())
            assert _emitted(wire) == expected, condition


def test_devices_are_chosen_by_name_and_by_the_beginning_of_it(wire: Wire) -> None:
    everything = len(_packets())
    expectations = {"veth0": everything, "ve+": everything, "lo,veth+": everything, "lo,eth+": 0, "veth": 0}
    for names, expected in expectations.items():
        with parameters.loaded(f"proto=all rate=0 hooks=prerouting iface={names}"):
            assert _emitted(wire) == expected, names


def test_a_packet_of_ipv6_is_found_behind_extension_headers(network: Network, tmp_path: Path) -> None:
    end = {"src": "fe80::1", "dst": "ff02::1"}
    packets = [
        IPv6(**end) / TCP(sport=1, dport=2),
        IPv6(**end) / IPv6ExtHdrDestOpt() / UDP(sport=3, dport=4),
        IPv6(**end) / ICMPv6EchoRequest(id=5, seq=6),
        IPv6(**end) / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=0, m=1, id=9) / UDP(sport=7, dport=8),
    ]
    wire = Wire([Ether(src=frames.PEER_MAC, dst="33:33:00:00:00:01") / packet for packet in packets], tmp_path, network)
    device = Path(f"/proc/sys/net/ipv6/conf/{network.device}/disable_ipv6")
    device.write_text("0")
    try:
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
    finally:
        device.write_text("1")
        wire.close()
