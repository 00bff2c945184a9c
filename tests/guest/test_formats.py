# SPDX-License-Identifier: GPL-2.0
"""The formats of lines, against tshark's fields and the kernel's own logger."""

import contextlib
import errno
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, TCP

from support import frames, kmsg, parameters
from support.hook_modules import ping, rules
from support.listeners import events, ftrace, trace_pipe
from support.netns import inside, ip, run
from support.network import Network, checksums_in_software
from support.packets import PACKETS
from support.tshark import read_fields, without
from support.wire import Wire, to_host


def _wire(network: Network, folder: Path) -> Wire:
    return Wire(to_host(PACKETS), folder, network)


def _lines(wire: Wire, lost: int = 0) -> list[str]:
    log = kmsg.KernelLog()
    wire.send(lost)
    time.sleep(0.2)
    texts = [text for _, text in log.read()]
    log.close()
    return [text.removeprefix("nf_tracer: ") for text in texts if text.startswith("nf_tracer: ")]


def test_the_full_line_has_what_tshark_sees(network: Network, tmp_path: Path) -> None:
    fields = {
        "src": "ip.src",
        "dst": "ip.dst",
        "ttl": "ip.ttl",
        "id": "ip.id",
        "tos": "ip.dsfield",
        "sport": "_ws.col.def_src_port",
        "dport": "_ws.col.def_dst_port",
        "seq": "tcp.seq_raw",
        "ack": "tcp.ack_raw",
        "window": "tcp.window_size_value",
        "urg": "tcp.urgent_pointer",
        "payload": "tcp.len",
    }
    wire = _wire(network, tmp_path)
    ports = ("tcp.srcport", "udp.srcport", "sctp.srcport", "tcp.dstport", "udp.dstport", "sctp.dstport")
    names = [name for name in fields.values() if not name.startswith("_")]
    preferences = without("tcp.relative_sequence_numbers", "ip.defragment")
    rows = read_fields(wire.file, (*names, *ports), *preferences)
    with parameters.loaded(f"proto=all rate=0 hooks=prerouting format=full iface={network.device}"):
        lines = _lines(wire)
    wire.close()
    assert len(lines) == len(rows) == len(PACKETS)
    for line, theirs, packet in zip(lines, rows, PACKETS, strict=True):
        ours = dict(re.findall(r"(\w+)=(\S*)", line))
        for key, name in fields.items():
            if name.startswith("_"):
                end = "src" if key == "sport" else "dst"
                # Not those of the packet that an ICMP error quotes.
                kinds = () if ICMP in packet else ("tcp", "udp", "sctp")
                value = "".join(theirs[f"{kind}.{end}port"] for kind in kinds)
            else:
                value = theirs[name]
            if key == "payload" and TCP not in packet:
                continue
            same = ours.get(key, "") == value or (value and int(ours[key], 0) == int(value, 0))
            assert same, (key, value, line)


def test_the_full_line_has_options_names_and_errors(network: Network, tmp_path: Path) -> None:
    wire = _wire(network, tmp_path)
    with parameters.loaded(f"proto=all rate=0 hooks=prerouting format=full iface={network.device}"):
        lines = _lines(wire)
        malformed = parameters.total().truncated
    wire.close()
    for line, end in zip(
        lines,
        (
            "flags=SYN,PSH,ACK,URG .* options=mss:1460,wscale:7",
            "flags=ACK .* payload=7 options=ts:1:2,sack:10-20:30-40",
            "flags=FIN,RST,ECE,CWR,AE .* options=sackOK,opt-254:f989",
            "proto=udp sport=53 dport=54 .* payload=3",
            "type=echo-request code=0 echoid=17 echoseq=18 .*",
            "type=destination-unreachable code=host-unreachable .*",
            "proto=47",
            r"frag=1480\+ proto=udp",
            "proto=sctp sport=11 dport=12 vtag=3735928559",
            r"proto=tcp sport=\d+ dport=\d+ TRUNCATED",
        ),
        strict=True,
    ):
        assert re.search(f" {end}$", line), line
    assert malformed == 1


