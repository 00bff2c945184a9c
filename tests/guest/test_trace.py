# SPDX-License-Identifier: GPL-2.0
"""The tracepoint, by the usual tools, against tshark's fields of the same packets."""

import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment
from scapy.packet import Packet, Raw

from support import frames, kmsg, listeners, module, parameters
from support.frames import ipv4, tcp
from support.hook_modules import ping, rules
from support.kernel import EVENT
from support.listeners import events, ftrace, trace_pipe, tracing
from support.netns import ipv6_enabled
from support.network import Network
from support.packets import PACKETS
from support.paths import TOP
from support.tshark import read_fields, without
from support.waiting import wait_until
from support.wire import ALL_NODES, ALL_NODES_MAC, Wire, to_host

_V6 = {"src": "fe80::1", "dst": ALL_NODES}
_V6_PACKETS = [
    IPv6(**_V6) / TCP(sport=1, dport=2, seq=3, ack=4, flags="SEC", window=5),
    IPv6(**_V6) / ICMPv6EchoRequest(id=7, seq=8),
    IPv6(**_V6) / IPv6ExtHdrFragment(offset=3, m=0, id=9, nh=17) / Raw(b"later"),
]
# The event's fields and tshark's, of which the first counts: an ICMP error quotes another packet.
_FIELDS = {
    "family": ("ip.version", "ipv6.version"),
    "protocol": ("ip.proto", "ipv6.fraghdr.nxt", "ipv6.nxt"),
    "len": ("frame.len",),
    "saddr": ("ip.src",),
    "daddr": ("ip.dst",),
    "saddrv6": ("ipv6.src",),
    "daddrv6": ("ipv6.dst",),
    "id": ("ip.id", "ipv6.fraghdr.ident"),
    "frag_off": ("ip.frag_offset", "ipv6.fraghdr.offset"),
    "sport": ("tcp.srcport", "udp.srcport", "sctp.srcport"),
    "dport": ("tcp.dstport", "udp.dstport", "sctp.dstport"),
    "seq": ("tcp.seq_raw", "icmp.seq", "icmpv6.echo.sequence_number"),
    "ack_seq": ("tcp.ack_raw",),
    "window": ("tcp.window_size_value",),
    "urg_ptr": ("tcp.urgent_pointer",),
    "csum": ("tcp.checksum", "udp.checksum", "icmp.checksum", "icmpv6.checksum"),
    "type": ("icmp.type", "icmpv6.type"),
    "code": ("icmp.code", "icmpv6.code"),
    "payload": ("tcp.len", "udp.length"),
    "flags": ("tcp.flags",),
}
_FAMILIES = {"4": "ipv4", "6": "ipv6"}
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "132": "sctp"}
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE")
_ETHERNET_HEADER = 14
_UDP_HEADER = 8
_MARK = "0x1f2e3d4c"
_README = TOP / "scripts/README.md"


