# SPDX-License-Identifier: GPL-2.0
"""Traced and counted packets, against the kernel's own counts of the same packets."""

import errno
import multiprocessing
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import kmsg, parameters
from support.frames import ipv4, tcp
from support.hook_modules import counted, ping, rules
from support.kernel import HOOKS
from support.netns import bring_up_loopback, inside, inside_new, run
from support.network import Network
from support.nft import counting_chain
from support.traffic import fetch, send_datagrams, steady_traffic, web_server
from vm.pace import Limit, patience

_ALL_TRACKED = "table inet t {\nchain c {\ntype filter hook output priority 0\nct state new counter\n}\n}"
_NAMESPACES = 150


@pytest.fixture
def accounting(network: Network) -> Iterator[None]:  # noqa: ARG001
    """Has conntrack count packets and bytes, and enables IPv6 on loopback."""
    run("modprobe", "nf_conntrack")
    run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1", "net.ipv6.conf.lo.disable_ipv6=0")
    yield
    run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=0", "net.ipv6.conf.lo.disable_ipv6=1")
    run("conntrack", "-F")


def _udp_echo(family: int, here: str, there: str, netns: str | None, rounds: int) -> int:
    """Sends datagrams, of which every second is answered; returns the port."""
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        if netns:
            with inside(netns):
                server = socket.socket(family, socket.SOCK_DGRAM)
        else:
            server = socket.socket(family, socket.SOCK_DGRAM)
        with server:
            server.bind((there, 0))
            client.bind((here, 0))
            for number in range(rounds):
                client.sendto(b"x" * number, server.getsockname()[:2])
                data, address = server.recvfrom(1000)
                if number % 2:
                    server.sendto(data * 2, address)
                    client.recvfrom(2000)
            return server.getsockname()[1]


def _write(values: list[tuple[str, str]], end: float) -> None:
    """Writes each value at least once."""
    number = 0
    while time.monotonic() < end or number < len(values):
        name, value = values[number % len(values)]
        parameters.put(name, value)
        number += 1


@pytest.mark.every_kernel
def test_every_packet_is_counted_once_while_parameters_change_and_cpus_race(network: Network) -> None:
    chains = "".join(map(counting_chain, HOOKS))
    # Two hook points stay, while others come and go.
    sets = [
        [("hooks", "all"), ("hooks", "prerouting,output"), ("hooks", "output,forward,prerouting"), ("proto", "all")],
        [("proto", "udp"), ("port", "1-60000"), ("host", "10.0.0.0/8,::/0"), ("port", ""), ("host", "")],
        [("bpf", "1,6 0 0 0"), ("format", "full"), ("rate", "100"), ("bpf", ""), ("format", "classic"), ("rate", "1")],
    ]
    with rules(f"table ip t {{\n{chains}}}"), parameters.loaded("proto=all rate=10 burst=10"):
        with steady_traffic(network):
            end = time.monotonic() + patience(5)
            writers = [multiprocessing.Process(target=_write, args=(values, end)) for values in sets]
            for writer in writers:
                writer.start()
            while time.monotonic() < end:
                ping("127.0.0.1", count=5)
            for writer in writers:
                writer.join()
            assert [writer.exitcode for writer in writers] == [0] * len(writers)
        time.sleep(1)
        ours = {hook: parameters.counts()[f"{hook} ipv4"] for hook in ("prerouting", "output")}
        theirs = counted()
    assert {hook: counts.seen for hook, counts in ours.items()} == {hook: theirs[f"ip {hook}"] for hook in ours}
    assert all(counts.not_matched and counts.suppressed and counts.seen > 500 for counts in ours.values())


def test_no_namespace_that_was_traced_is_kept() -> None:
    limit = Path("/proc/sys/user/max_net_namespaces")
    before = limit.read_text()
    with parameters.loaded("proto=all hooks=all family=inet rate=10 netns=all"):
        # The kernel counts namespaces until the last reference to each is gone.
        limit.write_text("40")
        try:
            for number in range(_NAMESPACES):
                gone = Limit(20)
                while True:
                    try:
                        with inside_new():
                            bring_up_loopback()
                            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                                sender.sendto(b"x", ("127.0.0.1", 9))
                        break
                    except OSError as error:
                        # They are cleaned up later, in batches.
                        if error.errno != errno.ENOSPC:
                            raise
                        assert not gone.is_over(), f"namespace {number}: those before are still there"
                        time.sleep(0.1)
        finally:
            limit.write_text(before)
        assert parameters.counts()["output ipv4"].seen >= _NAMESPACES


