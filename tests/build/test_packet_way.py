# SPDX-License-Identifier: GPL-2.0
"""How scripts/packet-way joins events whose addresses say too little, and what it says of wrong input."""

import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from packet_way import events, picture, text
from packet_way.events import Freed, Lost, Seen
from packet_way.summary import Summary
from packet_way.ways import DROPPED, LEFT, VANISHED, End, Joiner, Way
from support.paths import TOP

PROGRAM = TOP / "scripts/packet-way"

_clock = itertools.count(1_000_000_000, 1000)
_PACKET = {
    **{"skb": "0xa", "family": "ipv4", "indev": "", "outdev": "", "netns": 1, "mark": 0, "len": 60, "payload": 0},
    **{"gso_segs": 1, "id": 7, "frag_off": 0, "protocol": "tcp", "saddr": "10.0.0.1", "daddr": "10.0.0.2"},
    **{"sport": 1000, "dport": 80, "seq": 5, "ack_seq": 6, "flags": "ACK", "type": 0, "code": 0, "csum": 9},
    **{"csum_state": "none", "malformed": "no"},
}
_HOOKS = "prerouting", "input", "forward", "output", "postrouting"
# All pairs of hooks that a packet can pass one after the other.
_ORDERS = {
    *(("prerouting", then) for then in ("input", "forward", "postrouting")),
    ("input", "output"),
    *(("forward", then) for then in ("postrouting", "prerouting", "input")),
    *(("output", then) for then in ("postrouting", "prerouting", "input")),
    *(("postrouting", then) for then in ("prerouting", "input", "forward")),
}
_V6 = {"family": "ipv6", "saddr": "fd00::1", "daddr": "fd00::2", "id": 0}
_NO_PORTS = {"sport": 0, "dport": 0}
_LINE = (
    "packet-way-1:    ping-[000] 1.2: packet: -77  [001] b.s2.    12.000001500: packet: skbaddr=0xffff0a hook=forward"
    " family=ipv4 indev=eth0 outdev=eth1 netns=4026531833 mark=0x1f len=84 payload=56 gso_segs=1 id=9 frag_off=0"
    " protocol=icmp saddr=10.0.0.1 daddr=10.0.0.2 saddrv6=::ffff:10.0.0.1 daddrv6=::ffff:10.0.0.2 sport=0 dport=0"
    " seq=3 ack_seq=0 window=0 urg_ptr=0 flags= type=8 code=0 csum=0x77 csum_state=none malformed=no\n"
)


def seen(hook: str, **changes: object) -> Seen:
    return Seen(**{**_PACKET, "time": next(_clock), "hook": hook, **changes})


def freed(location: str = "icmp_rcv+0x1", reason: str = "", protocol: int = 0, skb: str = "0xa") -> Freed:
    return Freed(next(_clock), skb, location, reason, protocol)


def join(*happened: Seen | Freed | Lost) -> list[tuple[str, str]]:
    """Returns each way's hooks and its end."""
    return [
        (" ".join(hop.hook for hop in way.hops), way.end.kind if way.end else "") for way in Joiner().join(happened)
    ]


def test_a_way_is_joined_from_hook_to_hook() -> None:
    forwarded = [seen(hook) for hook in ("prerouting", "forward", "postrouting")]
    assert join(*forwarded, freed("napi_consume_skb")) == [("prerouting forward postrouting", "left")]
    local = [seen(hook, skb="0xb") for hook in ("output", "postrouting", "prerouting", "input")]
    assert join(*local) == [("output postrouting prerouting input", "delivered")]


def test_packets_that_alternate_are_kept_apart_and_come_in_the_order_of_their_starts() -> None:
    ways = join(
        seen("output", skb="0xa", id=1),
        seen("output", skb="0xb", id=2),
        seen("postrouting", skb="0xb", id=2),
        freed(skb="0xb"),
        seen("postrouting", skb="0xa", id=1),
        freed("nft_do_chain+0x1", "NETFILTER_DROP", 0x800),
    )
    assert ways == [("output postrouting", "dropped"), ("output postrouting", "left")]