@pytest.fixture(scope="module")
def wire(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    packets = to_host(PACKETS) + to_host(_V6_PACKETS, ALL_NODES_MAC)
    made = Wire(packets, tmp_path_factory.mktemp("wire"), network)
    with ipv6_enabled(network.device):
        yield made
    made.close()


@pytest.fixture
def traced(network: Network) -> Iterator[None]:
    scope = f"hooks=prerouting iface={network.device} src=10.1.0.0/16,fe80::1"
    marked = f"table inet t {{\nchain c {{\ntype filter hook prerouting priority -500\nmeta mark set {_MARK}\n}}\n}}"
    with rules(marked), parameters.loaded(f"sink=trace proto=all family=inet priority=-499 {scope}"):
        yield


def _send_and_wait(wire: Wire) -> None:
    """Sends the packets, and waits until the module has emitted all of them."""

    def chosen() -> int:
        total = parameters.total("trace")
        return total.emitted + total.truncated

    before = chosen()
    wire.put()
    wait_until(lambda: chosen() - before == len(PACKETS) + len(_V6_PACKETS), "the packets arrive")


def _by_tshark(file: Path) -> list[dict[str, str]]:
    preferences = without("tcp.relative_sequence_numbers", "ip.defragment", "ipv6.defragment")
    names = [name for alternatives in _FIELDS.values() for name in alternatives]
    found = []
    for values in read_fields(file, names, *preferences):
        if values["icmp.type"] == "3":
            # The quoted packet has ports, too.
            values.update({name: "" for name in values if name.startswith(("tcp.", "udp."))})
        found.append({key: next(filter(None, map(values.get, names)), "") for key, names in _FIELDS.items()})
    return found


def _check(file: Path, found: list[dict[str, str]], network: Network) -> None:
    """Checks each event against tshark's fields of the packet."""
    expected = _by_tshark(file)
    assert len(found) == len(expected)
    for event, packet in zip(found, expected, strict=True):
        cut_short = packet["saddr"] == "10.1.0.10"
        for key, value in packet.items():
            ours = event[key]
            if key == "frag_off":
                # tshark's is in units of 8 bytes.
                assert int(ours) == 8 * int(value or "0"), (event, packet)
            elif key == "len":
                assert int(ours) == int(value) - _ETHERNET_HEADER, (event, packet)
            elif key == "flags":
                bits = int(value or "0", 16)
                names = [name for bit, name in enumerate(_FLAGS) if bits >> bit & 1]
                assert ours == "|".join(names), (event, packet)
            elif key in ("saddr", "daddr"):
                assert ours == (value or "0.0.0.0"), (event, packet)  # noqa: S104
            elif key in ("saddrv6", "daddrv6"):
                assert ours == (value or f"::ffff:{packet[key.removesuffix('v6')]}"), (event, packet)
            elif key == "family":
                assert ours == _FAMILIES[value], (event, packet)
            elif key == "protocol":
                assert ours == (_PROTOCOLS.get(value) or hex(int(value))), (event, packet)
            elif key == "payload" and event["protocol"] == "udp" and value:
                # tshark's includes the header.
                assert int(ours) == int(value) - _UDP_HEADER, (event, packet)
            else:
                assert int(ours, 0) == int(value or "0", 0), (key, event, packet)
        assert event["hook"] == "prerouting"
        assert (event["mark"], event["gso_segs"], event["csum_state"]) == (_MARK, "1", "none")
        assert (event["indev"], event["outdev"]) == (network.device, "")
        assert int(event["netns"]) == Path("/proc/self/ns/net").stat().st_ino
        assert event["malformed"] == ("truncated" if cut_short else "no")


@pytest.mark.every_kernel
@pytest.mark.usefixtures("traced")
def test_trace_pipe_has_what_tshark_sees(wire: Wire, network: Network) -> None:
    with ftrace():
        _send_and_wait(wire)
        text = trace_pipe()
    _check(wire.file, events(text), network)


@pytest.mark.every_kernel
@pytest.mark.usefixtures("traced")
def test_trace_cmd_has_what_tshark_sees(wire: Wire, network: Network, tmp_path: Path) -> None:
    data = str(tmp_path / "trace.dat")
    with tracing(["trace-cmd", "record", "-q", "-o", data, "-e", "nf_tracer:packet"], tmp_path / "says"):
        _send_and_wait(wire)
    report = subprocess.run(["trace-cmd", "report", "-i", data], check=True, capture_output=True, text=True).stdout
    _check(wire.file, events(report), network)


@pytest.mark.every_kernel
@pytest.mark.usefixtures("traced")
def test_perf_has_what_tshark_sees(wire: Wire, network: Network, tmp_path: Path) -> None:
    data = str(tmp_path / "perf.data")
    with tracing(
        ["perf", "record", "-q", "-a", "-o", data, "-e", "nf_tracer:packet", "sh", "MARKER"], tmp_path / "says"
    ):
        _send_and_wait(wire)
    script = subprocess.run(["perf", "script", "-i", data], check=True, capture_output=True, text=True).stdout
    _check(wire.file, events(script), network)


@pytest.mark.usefixtures("traced")
def test_filters_and_histograms_take_the_fields(wire: Wire) -> None:
    with ftrace():
        # In network byte order, as in the kernel's own TCP events.
        (EVENT / "filter").write_text("(saddr == 0x0100010a || protocol == 58) && hook == 0")
        _send_and_wait(wire)
        text = trace_pipe()
        (EVENT / "filter").write_text("0")
    assert {event["saddrv6"] for event in events(text)} == {"::ffff:10.1.0.1", "fe80::1"}
    assert len(events(text)) == 2
    trigger = "hist:keys=protocol,indev:vals=len"
    (EVENT / "trigger").write_text(trigger)
    try:
        _send_and_wait(wire)
        histogram = (EVENT / "hist").read_text()
    finally:
        (EVENT / "trigger").write_text(f"!{trigger}")
    found = {int(match[1]): int(match[2]) for match in re.finditer(r"protocol: +(\d+),.* hitcount: +(\d+)", histogram)}
    assert found == {6: 5, 17: 3, 1: 2, 47: 1, 132: 1, 58: 1}


def test_one_skb_has_one_identity_from_hook_to_hook() -> None:
    with parameters.loaded("sink=trace proto=icmp hooks=all rate=0"), ftrace():
        ping("127.0.0.1", count=2)
        found = events(trace_pipe())
    ways: dict[str, list[str]] = {}
    for event in found:
        ways.setdefault(f"{event['type']} {event['seq']} {event['skbaddr']}", []).append(event["hook"])
    assert len(ways) == 4
    assert all(way == ["output", "postrouting", "prerouting", "input"] for way in ways.values()), ways


def test_a_malformed_packet_is_marked(network: Network) -> None:
    segments = tcp(), tcp()[:16], tcp(doff=4)
    with (
        parameters.loaded("sink=trace hooks=output"),
        ftrace(),
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw,
    ):
        for segment in segments:
            raw.sendto(ipv4(segment, network.address, network.peer_address), (network.peer_address, 0))
        found = events(trace_pipe())
    assert [event["malformed"] for event in found] == ["no", "truncated", "invalid"]
    # All that could be read is in the event.
    assert [(event["protocol"], event["daddr"]) for event in found] == [("tcp", network.peer_address)] * 3
    assert len({event["sport"] for event in found}) == 1


def test_what_nobody_listens_to_is_lost_and_other_sinks_are_not_limited_by_the_rate(log: kmsg.KernelLog) -> None:
    with parameters.loaded("sink=log,trace proto=icmp hooks=output rate=1 burst=1"):
        ping("127.0.0.1", count=5)
        assert parameters.total("trace") == kmsg.Summary(seen=10, lost=10)
        with ftrace():
            ping("127.0.0.1", count=5)
        assert parameters.total("trace") == kmsg.Summary(seen=20, lost=10, emitted=10)
        lines = parameters.total("log")
        parameters.put("proto", "tcp")
        ping("127.0.0.1", count=1)
        assert parameters.total("trace").not_matched == parameters.total("log").not_matched == 2
        parameters.put("sink", "log")
        ping("127.0.0.1", count=1)
        assert parameters.total("trace").seen == 22
        assert parameters.total("log").seen == 24
    printed = [text for _, text in log.read() if "| icmp |" in text]
    assert lines.suppressed > 10
    assert len(printed) == lines.emitted == 20 - lines.suppressed


@pytest.mark.every_kernel
def test_sinks_change_under_traffic_and_one_that_stays_misses_nothing(network: Network) -> None:
    with parameters.loaded("sink=log proto=icmp hooks=prerouting rate=0"), ftrace():
        pings = subprocess.Popen(["ping", "-q", "-i", "0.002", "-c", "1000", network.peer_address], stdout=-3)
        while pings.poll() is None:
            for sinks in ("log,trace", "log,nflog:9", "nflog:10,trace,log", "log"):
                parameters.put("sink", sinks)
        counts = {sink: parameters.total(sink) for sink in ("log", "trace", "nflog")}
        found = events(trace_pipe())
    assert counts["log"] == kmsg.Summary(seen=1000, emitted=1000)
    assert 0 < counts["trace"].emitted == counts["trace"].seen < 1000
    assert len(found) == counts["trace"].emitted
    assert 0 < counts["nflog"].emitted == counts["nflog"].seen < 1000


@pytest.mark.every_kernel
def test_an_enabled_event_pins_the_module() -> None:
    """Otherwise the kernel warns, which fails the test, and discards what was recorded."""
    module.load("sink=trace")
    for what, on, off in (("enable", "1", "0"), ("trigger", "stacktrace", "!stacktrace")):
        (EVENT / what).write_text(on)
        with pytest.raises(OSError, match="Resource temporarily unavailable"):
            module.unload()
        (EVENT / what).write_text(off)
        assert listeners.holders() == 0
    module.unload()


def _example(what: str) -> list[str]:
    """Returns the README's command below a comment."""
    _, found, rest = _README.read_text().partition(f"\n# {what}\n")
    assert found, what
    return shlex.split(re.split(r"\n\n|\n```", rest)[0])


def _merged(programs: list[str]) -> str:
    """Merges bpftrace programs, of which only the last may have an END."""
    *others, last = programs
    return " ".join([*(re.sub(r"END {.*}", "", each) for each in others), last])


def _conversation() -> list[Packet]:
    """Returns a segment, a retransmission of it, its successor, and two with a zero window."""
    ip = IP(src="10.1.0.1", dst=frames.HOST)
    segments = [(100, 64, b"once"), (100, 64, b"once"), (104, 64, b"more"), (108, 0, b""), (108, 0, b"")]
    ends = {"sport": 5, "dport": 6, "ack": 1, "flags": "A"}
    return to_host(ip / TCP(seq=seq, window=window, **ends) / Raw(data) for seq, window, data in segments)


def test_the_examples_of_the_readme_say_what_they_promise(network: Network, tmp_path: Path) -> None:
    wire = Wire(_conversation(), tmp_path, network)
    # One bpftrace for all, since it is slow to start.
    program, option, *text = _example("Top talkers, in bytes")
    text += _example("Retransmissions that come in")[2:]
    text += _example("Microseconds from a packet's first hook to the others: 1 input, 2 forward, 4 postrouting")[2:]
    trace_cmd, record, *rest = _example("Zero windows, but those of resets")
    says = tmp_path / "bpftrace"
    with (
        parameters.loaded(f"sink=trace hooks=prerouting,input iface={network.device}"),
        tracing([program, option, _merged(text), "-c", "/bin/sh MARKER"], says),
        tracing([trace_cmd, record, "-q", "-o", str(tmp_path / "zero.dat"), *rest], tmp_path / "trace-cmd"),
    ):
        wire.put()
        wait_until(lambda: parameters.total("trace").emitted == 2 * len(_conversation()), "the packets arrive")
    wire.close()
    said = says.read_text()
    sent = sum(len(frame) - _ETHERNET_HEADER for frame in _conversation())
    assert re.search(rf"@bytes\[::ffff:10.1.0.1, ::ffff:{frames.HOST}\]: {sent}\b", said), said
    assert re.search(r"@retransmitted\[.*10.1.0.1.*\]: 1\b", said), said
    assert "@us[1]:" in said, said
    assert "@us[0]:" not in said, said
    report = ["trace-cmd", "report", "-i", str(tmp_path / "zero.dat")]
    found = events(subprocess.run(report, check=True, capture_output=True, text=True).stdout)
    assert len(found) == 4
    assert {event["window"] for event in found} == {"0"}


def test_a_module_that_is_loaded_by_force_refuses_the_sink_whose_event_the_kernel_has_not_made(
    log: kmsg.KernelLog,
) -> None:
    refused = "nf_tracer: sink: trace: the kernel has not made the event, "
    with pytest.raises(OSError, match="Operation not supported"):
        module.load("sink=log,trace", module.BY_FORCE)
    assert not module.is_loaded()
    assert len([text for _, text in log.read() if text.startswith(refused)]) == 1
    module.load("proto=icmp rate=0", module.BY_FORCE)
    try:
        assert not EVENT.exists()
        with pytest.raises(OSError, match="Operation not supported"):
            parameters.put("sink", "trace")
        said = [text for _, text in log.read() if " sink: " in text]
        assert len(said) == 1, said
        assert said[0].startswith(refused), said
        assert parameters.get("sink") == "log"
        ping("127.0.0.1")
        assert parameters.total().emitted > 0
    finally:
        module.unload()