def test_classic_lines_of_other_protocols_are_spelt_as_documented(network: Network, tmp_path: Path) -> None:
    wire = _wire(network, tmp_path)
    with parameters.loaded(f"proto=all rate=0 hooks=prerouting iface={network.device}"):
        lines = _lines(wire)
    wire.close()
    dest = f"dest : {frames.HOST}"
    expected = (
        rf"source : 10.1.0.4:53 \| {dest}:54 \| udp \| length : 11 \| csum : 0x[0-9a-f]+",
        rf"source : 10.1.0.5 \| {dest} \| icmp \| type : 8 \| code : 0 \| csum : 0x[0-9a-f]+ \| id : 17 \| seq : 18",
        rf"source : 10.1.0.6 \| {dest} \| icmp \| type : 3 \| code : 1 \| csum : 0x[0-9a-f]+",
        rf"source : 10.1.0.7 \| {dest} \| protocol : 47 \| length : 4",
        rf"source : 10.1.0.8 \| {dest} \| protocol : 17 \| fragment : 1480 \| id : 99 \| length : 16",
        rf"source : 10.1.0.9:11 \| {dest}:12 \| sctp \| vtag : 3735928559",
    )
    # Three TCP lines come first; a truncated packet makes none.
    assert len(lines) == 3 + len(expected)
    for line, pattern in zip(lines[3:], expected, strict=True):
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("hook", ["prerouting", "input"])
def test_nf_log_lines_are_those_of_the_kernels_own_logger(network: Network, tmp_path: Path, hook: str) -> None:
    wire = _wire(network, tmp_path)
    chain = f'type filter hook {hook} priority filter\niif {network.device} log prefix "nf_tracer: " flags all'
    with (
        rules(f"table ip t {{\nchain c {{\n{chain}\n}}\n}}"),
        parameters.loaded(f"proto=all rate=0 hooks={hook} priority=filter-1 format=nf_log iface={network.device}"),
    ):
        # The fragment waits for reassembly, and does not reach INPUT.
        lines = _lines(wire, lost=1 if hook == "input" else 0)
    wire.close()
    own, kernels = lines[::2], lines[1::2]
    assert len(own) > 5
    assert own == kernels
    assert all(line.startswith(f"IN={network.device} OUT= MACSRC={frames.PEER_MAC} ") for line in own), own


def test_nf_log_logs_other_namespaces_only_if_the_sysctl_allows_it(network: Network) -> None:
    setting = Path("/proc/sys/net/netfilter/nf_log_all_netns")
    with parameters.loaded("proto=icmp rate=0 hooks=output format=nf_log netns=all"):
        for allowed in ("0", "1"):
            before = parameters.total()
            setting.write_text(allowed)
            ping(network.address, count=2, netns=network.peer)
            setting.write_text("0")
            now = parameters.total()
            # The requests are theirs, and the replies ours.
            theirs = now.emitted - before.emitted - 2 if allowed == "1" else now.lost - before.lost
            assert theirs == 2, (allowed, before, now)
            assert now.seen - before.seen == 4


def test_fields_of_the_socket_and_of_offload_are_there(network: Network, log: kmsg.KernelLog) -> None:
    with parameters.loaded("proto=udp rate=0 hooks=output format=full"):
        command = ["setpriv", "--reuid", "1234", "sh", "-c", f"echo hello | nc -u -q0 {network.peer_address} 9"]
        subprocess.run(command, check=True)
    lines = [text for _, text in log.read() if "hook=output" in text]
    assert re.search(
        rf"hook=output family=ipv4 out={network.device} netns=\d+ mark=0x0 uid=1234 len=34 .*"
        " csum_state=partial payload=6",
        lines[0],
    )


def test_the_owner_of_a_connection_that_is_being_made_is_the_listeners(log: kmsg.KernelLog) -> None:
    with parameters.loaded("rate=0 hooks=output format=full port=7100"):
        os.seteuid(1234)
        try:
            server = socket.create_server(("127.0.0.1", 7100))
        finally:
            os.seteuid(0)
        with server, socket.create_connection(("127.0.0.1", 7100)):
            pass
    found = [re.search(r" uid=(\d+) .* sport=(\d+) .* flags=(\S+) ", text) for _, text in log.read() if "hook=" in text]
    # The SYN,ACK is sent by the listener's request socket, before the connection has its own.
    answers = [match.groups() for match in found if match and match[3] == "SYN,ACK"]
    assert answers == [("1234", "7100", "SYN,ACK")]


