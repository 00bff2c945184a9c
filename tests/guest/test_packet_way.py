# SPDX-License-Identifier: GPL-2.0
"""packet-way, on packets whose ways are known, by rules and nft's counters."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP

from support import frames, parameters
from support.hook_modules import counted, ping, rules
from support.netns import inside, ip, run
from support.paths import TOP
from support.traffic import Injector, fetch, web_server
from support.waiting import wait_until
from vm.pace import patience

_PROGRAM = TOP / "scripts/packet-way"
_CLIENT, _SERVER = "10.77.1.2", "10.77.2.2"
_TO_CLIENT, _TO_SERVER = "10.77.1.1", "10.77.2.1"
_INSTANCES = Path("/sys/kernel/tracing/instances")
_NOWHERE = "203.0.113.1"
# Traces all namespaces, but nothing that the kernel sends of its own accord.
_EVERYWHERE = "sink=trace hooks=all netns=all family=inet proto=tcp,udp"

pytestmark = pytest.mark.usefixtures("router")

type Json = dict[str, object]


@pytest.fixture(scope="module")
def router() -> Iterator[None]:
    """Has the host forward between the namespaces client and server."""
    for name, subnet in (("client", 1), ("server", 2)):
        ip(
            f"""netns add {name}
            link add to-{name} type veth peer name eth0 netns {name}
            link set to-{name} address 02:00:00:00:0{subnet}:01"""
        )
        run("sysctl", "-qw", f"net.ipv6.conf.to-{name}.disable_ipv6=0")
        ip(
            f"""addr add 10.77.{subnet}.1/24 dev to-{name}
            addr add fd77:{subnet}::1/64 dev to-{name} nodad
            link set to-{name} up"""
        )
        ip(
            f"""link set lo up
            addr add 10.77.{subnet}.2/24 dev eth0
            addr add fd77:{subnet}::2/64 dev eth0 nodad
            link set eth0 up
            route add default via 10.77.{subnet}.1
            route add default via fd77:{subnet}::1""",
            netns=name,
        )
    run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    ip("link set lo up")
    yield
    run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
    ip("netns del client\nnetns del server")


def start(*options: str) -> subprocess.Popen[str]:
    """Starts packet-way; returns once it records."""
    process = subprocess.Popen(
        [_PROGRAM, "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    said = process.stderr.readline()
    assert said == "packet-way: recording until Ctrl-C\n", said + process.stderr.read()
    return process


def finish(process: subprocess.Popen[str]) -> tuple[list[Json], str]:
    """Interrupts packet-way; returns the ways and its messages."""
    process.send_signal(signal.SIGINT)
    out, said = process.communicate()
    assert process.returncode == 0, said
    return [json.loads(line) for line in out.splitlines()], said


@contextlib.contextmanager
def watched() -> Iterator[list[Json]]:
    """Records within the context; yields the ways, which are there afterwards."""
    found: list[Json] = []
    process = start()
    try:
        yield found
        time.sleep(0.3)
    finally:
        ways, said = finish(process)
    assert said == ""
    found += ways


@contextlib.contextmanager
def receiver(address: str, port: int, netns: str | None = None) -> Iterator[socket.socket]:
    """Opens a socket that receives datagrams."""
    with inside(netns) if netns else contextlib.nullcontext():
        taker = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    with taker:
        taker.settimeout(patience(20))
        taker.bind((address, port))
        yield taker


def places(way: Json) -> list[str]:
    return [f"{hop['netns_name']} {hop['hook']}" for hop in way["hops"]]


def flows(way: Json) -> list[str]:
    return [f"{hop['saddr']}:{hop['sport']} > {hop['daddr']}:{hop['dport']}" for hop in way["hops"]]


def ending(way: Json) -> tuple[str, str, str]:
    """Returns how a way ended, after which hook, and why."""
    end = way["end"]
    return end["kind"], end["after"], end["reason"]


def send(address: str, port: int, *, netns: str | None = None, ttl: int = 64, count: int = 1) -> None:
    """Sends datagrams, each from a port of its own, so that no answer is an error of the next."""
    for _ in range(count):
        with inside(netns) if netns else contextlib.nullcontext():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM)
        with sock:
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            sock.sendto(b"datagram", (address, port))


_NAT = """
table ip way {
    counter prerouting {}
    counter forward {}
    counter postrouting {}
    chain raw { type filter hook prerouting priority raw; meta l4proto tcp counter name prerouting; }
    chain filter { type filter hook forward priority filter; meta l4proto tcp counter name forward; }
    chain mangle { type filter hook postrouting priority mangle; meta l4proto tcp counter name postrouting; }
    chain nat_in { type nat hook prerouting priority dstnat; ip daddr 10.77.1.1 tcp dport 80 dnat to 10.77.2.2:%s; }
    chain nat_out { type nat hook postrouting priority srcnat; oifname to-server snat to 10.77.2.1; }
}
"""


def test_each_packet_of_a_connection_is_followed_through_dnat_and_snat() -> None:
    with web_server(_SERVER, netns="server") as url:
        port = url.rstrip("/").rpartition(":")[2]
        with rules(_NAT % port), parameters.loaded(_EVERYWHERE):
            with watched() as ways:
                assert fetch(f"http://{_TO_CLIENT}/100000", netns="client") == 100_000
            counters = counted()
    request = [way for way in ways if places(way)[0] == "client output"]
    reply = [way for way in ways if places(way)[0] == "server output"]
    assert len(request) + len(reply) == len(ways)
    assert len(request) > 3
    assert len(reply) > 3
    # nft saw the same packets at the host's three points.
    assert counters == dict.fromkeys(("ip prerouting", "ip forward", "ip postrouting"), len(ways))
    local = request[0]["hops"][0]["sport"]
    client, vip = f"{_CLIENT}:{local}", f"{_TO_CLIENT}:80"
    server, snat = f"{_SERVER}:{port}", f"{_TO_SERVER}:{local}"
    host = ["host prerouting", "host forward", "host postrouting"]
    for way in request:
        assert places(way) == ["client output", "client postrouting", *host, "server prerouting", "server input"]
        unchanged, dnat, both = f"{client} > {vip}", f"{client} > {server}", f"{snat} > {server}"
        assert flows(way) == [*[unchanged] * 3, *[dnat] * 2, *[both] * 2]
    for way in reply:
        assert places(way) == ["server output", "server postrouting", *host, "client prerouting", "client input"]
        unchanged, snat_undone, both = f"{server} > {snat}", f"{server} > {client}", f"{vip} > {client}"
        assert flows(way) == [*[unchanged] * 3, *[snat_undone] * 2, *[both] * 2]
    for way in ways:
        # TCP may still drop a segment, as a duplicate or unread at close.
        kind, after, _ = ending(way)
        dropped_by_tcp = kind == "dropped" and way["end"]["location"].startswith(("tcp_", "sk_stream_"))
        assert after == "input"
        assert kind == "delivered" or dropped_by_tcp, way["end"]
        assert [hop["time"] for hop in way["hops"]] == sorted(hop["time"] for hop in way["hops"])
        devices = [(hop["indev"], hop["outdev"]) for hop in way["hops"] if hop["netns_name"] == "host"]
        ends = ("to-client", "to-server") if way in request else ("to-server", "to-client")
        assert devices == [(ends[0], ""), ends, ends]


def test_in_one_namespace_a_forwarded_packet_leaves_by_its_device() -> None:
    with receiver(_SERVER, 7000, "server"), parameters.loaded("sink=trace hooks=all proto=udp"), watched() as ways:
        send(_SERVER, 7000, netns="client", count=20)
    assert len(ways) == 20
    for way in ways:
        assert places(way) == ["host prerouting", "host forward", "host postrouting"]
        assert ending(way) == ("left", "postrouting", "")
        assert way["hops"][2]["outdev"] == "to-server"


_DROPS = """
table ip way {
    counter forward {}
    counter input {}
    chain forward_filter { type filter hook forward priority filter; udp dport 7001 counter name forward drop; }
    chain input_filter { type filter hook input priority filter; udp dport 7002 counter name input drop; }
}
"""


def test_a_drop_has_the_last_hook_and_the_kernels_reason() -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(rules(_DROPS))
        listener = stack.enter_context(socket.create_server((_TO_CLIENT, 7007)))
        stack.enter_context(parameters.loaded("sink=trace hooks=all proto=tcp,udp"))
        injector = Injector("client", "eth0")
        stack.callback(injector.close)
        with watched() as ways:
            send(_SERVER, 7001, netns="client", count=5)
            send(_TO_CLIENT, 7002, netns="client", count=4)
            send(_TO_CLIENT, 7003, netns="client", count=3)
            send(_SERVER, 7004, netns="client", ttl=1, count=2)
            send(_NOWHERE, 7005, netns="client")
            segment = IP(src=_CLIENT, dst=_TO_CLIENT) / TCP(sport=7006, dport=7007, flags="S", chksum=0xBAD)
            injector.send(frames.ethernet(bytes(segment), dest="02:00:00:00:01:01"))
        counters = counted()
        listener.close()
    endings = Counter((way["hops"][0]["dport"], *ending(way)) for way in ways)
    assert endings == {
        (7001, "dropped", "forward", "NETFILTER_DROP"): 5,
        (7002, "dropped", "input", "NETFILTER_DROP"): 4,
        (7003, "dropped", "input", "NO_SOCKET"): 3,
        (7004, "dropped", "prerouting", "IP_INHDR"): 2,
        (7005, "dropped", "prerouting", "IP_INNOROUTES"): 1,
        (7007, "dropped", "input", "TCP_CSUM"): 1,
    }
    assert counters == {"ip forward": 5, "ip input": 4}
    where = {way["hops"][0]["dport"]: way["end"]["location"].partition("+")[0] for way in ways}
    assert where[7003] == "udp_rcv"
    assert where[7004] == "ip_forward"


def test_over_loopback_a_packet_passes_four_hooks() -> None:
    with (
        receiver("127.0.0.1", 7008) as taker,
        receiver("127.0.0.1", 0) as sender,
        parameters.loaded("sink=trace hooks=all proto=udp host=127.0.0.1"),
        watched() as ways,
    ):
        for number in range(30):
            sender.sendto(bytes(number), ("127.0.0.1", 7008))
        for number in range(30):
            assert len(taker.recv(100)) == number
    assert len(ways) == 30
    for number, way in enumerate(ways):
        assert places(way) == ["host output", "host postrouting", "host prerouting", "host input"]
        assert {hop["payload"] for hop in way["hops"]} == {number}
        assert ending(way) == ("delivered", "input", "")


def test_an_ipv6_packet_is_followed_too() -> None:
    with receiver("fd77:2::2", 7009, "server") as taker, parameters.loaded(_EVERYWHERE), watched() as ways:
        # All are equal: IPv6 has no identification that would distinguish them.
        send("fd77:2::2", 7009, netns="client", count=10)
        for _ in range(10):
            taker.recv(100)
    assert len(ways) == 10
    host = ["host prerouting", "host forward", "host postrouting"]
    for way in ways:
        assert places(way) == ["client output", "client postrouting", *host, "server prerouting", "server input"]
        assert {(hop["saddr"], hop["daddr"]) for hop in way["hops"]} == {("fd77:1::2", "fd77:2::2")}
        assert ending(way) == ("delivered", "input", "")


def test_lost_events_are_reported() -> None:
    with receiver("127.0.0.1", 7010), parameters.loaded("sink=trace hooks=all proto=udp host=127.0.0.1"):
        process = start("--buffer", "64")
        (instance,) = _INSTANCES.iterdir()
        size, clock = [(instance / name).read_text() for name in ("per_cpu/cpu0/buffer_size_kb", "trace_clock")]
        trace_cmd = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        os.killpg(trace_cmd, signal.SIGSTOP)
        send("127.0.0.1", 7010, count=1000)
        os.killpg(trace_cmd, signal.SIGCONT)
        ways, said = finish(process)
    # The kernel adds the pages' headers.
    assert 64 <= int(size) < 128
    # Common to all CPUs, and close to the log's clock.
    assert "[mono]" in clock
    assert len(ways) < 1000
    lost = sum(int(number) for number in re.findall(r"CPU \d+ lost (\d+) events", said))
    assert lost > 1000, said


def test_nothing_is_left_enabled_when_it_is_killed() -> None:
    with parameters.loaded("sink=trace hooks=all"):
        process = start()
        assert list(_INSTANCES.iterdir())
        assert Path("/sys/module/nf_tracer/refcnt").read_text() != "0\n"
        process.kill()
        process.communicate()
        wait_until(lambda: not list(_INSTANCES.iterdir()), "the instance goes")
        # The module unloads at the end, so that nothing pins it.


def test_with_drops_only_no_other_end_is_recorded() -> None:
    with parameters.loaded("sink=trace hooks=all proto=icmp,udp host=127.0.0.1"):
        process = start("--drops-only")
        assert ping("127.0.0.1", count=1)[0] == 1
        send("127.0.0.1", 7012)
        ways, _ = finish(process)
    (request,) = [way for way in ways if (way["hops"][0]["protocol"], way["hops"][0]["type"]) == ("icmp", 8)]
    (datagram,) = [way for way in ways if way["hops"][0]["protocol"] == "udp"]
    # The free in icmp_rcv() is not recorded.
    assert (*ending(request), request["end"]["time"], request["end"]["location"]) == (
        "delivered",
        "input",
        "",
        None,
        "",
    )
    assert ending(datagram) == ("dropped", "input", "NO_SOCKET")
    assert datagram["end"]["time"] > datagram["hops"][-1]["time"]


def test_a_command_is_recorded_and_its_status_is_given(tmp_path: Path) -> None:
    file = str(tmp_path / "trace.dat")
    with parameters.loaded("sink=log,trace hooks=input,output proto=icmp"):
        command = ["sh", "-c", f"ping -c 1 {_TO_CLIENT}; exit 7"]
        done = subprocess.run(
            [_PROGRAM, "--brief", "--output", file, "--", *command], capture_output=True, text=True, check=False
        )
    # The module is gone by now.
    again = subprocess.run([_PROGRAM, "--brief", "--input", file], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == done.stdout[-len(again.stdout) :]
    assert len(re.findall(r" icmp .* type 8 .* delivered, freed in icmp_rcv", again.stdout)) == 1
    assert done.returncode == 7, done.stderr
    assert "1 packets transmitted, 1 received" in done.stdout
    assert len(re.findall(r"icmp .* type [08] code 0 .*: output \+[\d.]+ us input", done.stdout)) == 2, done.stdout
    assert re.search("^2 packets: ", done.stdout, re.MULTILINE), done.stdout
    assert done.stderr.splitlines() == [
        "packet-way: nf_tracer is not hooked in at prerouting,forward,postrouting: ways have gaps:"
        " echo all >/sys/module/nf_tracer/parameters/hooks"
    ]


def test_a_module_whose_trace_sink_is_not_active_is_reported_in_one_line() -> None:
    with parameters.loaded("sink=log"):
        done = subprocess.run([_PROGRAM, "--duration", "1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "packet-way: nf_tracer has sink=log, trace is not in it: echo log,trace >/sys/module/nf_tracer/parameters/sink"
    ]