def test_after_a_free_the_address_is_another_packets() -> None:
    # All fields are equal: only the free separates them.
    assert join(seen("prerouting"), freed(reason="IP_CSUM"), seen("input")) == [
        ("prerouting", "dropped"),
        ("input", "delivered"),
    ]


@pytest.mark.parametrize(("hook", "then"), itertools.product(_HOOKS, _HOOKS))
def test_only_hooks_in_a_possible_order_are_joined(hook: str, then: str) -> None:
    # Equal in all fields, without a free in between, as with TCP's receive queue.
    ways = [hooks for hooks, _ in join(seen(hook), seen(then))]
    assert ways == ([f"{hook} {then}"] if (hook, then) in _ORDERS else [hook, then])


@pytest.mark.parametrize(("hook", "then"), itertools.product(_HOOKS, _HOOKS))
def test_only_a_packet_that_leaves_a_namespace_is_joined_in_another(hook: str, then: str) -> None:
    leaves = hook in ("forward", "output", "postrouting") and then in ("prerouting", "input", "forward")
    assert len(join(seen(hook), seen(then, netns=2))) == (1 if leaves else 2)


@pytest.mark.parametrize("hook", _HOOKS)
@pytest.mark.parametrize("device", ["indev", "outdev"])
def test_a_bridge_has_a_packet_pass_one_point_for_two_devices(hook: str, device: str) -> None:
    ways = join(seen(hook, **{device: "port0"}), seen(hook, **{device: "br0"}))
    # A packet at input goes to a socket next.
    assert len(ways) == (2 if hook == "input" else 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": 8},
        {"protocol": "udp"},
        {"family": "ipv6"},
        {"saddr": "10.0.0.3", "daddr": "10.0.0.4"},
        {"sport": 1001, "dport": 81},
        # Another host behind the same port, and another port of the same host.
        {"saddr": "10.0.0.3", "dport": 81},
        # A reassembled packet has ports where a later fragment has none, not vice versa.
        {"frag_off": 1480, "sport": 0, "dport": 0},
    ],
)
def test_what_no_hook_changes_tells_packets_apart(changes: dict[str, object]) -> None:
    assert len(join(seen("prerouting"), seen("input", **changes))) == 2


def test_nat_changes_one_end_at_a_time() -> None:
    dnat = {"daddr": "192.0.2.9", "dport": 8080, "csum": 1}
    both = {**dnat, "saddr": "192.0.2.1", "sport": 61000, "csum": 2}
    assert join(
        seen("prerouting"),
        seen("forward", **dnat),
        seen("postrouting", **dnat),
        seen("prerouting", netns=2, **both),
        seen("input", netns=2, **both),
    ) == [("prerouting forward postrouting prerouting input", "delivered")]


@pytest.mark.parametrize(
    "changes", [{"seq": 6}, {"ack_seq": 7}, {"payload": 1}, {"flags": "ACK|PSH"}, {"type": 128}, {"code": 1}]
)
def test_without_an_identification_the_segment_tells_packets_apart(changes: dict[str, object]) -> None:
    assert len(join(seen("prerouting", **_V6), seen("input", **_V6))) == 1
    assert len(join(seen("prerouting", **_V6), seen("input", **_V6, **changes))) == 2
    # With an identification, the segment may differ: conntrack helpers change it.
    assert len(join(seen("prerouting"), seen("input", **changes))) == 1


def test_datagrams_without_identification_are_told_apart_by_their_checksum() -> None:
    udp = {**_V6, "protocol": "udp", "seq": 0, "ack_seq": 0, "flags": ""}
    assert len(join(seen("prerouting", **udp), seen("input", **udp))) == 1
    assert len(join(seen("prerouting", **udp), seen("input", **udp, csum=1))) == 2
    assert len(join(seen("prerouting", **udp), seen("input", **udp | {"daddr": "fd00::3"}, csum=1))) == 1
    assert len(join(seen("output", **udp, csum=1), seen("postrouting", **udp | {"csum_state": "partial"}))) == 1


