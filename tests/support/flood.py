# SPDX-License-Identifier: GPL-2.0
"""Floods by pktgen, and the latency of other traffic meanwhile."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support import kmsg, parameters
from support.hook_modules import counted, rules
from support.netns import inside, ip, run

# The peers of the host: one floods it, the other one pings it.
_FLOODER, _CLIENT = "flooder", "client"
_DEVICE, _PORT = "flood0", 9
_NETWORK = f"""netns add {_FLOODER}
netns add {_CLIENT}
link add {_DEVICE} type veth peer name flood1 netns {_FLOODER}
link add client0 type veth peer name client1 netns {_CLIENT}
link set {_DEVICE} address 02:00:00:00:01:01 up
link set client0 up
addr add 10.81.0.1/24 dev {_DEVICE}
addr add 10.82.0.1/24 dev client0
"""
# Counts packets right behind the module's hook, and drops them there.
_RULES = f"""table ip flood {{
	counter every {{ }}
	counter flooded {{ }}
	chain prerouting {{
		type filter hook prerouting priority raw
		counter name every
		iifname {_DEVICE} udp dport {_PORT} counter name flooded drop
	}}
}}
"""
_PINGS_A_SECOND = 50


@dataclass(frozen=True)
class Latency:
    """Round trips of pings from another namespace, in milliseconds."""

    asked: int
    answered: int
    median: float
    most: float
    longest: float

    @classmethod
    def read(cls, text: str) -> "Latency":
        times = sorted(float(time) for time in re.findall(r"time=([\d.]+) ms", text))
        asked, answered = re.findall(r"(\d+) packets transmitted, (\d+) received", text)[0]
        return cls(int(asked), int(answered), times[len(times) // 2], times[len(times) * 99 // 100], times[-1])


@dataclass(frozen=True)
class Flood:
    """What pktgen sent in how many seconds, what nft counted, of the flood and in all, and the latency."""

    sent: int
    took: float
    counted: int
    counted_all: int
    latency: Latency


@contextlib.contextmanager
def network() -> Iterator[None]:
    """Joins the host to its two peers, and sets up nft's counters."""
    run("modprobe", "pktgen")
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    ip(_NETWORK)
    for netns, device, address in ((_FLOODER, "flood1", "10.81.0.2"), (_CLIENT, "client1", "10.82.0.2")):
        run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", netns=netns)
        ip(f"addr add {address}/24 dev {device}\nlink set {device} up\n", netns=netns)
    try:
        with rules(_RULES):
            # Resolves neighbours, too, so that no ARP comes later.
            latency(1)
            yield
    finally:
        ip(f"netns del {_FLOODER}\nnetns del {_CLIENT}\n")


def _pings(seconds: float) -> "subprocess.Popen[str]":
    command = ["ping", "-i", str(1 / _PINGS_A_SECOND), "-w", str(max(1, round(seconds))), "10.82.0.1"]
    return subprocess.Popen(["ip", "netns", "exec", _CLIENT, *command], stdout=subprocess.PIPE, text=True)


def latency(seconds: float) -> Latency:
    return Latency.read(_pings(seconds).communicate()[0])


def _pktgen(file: str, *commands: str) -> str:
    """Writes commands to one of pktgen's files in the flooder's namespace; returns its text."""
    with inside(_FLOODER):
        path = Path("/proc/thread-self/net/pktgen", file)
        for command in commands:
            path.write_text(command + "\n")
        return path.read_text()


def flood(seconds: float, rate: int, cpu: int = 1) -> Flood:
    """Sends up to `rate` small UDP datagrams a second to the host, where nothing else may go on."""
    _pktgen(f"kpktgend_{cpu}", "rem_device_all", "add_device flood1")
    _pktgen(
        "flood1",
        "count 0",
        "pkt_size 60",
        f"ratep {rate}",
        "dst 10.81.0.1",
        "dst_mac 02:00:00:00:01:01",
        f"udp_dst_min {_PORT}",
        f"udp_dst_max {_PORT}",
        "udp_src_min 1024",
        "udp_src_max 65000",
        "flag UDPSRC_RND",
    )
    before = counted()
    # The write returns when pktgen has ended.
    starter = subprocess.Popen(["ip", "netns", "exec", _FLOODER, "sh", "-c", "echo start >/proc/net/pktgen/pgctrl"])
    found = latency(seconds)
    _pktgen("pgctrl", "stop")
    starter.wait()
    # The last packets may still be queued.
    time.sleep(0.5)
    ((took, sent),) = re.findall(r"Result: OK: (\d+)\(.*?\) usec, (\d+) ", _pktgen("flood1"))
    now = {name: number - before[name] for name, number in counted().items()}
    return Flood(int(sent), int(took) / 1e6, now["ip flooded"], now["ip every"], found)


def log_number() -> int:
    """Returns the number of the next record of the kernel's log, overwritten ones counted."""
    fd = os.open("/dev/kmsg", os.O_RDWR | os.O_NONBLOCK)
    try:
        os.lseek(fd, 0, os.SEEK_END)
        os.write(fd, b"<4>flood: mark\n")
        return int(os.read(fd, 8192).split(b",")[1]) + 1
    finally:
        os.close(fd)


def memory() -> dict[str, int]:
    """Returns kilobytes: available memory with tmpfs added, and the kernel's own."""
    rows = dict(re.findall(r"(\w+): +(\d+) kB", Path("/proc/meminfo").read_text()))
    found = {name: int(rows[name]) for name in ("MemAvailable", "Shmem", "Slab", "Percpu")}
    return {"available": found["MemAvailable"] + found["Shmem"], "slab": found["Slab"], "percpu": found["Percpu"]}


def check_counts(flood: Flood, sink: str, before: kmsg.Summary | None = None) -> kmsg.Summary:
    """Checks the module's counts of a whole flood against pktgen's and nft's; returns them."""
    total = kmsg.Summary(
        *(now - then for now, then in zip(parameters.total(sink), before or kmsg.Summary(), strict=True))
    )
    assert flood.counted == flood.sent, f"nft counted {flood.counted} of {flood.sent} packets"
    assert total.seen == flood.counted_all, f"{total.seen} packets seen, of {flood.counted_all}"
    assert total.emitted + total.suppressed + total.lost == flood.sent, f"{total} of {flood.sent} packets"
    assert total.truncated == total.invalid == 0, total
    return total
