# SPDX-License-Identifier: GPL-2.0
"""Sends the packets of malformed_packets.py through all hooks of nf_tracer, in the debug kernel, and counts them.

Usage: malformed_inside.py MODULE PACKETS COUNT

Sends COUNT of PACKETS, over and over if there are fewer, in rounds of different parameters. Prints as a line of JSON
what was seen at each hook. The kernel reports on its console.
"""

import contextlib
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from helpers import forked, load, unload
from malformed_counts import PRIORITY, Agreement, counts
from malformed_network import (
    NAMESPACES,
    Sender,
    listen_to_all,
    make_network,
    make_pktgen,
    make_senders,
    send_by_pktgen,
    send_tcp,
)
from malformed_packets import RECORD, Way

from support import parameters
from support.kernel import TRACING
from support.netns import inside
from support.nflog import Listener

NFLOG_GROUP = 5

# The parameters of each round, beside the common ones: each format, sink and kind of filter. Rounds in which every sink
# gets each packet have few packets, since they take ten times as long.
BASE = {"format": "full", "sink": "log", "proto": "all", "rate": "20", "burst": "20"}
BASE |= dict.fromkeys(("host", "src", "dst", "port", "sport", "dport", "iface", "bpf"), "")
ALL_SINKS = {"sink": "log,trace,nflog:5"}
AT_MOST_FEW = 1000
FEW: list[dict[str, str]] = [
    ALL_SINKS | {"rate": "0"},
    ALL_SINKS | {"format": "classic", "rate": "0"},
    ALL_SINKS | {"format": "nf_log"},
    ALL_SINKS | {"port": "22,53,80,9", "proto": "tcp,udp,sctp"},
    {"sink": "trace", "host": "10.8.0.2,fd08::/64"},
    {"sink": "nflog:5", "iface": "tun+,near"},
]
MANY: list[dict[str, str]] = [
    {},
    {"format": "classic", "host": "10.8.0.2,fd08::/64,10.9.0.0/24", "proto": "tcp,udp,icmp,icmpv6"},
    {"src": "10.9.0.2,fd09::2", "sport": "0-50000"},
    {"dst": "10.0.0.0/8,fd00::/8", "dport": "80,443,5000-6000"},
    {"format": "nf_log", "iface": "tun+,near", "rate": "5"},
    {"bpf": "4,48 0 0 9,21 0 1 6,6 0 0 65535,6 0 0 0"},
]

# Filters of the event that match each kind of packet.
KINDS = {
    "truncated": "malformed == 1",
    "invalid": "malformed == 2",
    "fragments": "frag_off > 0",
    "segmentation offload": "gso_segs > 1",
    "unfinished checksum": "csum_state == 3",
    "larger than 64 KiB": "len > 65535",
    "without payload": "len == 20 || len == 40",
}


def read_packets(file: Path) -> dict[Way, list[bytes]]:
    data = file.read_bytes()
    packets: dict[Way, list[bytes]] = {way: [] for way in Way}
    at = 0
    while at < len(data):
        way, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        packets[Way(way)].append(data[at : at + length])
        at += length
    return packets


@contextlib.contextmanager
def watched_kinds(found: Counter[str]) -> Iterator[None]:
    """Records the events of each kind in a trace instance, and counts and formats them at the end."""
    folders = {kind: TRACING / f"instances/kind{number}" for number, kind in enumerate(KINDS)}
    for kind, folder in folders.items():
        folder.mkdir()
        (folder / "buffer_size_kb").write_text("64")
        (folder / "events/nf_tracer/packet/filter").write_text(KINDS[kind])
        (folder / "events/nf_tracer/packet/enable").write_text("1")
    yield
    for kind, folder in folders.items():
        (folder / "events/nf_tracer/packet/enable").write_text("0")
        stats = "".join(file.read_text() for file in folder.glob("per_cpu/cpu*/stats"))
        number = sum(int(n) for n in re.findall(r"^(?:entries|overrun): (\d+)", stats, re.MULTILINE))
        text = (folder / "trace").read_text()
        assert number == 0 or "packet: skbaddr=" in text, text
        found[kind] += number
        folder.rmdir()


def listen_to_nflog(netns: str) -> None:
    sock = Listener(NFLOG_GROUP, netns)

    def read() -> None:
        while True:
            with contextlib.suppress(OSError):
                sock.recv(1 << 17)

    forked(read)


def send(packets: dict[Way, list[bytes]], senders: dict[Way, Sender]) -> Counter[str]:
    """Sends packets each way, in parallel; returns how many were taken and refused."""
    results = {}
    for way, chosen in packets.items():
        results[way], end = os.pipe()
        forked(lambda way=way, chosen=chosen, end=end: os.write(end, json.dumps(senders[way].send(chosen)).encode()))
        os.close(end)
    total: Counter[str] = Counter()
    for way, result in results.items():
        with os.fdopen(result) as pipe:
            taken, refused = json.loads(pipe.read())
        total += Counter({way.name: taken, "refused": refused})
    return total


def next_of(packets: dict[Way, list[bytes]], count: int) -> dict[Way, list[bytes]]:
    """Returns the next `count` packets, of each way its share, and moves them to the end."""
    total = sum(len(some) for some in packets.values())
    taken = {}
    for way, some in packets.items():
        left = count * len(some) // total
        taken[way] = []
        while left:
            piece = some[:left]
            some[:] = some[len(piece) :] + piece
            taken[way] += piece
            left -= len(piece)
    return taken


def main() -> None:
    module, file, wanted = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    packets = read_packets(file)
    big = {Way.BIG: packets.pop(Way.BIG)}
    make_network()
    senders = make_senders()
    make_pktgen()
    listeners = []
    for name in NAMESPACES:
        with inside(name):
            listeners.append(listen_to_all())
        listen_to_nflog(name)
    settings = " ".join(f"{name}={value}" for name, value in BASE.items() if value)
    error = load(module, f"hooks=all family=inet netns=all priority={PRIORITY} {settings}")
    assert error == 0, os.strerror(error)
    agreement = Agreement()
    sent: Counter[str] = Counter()
    seen_at: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    few = min(round(wanted / 100), AT_MOST_FEW)
    many = (wanted - few * len(FEW)) // len(MANY)
    began = time.monotonic()
    for count, changes in [(few, changes) for changes in FEW] + [(many, changes) for changes in MANY]:
        chosen = BASE | changes
        for name, value in chosen.items():
            parameters.put(name, value)
        agreement.start()
        with watched_kinds(kinds) if "trace" in chosen["sink"] else contextlib.nullcontext():
            sent += send(next_of(packets, count * 9 // 10), senders)
            sent["PKTGEN"] += send_by_pktgen(count // 10)
            if changes in (FEW[0], MANY[0]):
                sent += send(big, senders)
                send_tcp(1 << 19)
            found = agreement.check(chosen["sink"])
        seen_at += found
        print(f"{time.monotonic() - began:.0f} s: {found.total()} with {changes}", file=sys.stderr, flush=True)
    figures = {
        "sent": sent,
        "seen": seen_at,
        "log": sum(counts("log").values(), Counter()),
        "events": kinds,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(figures))
    unload("nf_tracer")


if __name__ == "__main__":
    main()
