# SPDX-License-Identifier: GPL-2.0
"""Each parameter: what it takes and refuses, and that changing it loses no packet."""

import multiprocessing
import os
import subprocess
import time

import pytest

from support import kmsg, module, parameters
from support.hook_modules import ping, rules
from support.kernel import HOOKS
from support.netns import run
from support.network import Network
from support.traffic import steady_traffic
from vm.pace import patience

# How long parameters are written to under traffic, in seconds.
_WRITING = float(os.environ.get("NF_TRACER_WRITING", "8"))
_DEFAULTS = {
    "hooks": "prerouting,output",
    "family": "ipv4",
    "proto": "tcp",
    **dict.fromkeys(("host", "src", "dst", "port", "sport", "dport", "iface", "bpf"), ""),
    "netns": "host",
    "rate": "1000",
    "burst": "2000",
    "format": "classic",
    "sink": "log",
    "priority": "first+1",
}
_GOOD = [
    ("hooks", "output,input\n", "input,output"),
    ("hooks", "all", "prerouting,input,forward,output,postrouting"),
    ("hooks", "NF_INET_LOCAL_IN,PRE_ROUTING,Forward", "prerouting,input,forward"),
    ("family", "inet", "inet"),
    ("family", "ipv6,ipv4", "inet"),
    ("family", "IP6", "ipv6"),
    ("proto", "udp,47,6,99", "tcp,udp,gre,99"),
    ("proto", "TCP,ipv6-icmp,esp,igmp", "tcp,icmpv6,igmp,esp"),
    ("host", "10.1.2.3/8,fe80::1/10,10.9.9.9", "10.0.0.0/8,fe80::/10"),
    ("src", "192.0.2.1", "192.0.2.1"),
    ("dst", "2001:db8::/32", "2001:db8::/32"),
    ("port", "80-90,22", "22,80-90"),
    ("sport", "1-1", "1"),
    ("dport", "0-65535", "0-65535"),
    ("iface", "eth+,lo", "eth+,lo"),
    ("bpf", "1,6 0 0 1", "1,6 0 0 1"),
    ("netns", "all", "all"),
    ("rate", "0", "0"),
    ("burst", "4294967295", "4294967295"),
    ("format", "full", "full"),
    ("format", "nf_log", "nf_log"),
    ("sink", "nflog:65535 , trace", "trace,nflog:65535"),
    ("sink", "nflog:7,log,nflog:7", "log,nflog:7"),
    ("priority", "raw + 5", "raw+5"),
    ("priority", "-289", "-289"),
    ("priority", "-300", "raw"),
    ("priority", "NF_IP_PRI_CONNTRACK + 1", "conntrack+1"),
]
_BAD = [
    *((name, "") for name in ("hooks", "family", "proto", "netns", "rate", "burst", "format", "sink", "priority")),
    *((name, "x" * 4000) for name in _DEFAULTS),
    *((name, b"\xff\xfe") for name in _DEFAULTS),
    *((name, "\u00e9") for name in _DEFAULTS),
    *((name, ",") for name in _DEFAULTS if name != "bpf"),
    ("host", "10.0.0.0/33"),
    ("src", "::/129"),
    ("dst", "10.0.0"),
    ("host", ",".join(f"10.0.{n}.1" for n in range(65))),
    ("port", "90-80"),
    ("sport", "65536"),
    ("dport", "http"),
    ("iface", "sixteencharacter"),
    ("hooks", "prerouting,ingress"),
    ("proto", "256"),
    ("sink", "nflog"),
    ("sink", "nflog:65536"),
    ("sink", "nflog:-1"),
    ("sink", "nflog:1,nflog:2"),
    ("sink", "log,pcap"),
    ("rate", "-1"),
    ("burst", "4294967296"),
    ("priority", "last+1"),
    # Fewer instructions than announced; a jump beyond the end, and no return, which the kernel rejects.
    ("bpf", "2,6 0 0 1"),
    ("bpf", "2,21 9 9 1,6 0 0 1"),
    ("bpf", "1,48 0 0 0"),
]
# Likely mistakes, and the words of the answer that help.
_SLIPS = [
    ("bpf", "tcp port 80", 'is an expression: bpf="$(tcpdump -y RAW -ddd EXPRESSION | tr '),
    ("bpf", "{ 0x28, 0, 0, 0x0000000c },", "as -ddd does"),
    ("bpf", "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0", "compile it with -y RAW"),
    ("bpf", "2,32 0 0 4294963252,22 0 0 0", "reads no byte of the packet"),
    ("port", "70000", "from 0 to 65535"),
    ("port", "!22", "not port 22"),
    ("port", "80:90", "such as 80-90"),
    ("dport", "1024-", "such as 1024-65535"),
    ("host", "!10.0.0.1", "bpf="),
    ("host", "10.0.0.1-10.0.0.9", "prefixes"),
    ("host", "example.org", "not looked up"),
    ("host", "10.0.0.1:80", "see port="),
    ("iface", "eth0:1", "alias"),
    ("iface", "eth*", "+, at the end"),
    ("iface", "any", "give nothing"),
    ("proto", "300", "from 0 to 255"),
    ("proto", "http", "names such as gre"),
    ("sink", "nflog:70000", "from 0 to 65535"),
    ("sink", "nflog", "as in nflog:5"),
    ("sink", "nf_log", "format=nf_log"),
    ("format", "nflog", "sink=nflog:GROUP"),
    ("rate", "4294967296", "from 0 to 4294967295"),
    ("rate", "-1", "from 0 to 4294967295"),
    ("priority", "2147483648", "from -2147483648 to 2147483647"),
    ("netns", "blue", "no names"),
    ("hooks", "ingress", "prerouting,input,"),
]


