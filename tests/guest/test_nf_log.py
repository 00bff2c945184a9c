# SPDX-License-Identifier: GPL-2.0
"""Lines of the format nf_log against nft's `log flags all`, for both families and at all points."""

import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.sctp import SCTP
from scapy.packet import Raw

from support import frames, kmsg, parameters
from support.hook_modules import ping, rules
from support.listeners import capturing, nflog_records
from support.netns import ip, ipv6_enabled, run
from support.network import Network
from support.waiting import wait_until
from support.wire import ALL_NODES, ALL_NODES_MAC, Wire, to_host

# Neighbour discovery, by a link-local address or none.
_OWN = re.compile(" SRC=(fe80|0000(:0000){7} )")
_USER, _GROUP = 1234, 4321
_FAR, _FAR6 = "10.69.0.2", "fd69::2"
_HOST6, _PEER6 = "fd66::1", "fd66::2"


def lines_of(traffic: Callable[[], None], hook: str, condition: str) -> list[str]:
    """Checks that kernel and module print the same lines of some traffic; returns each line once."""
    chain = f'type filter hook {hook} priority filter\n{condition} log prefix "nf_tracer: " flags all'
    log = kmsg.KernelLog()
    with (
        rules(f"table inet t {{\nchain c {{\n{chain}\n}}\n}}"),
        parameters.loaded(f"family=inet proto=all rate=0 hooks={hook} priority=filter-1 format=nf_log"),
    ):
        traffic()
        time.sleep(0.3)
        counts = parameters.total()
    texts = [text for _, text in log.read() if text.startswith("nf_tracer: IN=")]
    log.close()
    # Neighbour discovery may happen between the start of the one and of the other.
    times = Counter(text for text in texts if not _OWN.search(text))
    assert {text: count for text, count in times.items() if count % 2} == {}
    assert counts.lost == 0
    return [text.removeprefix("nf_tracer: ") for text in times]


def _packets() -> list[IPv6]:
    base = IPv6(src="2001:db8::1", dst=ALL_NODES, hlim=7, tc=0xB8, fl=0x12345)
    segment = TCP(sport=1, dport=2, seq=3, ack=4, window=5, urgptr=6, flags="SAUPEC", options=[("MSS", 1460)])
    option = PadN(optdata=b"\0\0")
    return [
        base / segment,
        base / TCP(sport=1, dport=2, options=[("Timestamp", (1, 2)), ("WScale", 7), ("SAckOK", b"")]) / Raw(b"data"),
        base / UDP(sport=53, dport=54) / Raw(b"abc"),
        base / SCTP(sport=11, dport=12, tag=13),
        base / ICMPv6EchoRequest(id=17, seq=18),
        base / ICMPv6ND_NS(tgt="2001:db8::9"),
        base / ICMPv6DestUnreach(code=4) / IPv6(src="2001:db8::2", dst="2001:db8::3") / UDP(sport=5, dport=6),
        base / ICMPv6TimeExceeded() / IPv6(src="2001:db8::2", dst="2001:db8::3") / segment,
        base / IPv6ExtHdrHopByHop(options=[option]) / UDP(sport=1, dport=2),
        base / IPv6ExtHdrDestOpt(options=[option]) / segment,
        base / IPv6ExtHdrRouting(addresses=["2001:db8::4"], segleft=0) / UDP(sport=3, dport=4),
        base / IPv6ExtHdrFragment(offset=0, m=1, id=99) / UDP(sport=7, dport=8) / Raw(b"12345678"),
        base / IPv6ExtHdrFragment(offset=185, m=0, id=99) / Raw(b"f" * 16),
        IPv6(src="2001:db8::1", dst=ALL_NODES, nh=51) / Raw(b"\x3b\x04" + bytes(22)),
        IPv6(src="2001:db8::1", dst=ALL_NODES, nh=50) / Raw(b"\0\0\1\2" + bytes(20)),
        IPv6(src="2001:db8::1", dst=ALL_NODES, nh=59),
        IPv6(src="2001:db8::1", dst=ALL_NODES, nh=6) / Raw(b"short"),
        IPv6(src="2001:db8::1", dst=ALL_NODES, nh=17) / Raw(b"short"),
        IPv6(src="2001:db8::1", dst=ALL_NODES, nh=44) / Raw(b"short"),
        IPv6(src="2001:db8::1", dst=ALL_NODES, nh=136) / UDP(sport=1, dport=2),
    ]