def test_what_the_kernel_sends_itself_has_no_owner(network: Network, log: kmsg.KernelLog) -> None:
    with parameters.loaded("proto=all rate=0 hooks=output format=full"):
        assert ping(network.address, count=1, netns=network.peer)[0] == 1
        with inside(network.peer), socket.socket() as client:
            assert client.connect_ex((network.address, 9)) == errno.ECONNREFUSED
    lines = [text for _, text in log.read() if "hook=output" in text]
    for words in ("type=echo-reply ", " flags=RST,ACK "):
        (line,) = [line for line in lines if words in line]
        assert " uid=" not in line


def test_what_a_tunnel_wraps_is_still_its_senders(network: Network, log: kmsg.KernelLog) -> None:
    ip(
        f"""link add tunnel type vxlan id 7 remote {network.peer_address} local {network.address} dstport 4789
        addr add 10.79.0.1/24 dev tunnel
        link set tunnel up
        neigh add 10.79.0.2 lladdr {frames.PEER_MAC} dev tunnel nud permanent"""
    )
    chain = "type filter hook output priority 0; udp dport 4789 meta skuid 1234 counter name outer"
    try:
        with (
            rules(f"table ip t {{ counter outer {{ }}; chain c {{ {chain}; }}; }}"),
            parameters.loaded("proto=udp rate=0 hooks=output format=full dport=9,4789"),
        ):
            command = ["setpriv", "--reuid", "1234", "sh", "-c", "echo hello | nc -u -q0 10.79.0.2 9"]
            subprocess.run(command, check=True)
            assert "packets 1 " in run("nft", "list", "counter", "ip", "t", "outer")
    finally:
        ip("link del tunnel")
    found = [re.search(r" uid=(\d+) .* dport=(\d+) ", text) for _, text in log.read() if "hook=output" in text]
    assert [match and match.groups() for match in found] == [("1234", "9"), ("1234", "4789")]


class Told:
    """A context in which one datagram to an address is traced at a hook, as a line and as an event."""

    def __init__(self, hook: str, address: str, options: str = "") -> None:
        self._loaded = parameters.loaded(
            f"proto=udp rate=0 hooks={hook} dst={address} format=full sink=log,trace {options}"
        )

    def __enter__(self) -> "Told":
        self.log = kmsg.KernelLog()
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self._loaded)
        self._stack.enter_context(ftrace())
        return self

    def __exit__(self, *_: object) -> None:
        # Unloading discards the recorded events.
        text = trace_pipe()
        self._stack.close()
        lines = [line for _, line in self.log.read() if " hook=" in line]
        self.log.close()
        (self.line,) = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]
        (self.event,) = events(text)


def test_line_and_event_have_the_checksum_state(network: Network) -> None:
    group = "239.1.2.3"
    tracked = "table ip t {\nchain c {\ntype filter hook prerouting priority 0\nct state new counter\n}\n}"
    found = []
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own,
    ):
        receiver.bind((network.address, 0))
        port = receiver.getsockname()[1]
        with inside(network.peer):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def send(priority: str) -> None:
            with Told("prerouting", network.address, f"priority={priority}") as told:
                sender.sendto(b"x", (network.address, port))
                receiver.recv(10)
            found.append((told.line["csum_state"], told.event["csum_state"]))

        with sender, rules(tracked):
            # The peer's device offloads checksums, or not; then conntrack completes them.
            send("first")
            with checksums_in_software(network):
                send("first")
                send("conntrack+1")
        # A multicast that loops back to its sender needs no check.
        with checksums_in_software(network):
            own.setsockopt(
                socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(network.address)
            )
            own.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(network.address))
            with Told("prerouting", group) as told:
                own.sendto(b"x", (group, 9))
            found.append((told.line["csum_state"], told.event["csum_state"]))
    assert found == [(state, state) for state in ("partial", "none", "complete", "unnecessary")]


def test_segments_and_the_mark_are_in_line_and_event(network: Network) -> None:
    udp_segment = 103
    with Told("output", network.peer_address) as told, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_UDP, udp_segment, 500)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 77)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 5)
        sender.sendto(b"x" * 1800, (network.peer_address, 9))
    assert [told.line[key] for key in ("len", "segments", "payload", "mark")] == ["1828", "4", "1800", "0x4d"]
    assert [told.event[key] for key in ("len", "gso_segs", "payload", "mark")] == ["1828", "4", "1800", "0x4d"]
    assert (told.event["indev"], told.event["outdev"]) == ("", network.device)