def test_each_is_described_and_starts_with_its_default() -> None:
    described = dict(line.split(":", 1) for line in run("modinfo", "-F", "parm", str(module.FILE)).splitlines())
    assert set(described) == {*_DEFAULTS, "settings", "counts"}
    with parameters.loaded(""):
        assert {name: parameters.get(name) for name in _DEFAULTS} == _DEFAULTS
        modes = {file.name: file.stat().st_mode & 0o777 for file in parameters.FOLDER.iterdir()}
    assert modes == {**dict.fromkeys((*_DEFAULTS, "settings"), 0o644), "counts": 0o400}


@pytest.mark.every_kernel
@pytest.mark.parametrize("when", ["at load", "at run time"])
def test_each_takes_good_values_and_returns_the_canonical_form(when: str) -> None:
    for name, value, canonical in _GOOD:
        with parameters.loaded(f'{name}="{value.strip()}"' if when == "at load" else ""):
            if when == "at run time":
                parameters.put(name, value)
            assert parameters.get(name) == canonical, name
            parameters.put(name, canonical)
            assert parameters.get(name) == canonical, name


@pytest.mark.every_kernel
@pytest.mark.parametrize("when", ["at load", "at run time"])
def test_it_is_hooked_in_where_its_parameters_say(network: Network, when: str) -> None:
    values = {"hooks": "input,output", "family": "inet", "priority": "raw+5", "netns": "all"}
    with parameters.loaded(" ".join(f"{name}={value}" for name, value in values.items()) if when == "at load" else ""):
        if when == "at run time":
            for name, value in values.items():
                parameters.put(name, value)
                assert module.hooks() == parameters.hooked_in(), name
        everywhere = [f"{family} {hook} -295" for family in ("ip", "ip6") for hook in ("input", "output")]
        assert module.hooks() == module.hooks(network.peer) == parameters.hooked_in() == everywhere
        for name, value in (("family", "ipv6"), ("priority", "-300"), ("hooks", "all"), ("netns", "host")):
            parameters.put(name, value)
            assert module.hooks() == parameters.hooked_in(), name
            assert module.hooks(network.peer) == (module.hooks() if name != "netns" else []), name


def test_a_bad_value_is_refused_whole_in_one_line_that_says_why() -> None:
    active = {name: canonical for name, _, canonical in _GOOD}
    with parameters.loaded(""):
        for name, value in active.items():
            parameters.put(name, value)
        log = kmsg.KernelLog()
        for name, value in _BAD:
            with pytest.raises(OSError, match="Invalid argument"):
                parameters.put(name, value)
            said = [text for _, text in log.read() if text.startswith("nf_tracer: ")]
            assert len(said) == 1, (name, value, said)
            assert said[0].startswith(f"nf_tracer: {name}: "), said
            assert len(said[0]) < 400
            assert said[0].isascii()
            assert said[0].isprintable()
        assert {name: parameters.get(name) for name in active} == active
        log.close()


def test_a_likely_slip_is_answered_with_what_was_meant(log: kmsg.KernelLog) -> None:
    with parameters.loaded(""):
        for name, value, words in _SLIPS:
            log.read()
            with pytest.raises(OSError, match="Invalid argument"):
                parameters.put(name, value)
            (said,) = (text for _, text in log.read() if text.startswith(f"nf_tracer: {name}: '"))
            assert words in said, (name, value, said)


def test_icmp_of_another_family_is_noted_once_whichever_parameter_comes_last(log: kmsg.KernelLog) -> None:

    def noted() -> list[str]:
        return [text.removeprefix("nf_tracer: ")[:12] for level, text in log.read() if level == 5]

    with parameters.loaded("family=inet proto=icmp,tcp"):
        assert noted() == ["proto=icmp i"]
        for name, value, notes in (
            ("rate", "5", []),
            ("proto", "icmp,icmpv6", []),
            ("proto", "icmp", ["proto=icmp i"]),
            ("family", "ipv4", []),
            ("proto", "icmpv6", ["proto=icmpv6"]),
            ("family", "ipv6", []),
            ("family", "ipv4", ["proto=icmpv6"]),
            ("proto", "all", []),
            ("family", "ipv6", []),
        ):
            parameters.put(name, value)
            assert noted() == notes, (name, value)
    with parameters.loaded("proto=icmp"):
        assert noted() == []