def test_fragments_go_on_as_the_datagram_that_they_were() -> None:
    later = {"frag_off": 1480, "sport": 0, "dport": 0}
    assert len(join(seen("prerouting", **later), seen("input"))) == 1
    assert len(join(seen("prerouting", **{**_V6, "id": 5}, **later), seen("input", **_V6))) == 1
    assert join(seen("prerouting", **later), freed("inet_frag_reasm_prepare")) == [("prerouting", "consumed")]


def test_what_another_protocol_frees_is_no_drop_of_the_packet() -> None:
    arp = freed("neigh_invalidate+0x1", "NEIGH_FAILED", 0x0806)
    assert join(seen("prerouting"), seen("input"), arp) == [("prerouting input", "delivered")]
    assert join(seen("prerouting"), arp) == [("prerouting", "vanished")]


@pytest.mark.parametrize(
    ("family", "protocol"), [("ipv4", 0x0800), ("ipv6", 0x86DD), ("ipv4", 0x86DD), ("ipv6", 0x0800), ("ipv4", 0x88CC)]
)
def test_a_drop_ends_only_a_packet_of_its_family(family: str, protocol: int) -> None:
    drop = freed("ip_rcv_core+0x1", "IP_INHDR", protocol)
    is_its_own = (family, protocol) in (("ipv4", 0x0800), ("ipv6", 0x86DD))
    assert join(seen("prerouting", family=family), drop) == [("prerouting", "dropped" if is_its_own else "vanished")]


@pytest.mark.parametrize("protocol", [0x8100, 0x88A8, 0x8847, 0x8848, 0x8864])
def test_what_leaves_may_be_dropped_in_its_wrapping(protocol: int) -> None:
    wrapped = freed("vlan_dev_hard_start_xmit+0x1", "NOMEM", protocol)
    assert join(seen("postrouting"), wrapped) == [("postrouting", "dropped")]
    assert join(seen("forward"), wrapped) == [("forward", "vanished")]


@pytest.mark.parametrize(
    "function", ["unix_stream_read_generic", "netlink_recvmsg", "packet_recvmsg", "tpacket_rcv", "arp_process"]
)
def test_a_free_by_another_protocols_function_is_another_packets(function: str) -> None:
    assert join(seen("prerouting"), freed(f"{function}+0x1")) == [("prerouting", "vanished")]


def test_a_packet_that_vanishes_is_reported_with_its_last_hook() -> None:
    joiner = Joiner()
    ways = list(joiner.join([seen("prerouting", id=1), seen("forward", id=1), seen("prerouting", id=2)]))
    assert [text.ending(way) for way in ways] == [
        "vanished after forward: not seen until its memory was used again",
        "vanished after prerouting: not seen until the recording ended",
    ]
    # A free of an skb that was never seen is ignored.
    assert join(freed(skb="0xc")) == []


def test_lost_events_are_counted_and_make_an_end_doubtful() -> None:
    joiner = Joiner()
    happened = [
        seen("prerouting"),
        seen("forward", skb="0xb"),
        *(Lost(1, 40), Lost(1, None), Lost(0, 2)),
        # It is seen again afterwards, so its end is not among the lost.
        seen("forward"),
        seen("forward", skb="0xc"),
    ]
    ways = list(joiner.join(happened))
    assert joiner.lost == {0: 2, 1: 41}
    assert [text.ending(way) for way in ways] == [
        "vanished after forward: not seen until the recording ended",
        "vanished after forward: not seen until the recording ended, and events were lost",
        "vanished after forward: not seen until the recording ended",
    ]