@pytest.mark.every_kernel
def test_lines_of_ipv6_are_those_of_nft_whatever_is_in_the_packet(network: Network, tmp_path: Path) -> None:
    packets = _packets()
    wire = Wire(to_host(packets, ALL_NODES_MAC), tmp_path, network)
    with ipv6_enabled(network.device):
        lines = lines_of(wire.send, "prerouting", f"iif {network.device}")
    wire.close()
    start = f"IN={network.device} OUT= MACSRC={frames.PEER_MAC} MACDST={ALL_NODES_MAC} MACPROTO=86dd SRC=2001:"
    assert sum(line.startswith(start) for line in lines) == len(packets)
    for words in (
        "ACK PSH SYN URGP=6 OPT (020405B4)",
        "FRAG:1480 ID:00000063",
        "TYPE=128 CODE=0 ID=17",
        "INCOMPLETE [",
    ):
        assert any(words in line for line in lines), words


@pytest.mark.every_kernel
@pytest.mark.parametrize("hook", ["output", "postrouting"])
def test_lines_of_sent_packets_have_user_and_group(network: Network, hook: str) -> None:
    def send() -> None:
        for target in (network.peer_address, "::1"):
            for options in ("-u -q0", "-w1"):
                command = ["setpriv", f"--reuid={_USER}", f"--regid={_GROUP}", "--clear-groups"]
                subprocess.run(
                    [*command, "sh", "-c", f"echo hello | nc {options} {target} 9"], check=False, capture_output=True
                )

    with ipv6_enabled("lo"):
        lines = lines_of(send, hook, "")
    owner = f" UID={_USER} GID={_GROUP} "
    for start in (f"IN= OUT={network.device} SRC={network.address}", "IN= OUT=lo SRC=0000"):
        for protocol in ("TCP", "UDP"):
            words = [line for line in lines if line.startswith(start) and f" PROTO={protocol} " in line]
            assert any(owner in f"{line} " for line in words), (start, protocol, lines)


@pytest.fixture
def far(network: Network) -> Iterator[None]:
    """Makes a namespace behind the host, which forwards the peer's packets to it."""
    forwarding = [Path(f"/proc/sys/net/{name}") for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")]
    with ipv6_enabled(network.device):
        ip(
            """netns add far
            link add tofar type veth peer name eth0 netns far
            link set tofar up
            addr add 10.69.0.1/24 dev tofar"""
        )
        Path("/proc/sys/net/ipv6/conf/tofar/disable_ipv6").write_text("0")
        ip(f"addr add {_HOST6}/64 dev {network.device} nodad\naddr add fd69::1/64 dev tofar nodad")
        ip(
            f"""link set eth0 up
            addr add {_FAR}/24 dev eth0
            addr add {_FAR6}/64 dev eth0 nodad
            route add default via 10.69.0.1
            route add default via fd69::1""",
            netns="far",
        )
        run("sysctl", "-qw", f"net.ipv6.conf.{network.peer_device}.disable_ipv6=0", netns=network.peer)
        ip(
            f"""addr add {_PEER6}/64 dev {network.peer_device} nodad
            route add 10.69.0.0/24 via {network.address}
            route add fd69::/64 via {_HOST6}""",
            netns=network.peer,
        )
        for setting in forwarding:
            setting.write_text("1")
        # A device is ready some time after it is set up.
        for address in (_FAR, _FAR6):
            wait_until(
                lambda address=address: ping(address, count=1, netns=network.peer)[0] == 1, f"{address} is reached"
            )
        yield
        for setting in forwarding:
            setting.write_text("0")
        ip("route del 10.69.0.0/24", netns=network.peer)
        run("sysctl", "-qw", f"net.ipv6.conf.{network.peer_device}.disable_ipv6=1", netns=network.peer)
        ip("link del tofar\nnetns del far")


@pytest.mark.every_kernel
@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("hook", ["forward", "postrouting"])
def test_lines_of_forwarded_packets_have_both_devices(network: Network, hook: str) -> None:
    def send() -> None:
        for address in (_FAR, _FAR6):
            assert ping(address, netns=network.peer)[0] == 3

    lines = lines_of(send, hook, "")
    start = f"IN={network.device} OUT=tofar "
    for protocol in ("ICMP", "ICMPv6"):
        requests = [line for line in lines if line.startswith(start) and f" PROTO={protocol} " in line]
        assert len(requests) == 3, (protocol, lines)


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("device", [0, 1])
def test_nflog_names_the_hook_of_what_is_forwarded_by_either_device(
    network: Network, tmp_path: Path, device: int
) -> None:
    file = tmp_path / "nflog.pcap"
    iface = (network.device, "tofar")[device]
    with (
        parameters.loaded(f"sink=nflog:6 proto=icmp hooks=forward iface={iface}"),
        capturing(["tcpdump", "-U", "-i", "nflog:6", "-w", str(file)], 6, tmp_path / "says"),
    ):
        assert ping(_FAR, count=2, netns=network.peer)[0] == 2
        wait_until(lambda: len(nflog_records(file)) == 4, "tcpdump has them")
    assert {prefix for prefix, _ in nflog_records(file)} == {"nf_tracer: forward"}