def test_an_unknown_parameter_is_ignored_by_the_kernel_with_a_line(log: kmsg.KernelLog) -> None:
    with parameters.loaded("hook=forward"):
        assert parameters.get("hooks") == _DEFAULTS["hooks"]
    assert "nf_tracer: unknown parameter 'hook' ignored" in [text for _, text in log.read()]


def test_a_bad_value_fails_the_load_and_leaves_nothing() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        module.load("rate=0 port=90-80")
    assert not module.is_loaded()
    assert module.hooks() == []


def _write(values: list[tuple[str, str]], end: float, written: multiprocessing.Queue) -> None:
    """Writes good values, each at least once, and before each of them many bad ones, which wait for no grace period."""
    number = refused = 0
    while time.monotonic() < end or number < len(values):
        name, value = values[number % len(values)]
        for wrong in ("x" * 4000, b"\xff\xfe", "\u00e9") * 7:
            with pytest.raises(OSError, match="Invalid argument"):
                parameters.put(name, wrong)
            refused += 1
        parameters.put(name, value)
        number += 1
    written.put((number, refused))


def _hooks_everywhere() -> str:
    """Returns nft chains that do nothing, at every point.

    The first hook of a point, and the end of the last one, patch the kernel's code. That takes
    milliseconds under emulation, and thousands of times are more than QEMU's threads bear.
    """
    chains = (f"chain {hook} {{\ntype filter hook {hook} priority filter\n}}\n" for hook in HOOKS)
    return f"table inet everywhere {{\n{''.join(chains)}}}\n"


@pytest.mark.every_kernel
def test_writes_from_several_processes_under_traffic_lose_no_packet(network: Network) -> None:
    sets = [
        [("port", "1-60000"), ("port", "0-65535"), ("host", "10.0.0.0/8"), ("host", "")],
        [("bpf", "1,6 0 0 1"), ("bpf", ""), ("iface", "veth+"), ("iface", "")],
        [("hooks", "all"), ("hooks", "prerouting,output"), ("family", "inet"), ("family", "ipv4")],
        [("netns", "all"), ("netns", "host"), ("rate", "1"), ("rate", "0")],
    ]
    with rules(_hooks_everywhere()), parameters.loaded("rate=10 burst=10"), steady_traffic(network):
        end = time.monotonic() + patience(_WRITING)
        written: multiprocessing.Queue = multiprocessing.Queue()
        writers = [multiprocessing.Process(target=_write, args=(values, end, written)) for values in sets]
        for writer in writers:
            writer.start()
        seen = []
        while time.monotonic() < end:
            # Each reading checks that the counts add up.
            seen.append(parameters.total().seen)
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0] * len(writers)
        writes = [written.get() for _ in writers]
        print("writes, and refused ones:", *writes)
        assert seen == sorted(seen)
        assert seen[-1] > seen[0]


@pytest.mark.every_kernel
def test_a_packet_that_stays_selected_is_neither_lost_nor_doubled_by_changes(network: Network) -> None:
    with parameters.loaded("proto=icmp rate=0 hooks=prerouting"):
        pings = subprocess.Popen(["ping", "-q", "-i", "0.002", "-c", "1000", network.peer_address], stdout=-3)
        while pings.poll() is None:
            for name, value in (
                ("hooks", "all"),
                ("netns", "all"),
                ("host", f"{network.peer_address}/24"),
                ("bpf", parameters.bpf("icmp")),
                ("hooks", "prerouting"),
                ("netns", "host"),
                ("host", ""),
                ("bpf", ""),
                ("family", "inet"),
                ("family", "ipv4"),
            ):
                parameters.put(name, value)
        point = parameters.counts()["prerouting ipv4"]
    # The peer's namespace sees the requests while it is traced, too.
    assert point.not_matched == 0
    assert point.emitted >= 1000


def test_the_counts_may_be_open_across_rmmod() -> None:
    module.load()
    with (parameters.FOLDER / "counts").open() as file:
        ping("127.0.0.1")
        module.unload()
        with pytest.raises(OSError, match="No such device"):
            file.read()


def test_replies_of_the_peer_are_seen_once_each(network: Network) -> None:
    with parameters.loaded("proto=icmp rate=0 hooks=prerouting"):
        pings = subprocess.Popen(["ping", "-q", "-i", "0.002", "-c", "1000", network.peer_address], stdout=-3)
        while pings.poll() is None:
            for name, value in (("hooks", "all"), ("host", "0.0.0.0/0"), ("hooks", "prerouting"), ("host", "")):
                parameters.put(name, value)
        assert parameters.counts()["prerouting ipv4"].emitted == 1000