def test_one_packet_that_does_not_end_holds_up_no_more_than_a_window() -> None:
    read = 0

    def happened() -> Iterator[Seen | Freed]:
        nonlocal read
        yield seen("input", skb="0xb")
        for _ in range(100):
            yield seen("output")
            yield freed()
            read += 1

    ways = Joiner(window=10).join(happened())
    assert [way.start.hook for way in itertools.islice(ways, 3)] == ["input", "output", "output"]
    assert 5 < read < 12
    joiner = Joiner(window=1)
    late = [seen("forward", skb="0xb"), seen("output"), seen("output", skb="0xd"), freed(skb="0xb")]
    first, *_ = joiner.join(late)
    assert text.ending(first) == "vanished after forward: not seen among the next 1 packets"


def test_the_lines_of_a_report_are_read() -> None:
    lines = [
        "cpus=2\n",
        _LINE,
        "packet-way-1: CPU:1 [17 EVENTS DROPPED]\n",
        "CPU:0 [EVENTS DROPPED]\n",
        "x: nc-1 [000] ..s1. 12.5: kfree_skb: skbaddr=0xff rx_sk=(nil) protocol=2048 location=udp_rcv+0x49e"
        " reason: NO_SOCKET\n",
        "nc-1 [000] ..s1. 13.000000001: consume_skb: skbaddr=0xff location=icmp_rcv+0x20a\n",
        "nc-1 [000] ..s1. 14.000000001: packet: of another system\n",
    ]
    packet, *others = events.parse(lines)
    assert others == [
        Lost(1, 17),
        Lost(0, None),
        Freed(12_500_000_000, "0xff", "udp_rcv+0x49e", "NO_SOCKET", 2048),
        Freed(13_000_000_001, "0xff", "icmp_rcv+0x20a"),
    ]
    assert isinstance(packet, Seen)
    assert (packet.time, packet.skb, packet.hook, packet.mark, packet.csum) == (
        12_000_001_500,
        "0xffff0a",
        "forward",
        31,
        0x77,
    )
    assert (packet.saddr, packet.flags, packet.indev, packet.outdev) == ("10.0.0.1", "", "eth0", "eth1")


def _scene() -> list[Way]:
    nat = {"daddr": "192.0.2.9", "dport": 8080}
    return list(
        Joiner().join(
            [
                *(seen("prerouting", indev="eth0"), seen("forward", indev="eth0", outdev="eth1", **nat)),
                freed("nft_do_chain+0x5", "NETFILTER_DROP", 0x800),
                *(seen("output", netns=2), seen("postrouting", outdev="lo", netns=2)),
            ]
        )
    )