@pytest.mark.usefixtures("accounting")
def test_packets_and_bytes_of_each_connection_are_those_that_conntrack_counted(
    network: Network, log: kmsg.KernelLog
) -> None:
    with rules(_ALL_TRACKED), parameters.loaded("family=inet proto=all rate=0 format=full hooks=prerouting,output"):
        run("conntrack", "-F")
        with web_server(network.peer_address, network.peer) as url:
            assert fetch(url + "300000") == 300000
            tcp_port = int(url.split(":")[2].rstrip("/"))
        udp_port = _udp_echo(socket.AF_INET, network.address, network.peer_address, network.peer, 21)
        udp6_port = _udp_echo(socket.AF_INET6, "::1", "::1", None, 13)
        assert ping(network.peer_address, count=4)[0] == 4
        time.sleep(0.3)
        listed = run("conntrack", "-L", "-f", "ipv4") + run("conntrack", "-L", "-f", "ipv6")
    packets: Counter[tuple[str, str]] = Counter()
    octets: Counter[tuple[str, str]] = Counter()
    ends = {"tcp": str(tcp_port), "udp": str(udp_port), "udp6": str(udp6_port)}
    for _, text in log.read():
        fields = dict(re.findall(r"(\w+)=(\S*)", text)) if "hook=" in text else {}
        name = fields.get("proto", "") + ("6" if fields.get("family") == "ipv6" else "")
        if name == "icmp" and "echoid" in fields:
            way = "there" if fields["hook"] == "output" else "back"
        elif ends.get(name) in (fields.get("dport"), fields.get("sport")) and name in ends:
            way = "there" if fields["dport"] == ends[name] else "back"
        else:
            continue
        # Over loopback a packet is seen twice, and tracked once.
        if name == "udp6" and fields["hook"] != "output":
            continue
        packets[name, way] += 1
        octets[name, way] += int(fields["len"])
    expected_packets: Counter[tuple[str, str]] = Counter()
    expected_octets: Counter[tuple[str, str]] = Counter()
    for line in listed.splitlines():
        (kind,) = re.findall(r"^(\w+) ", line)
        name = kind + ("6" if ":" in line.split("src=")[1].split()[0] else "")
        if name in ends and f"dport={ends[name]} " not in line:
            continue
        for way, (count, size) in zip(("there", "back"), re.findall(r"packets=(\d+) bytes=(\d+)", line), strict=True):
            expected_packets[name, way] += int(count)
            expected_octets[name, way] += int(size)
    assert {name for name, _ in expected_packets} == {"tcp", "udp", "udp6", "icmp"}, listed
    assert packets == expected_packets
    assert octets == expected_octets
    assert (packets["udp", "there"], packets["udp", "back"]) == (21, 10)


@pytest.mark.parametrize("limit", ["rate=1 burst=1", "rate=0"])
def test_a_malformed_packet_counts_as_such_with_and_without_a_consumer(
    limit: str, network: Network, log: kmsg.KernelLog
) -> None:
    segments = tcp(), tcp()[:16], tcp(doff=4)
    with (
        parameters.loaded(f"hooks=output sink=log,trace {limit}"),
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw,
    ):
        for segment in segments * 100:
            raw.sendto(ipv4(segment, network.address, network.peer_address), (network.peer_address, 0))
        lines, trace = parameters.total("log"), parameters.total("trace")
    texts = [text for _, text in log.read()]
    printed = sum(f" | dest : {network.peer_address}:" in text for text in texts)
    assert trace == kmsg.Summary(seen=300, truncated=100, invalid=100, lost=100)
    # Invalid packets have a classic line, which the limit may suppress; truncated ones have none.
    assert (lines.seen, lines.truncated) == (300, 100)
    assert lines.emitted + lines.invalid == printed
    if limit == "rate=0":
        assert (lines.emitted, printed) == (100, 200)
    else:
        assert lines.suppressed > 150
    # All that were suppressed are reported, those of invalid packets among them.
    reports = [re.search(r"(\d+) lines? suppressed$", text) for text in texts]
    assert sum(int(report[1]) for report in reports if report) == lines.suppressed


def test_what_a_cpu_counted_stays_counted_when_it_goes_offline() -> None:
    online = Path("/sys/devices/system/cpu/cpu1/online")
    with parameters.loaded("sink=log,trace proto=udp hooks=output rate=1 burst=1"):
        os.sched_setaffinity(0, {1})
        try:
            send_datagrams(100)
        finally:
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
        before = {sink: parameters.total(sink) for sink in ("log", "trace")}
        online.write_text("0")
        try:
            assert {sink: parameters.total(sink) for sink in before} == before
        finally:
            online.write_text("1")
    assert before["log"].emitted + before["log"].suppressed == before["trace"].lost == 100