def test_a_way_is_printed_with_what_changes() -> None:
    blocked, left = _scene()
    first, *lines = text.block(blocked, text.Names({1: "host"})).splitlines()
    assert first.endswith(" tcp 10.0.0.1:1000 > 10.0.0.2:80 ACK seq 5 ack 6 id 7 len 60")
    assert [line.split() for line in lines] == [
        ["prerouting", "eth0", "netns", "host"],
        ["+1.0", "us", "forward", "eth0", ">", "eth1", "10.0.0.1:1000", ">", "192.0.2.9:8080"],
        ["+1.0", "us", "dropped", "after", "forward:", "NETFILTER_DROP", "in", "nft_do_chain+0x5"],
    ]
    assert [line.split() for line in text.block(left, text.Names({})).splitlines()[1:]] == [
        ["output", "netns", "2"],
        ["+1.0", "us", "postrouting", "lo"],
        ["left", "by", "lo"],
    ]
    assert text.brief(left).endswith(" ACK seq 5 ack 6 id 7 len 60: output +1.0 us postrouting left by lo")
    hops, end = json.loads(text.as_json(blocked, text.Names({1: "host"}))).values()
    assert [(hop["hook"], hop["daddr"], hop["netns_name"]) for hop in hops] == [
        ("prerouting", "10.0.0.2", "host"),
        ("forward", "192.0.2.9", "host"),
    ]
    assert (end["kind"], end["after"], end["reason"]) == ("dropped", "forward", "NETFILTER_DROP")
    assert end["time"] - hops[1]["time"] == hops[1]["time"] - hops[0]["time"] == 1000
    summary = Summary()
    for way in (blocked, left):
        summary.add(way)
    lines = summary.text().splitlines()
    assert lines[0] == "2 packets: 1 left, 1 dropped"
    assert lines[1].split(maxsplit=1) == ["1", "dropped after forward: NETFILTER_DROP in nft_do_chain"]
    assert [line.split() for line in lines[3:]] == [
        ["prerouting", ">", "forward", "1", "1.0", "1.0", "1.0"],
        ["forward", ">", "free", "1", "1.0", "1.0", "1.0"],
        ["output", ">", "postrouting", "1", "1.0", "1.0", "1.0"],
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "tcp 10.0.0.1:1000 > 10.0.0.2:80 ACK seq 5 ack 6 id 7 len 60"),
        ({"flags": "SYN"}, "tcp 10.0.0.1:1000 > 10.0.0.2:80 SYN seq 5 id 7 len 60"),
        ({"flags": "SYN|ACK"}, "tcp 10.0.0.1:1000 > 10.0.0.2:80 SYN,ACK seq 5 ack 6 id 7 len 60"),
        ({"gso_segs": 2}, "tcp 10.0.0.1:1000 > 10.0.0.2:80 ACK seq 5 ack 6 id 7 len 60 in 2 segments"),
        ({"malformed": "invalid"}, "tcp 10.0.0.1:1000 > 10.0.0.2:80 ACK seq 5 ack 6 id 7 len 60 invalid"),
        ({"protocol": "udp"}, "udp 10.0.0.1:1000 > 10.0.0.2:80 id 7 len 60"),
        ({**_V6}, "tcp [fd00::1]:1000 > [fd00::2]:80 ACK seq 5 ack 6 len 60"),
        (
            {"protocol": "icmp", **_NO_PORTS, "type": 3, "code": 1},
            "icmp 10.0.0.1 > 10.0.0.2 type 3 code 1 seq 5 id 7 len 60",
        ),
        (
            {"protocol": "icmpv6", **_V6, **_NO_PORTS, "type": 128},
            "icmpv6 fd00::1 > fd00::2 type 128 code 0 seq 5 len 60",
        ),
        *(
            (
                {"protocol": protocol, **_NO_PORTS, "frag_off": 8},
                f"{protocol} 10.0.0.1 > 10.0.0.2 id 7 fragment at 8 len 60",
            )
            for protocol in ("tcp", "icmp")
        ),
    ],
)
def test_a_packets_identity_is_printed(changes: dict[str, object], words: str) -> None:
    (way,) = Joiner().join([seen("output", **changes)])
    title, _, ending = text.brief(way).partition(": ")
    assert title.split(" ", 1)[1] == words
    assert ending == "output vanished after output: not seen until the recording ended"


def test_a_devices_name_cannot_write_to_the_terminal() -> None:
    name = "x\x1b]0;pwn\x07\\"
    (way,) = Joiner().join([seen("prerouting", indev=name), seen("postrouting", outdev=name)])
    for printed in (text.brief(way), text.block(way, text.Names({}))):
        assert printed.replace("\n", "").isprintable(), printed
    assert text.block(way, text.Names({})).count("x\\x1b]0;pwn\\x07\\x5c") >= 2


def test_what_becomes_of_the_addresses_and_the_namespace_is_printed() -> None:
    happened = [seen("postrouting"), seen("prerouting", netns=2), seen("input", netns=2, daddr="192.0.2.9")]
    (way,) = Joiner().join([*happened, freed("udp_recvmsg+0x1")])
    assert text.brief(way).endswith(
        ": postrouting +1.0 us prerouting +1.0 us input (10.0.0.1:1000 > 192.0.2.9:80) +1.0 us"
        " delivered, freed in udp_recvmsg+0x1"
    )
    notes = [line.split("  ")[-1].strip() for line in text.block(way, text.Names({2: "peer"})).splitlines()]
    assert notes[1:] == ["netns 1", "netns peer", "10.0.0.1:1000 > 192.0.2.9:80", "delivered, freed in udp_recvmsg+0x1"]


def test_the_summary_is_of_all_samples_and_names_the_commonest_loss_first() -> None:
    summary = Summary()
    # From 1 to 200 microseconds, the longest first.
    for number in range(200, 0, -1):
        hops = [seen("output", time=0), seen("postrouting", time=number * 1000)]
        summary.add(Way(hops, End(LEFT)))
    losses = ["IP_CSUM", *["NO_SOCKET"] * 3]
    for reason in losses:
        summary.add(Way([seen("input")], End(DROPPED, None, "f+0x1/0x9", reason)))
    for _ in range(2):
        summary.add(Way([seen("forward")], End(VANISHED)))
    lines = summary.text().splitlines()
    assert lines[0] == "206 packets: 200 left, 4 dropped, 2 vanished"
    assert [line.split(maxsplit=1) for line in lines[1:4]] == [
        ["3", "dropped after input: NO_SOCKET in f"],
        ["2", "vanished after forward"],
        ["1", "dropped after input: IP_CSUM in f"],
    ]
    assert lines[4].split() == ["microseconds", "packets", "median", "99", "%", "longest"]
    assert [line.split() for line in lines[5:]] == [["output", ">", "postrouting", "200", "101.0", "199.0", "200.0"]]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_is_drawn(tmp_path: Path, suffix: str) -> None:
    summary = Summary()
    ways = _scene()
    for way in ways:
        summary.add(way)
    file = tmp_path / f"ways.{suffix}"
    picture.draw(file, ways, summary)
    if suffix == "png":
        assert file.read_bytes().startswith(b"\x89PNG")
    else:
        drawn = file.read_text()
        for word in ("NETFILTER_DROP", "10.0.0.1:1000 &gt; 10.0.0.2:80", "prerouting &gt; forward", "2 packets"):
            assert word in drawn, word
    # An empty recording is drawn, too.
    picture.draw(file, [], Summary())


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (
            ["--only", "dropped,lost"],
            2,
            "'lost' is no way to end: there are delivered, left, dropped, consumed, vanished",
        ),
        (["--duration", "-1"], 2, "'-1' is not a number of seconds above 0"),
        (["--duration", "nan"], 2, "'nan' is not a number of seconds above 0"),
        (["--count", "x"], 2, "'x' is not a number from 0 on"),
        (["--buffer", "1"], 2, "'1' is not a number of KiB from 64 on"),
        (["--picture", "way.gif"], 2, "'way.gif' does not end in one of .svg, .png, .pdf"),
        (["--picture", "/nowhere/way.png"], 2, "'/nowhere/way.png' cannot be written"),
        (["--output", "/dev/shm"], 2, "'/dev/shm' cannot be written"),
        (["--brief", "--json"], 2, "not allowed with argument --brief"),
        (["--input", "x", "--", "true"], 2, "--input reads what is recorded already: a COMMAND does not go with it"),
        (["--input", "x", "--output", "y"], 2, "--input records nothing: --output and --drops-only do not go with it"),
        (["--input", "/nowhere"], 1, "/nowhere: there is no such file"),
        (["--input", "/etc/passwd"], 1, "/etc/passwd: trace-cmd cannot read it: is it a file of trace-cmd record?"),
        ([], 1, "nf_tracer is not loaded: insmod nf_tracer.ko sink=trace hooks=all"),
    ],
)
def test_wrong_input_is_reported_in_one_line(arguments: list[str], status: int, words: str) -> None:
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("packet-way: ")
    assert words in done.stderr


def test_help_names_every_end_of_a_packet() -> None:
    said = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("delivered", "left", "dropped", "consumed", "vanished", "--picture FILE", "--drops-only"):
        assert word in said
