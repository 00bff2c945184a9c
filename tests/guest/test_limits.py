# SPDX-License-Identifier: GPL-2.0
"""Namespaces, the limit on lines, and the counts that have to add up."""

import contextlib
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from support import kmsg, module, parameters
from support.hook_modules import counted, ping, rules
from support.netns import bring_up_loopback, inside, inside_new
from support.network import Network
from support.nft import counting_chain
from support.traffic import send_datagrams
from vm.pace import patience

_NAMESPACES = 300


@pytest.mark.parametrize(("form", "mark"), [("classic", " | udp | "), ("nf_log", " PROTO=UDP ")])
def test_no_more_lines_are_printed_than_the_bucket_holds(form: str, mark: str, log: kmsg.KernelLog) -> None:
    with parameters.loaded(f"proto=udp hooks=output rate=10 burst=50 format={form}"):
        start = time.monotonic()
        while time.monotonic() < start + patience(3):
            send_datagrams(100)
        took = time.monotonic() - start
        counts = parameters.counts()["output ipv4"]
    records = log.read()
    lines = [text for _, text in records if mark in text]
    told = kmsg.suppressed(records)
    assert 50 + 10 * (took - 1) <= len(lines) <= 50 + 10 * (took + 1)
    assert counts.emitted == len(lines)
    # The other lines are of ICMP errors.
    assert counts.suppressed > 1000
    assert 2 <= len(told) <= took + 2
    assert sum(told) == counts.suppressed


def test_after_a_burst_all_suppressed_lines_are_reported_though_nothing_follows(log: kmsg.KernelLog) -> None:
    with parameters.loaded("proto=udp hooks=output rate=1 burst=1"):
        for number in (2000, 1):
            # Long enough for a new token, for the first packet.
            time.sleep(2)
            log.read()
            before = parameters.counts().get("output ipv4", kmsg.Summary()).suppressed
            send_datagrams(number + 1)
            suppressed = parameters.counts()["output ipv4"].suppressed - before
            told: list[int] = []
            end = time.monotonic() + 30
            while sum(told) < suppressed and time.monotonic() < end:
                time.sleep(0.1)
                told += kmsg.suppressed(log.read())
            assert sum(told) == suppressed
            assert number > 1 or told == [1]


def test_a_rate_that_is_raised_holds_at_once() -> None:
    with parameters.loaded("proto=udp hooks=output rate=1 burst=200"):
        send_datagrams(300)
        parameters.put("rate", "1000")
        before = parameters.counts()["output ipv4"]
        assert before.suppressed > 0
        for _ in range(3):
            time.sleep(1)
            send_datagrams(10)
        assert parameters.counts()["output ipv4"].suppressed == before.suppressed


def test_a_rate_that_is_lowered_in_a_flood_lets_no_burst_through() -> None:
    with parameters.loaded("proto=udp hooks=output rate=100 burst=1000"):
        while parameters.total().suppressed < 100:
            send_datagrams(500)
        parameters.put("rate", "1")
        before = parameters.counts()["output ipv4"].emitted
        send_datagrams(500)
        # By the time alone there would be 990 new tokens.
        assert parameters.counts()["output ipv4"].emitted - before < 250


def test_the_burst_follows_the_rate_unless_it_is_given() -> None:
    with parameters.loaded("proto=udp hooks=output rate=10"):
        assert parameters.get("burst") == "20"
        start = time.monotonic()
        send_datagrams(1000)
        took = time.monotonic() - start
        assert 20 <= parameters.counts()["output ipv4"].emitted <= 20 + 10 * (took + 1)
        for name, value, burst in (
            ("rate", "1000", "2000"),
            ("burst", "7", "7"),
            ("rate", "10", "7"),
            ("burst", "auto", "20"),
            ("rate", "4294967295", "4294967295"),
        ):
            parameters.put(name, value)
            assert parameters.get("burst") == burst, (name, value)


def test_a_flood_in_a_namespace_suppresses_no_line_of_the_hosts(network: Network, log: kmsg.KernelLog) -> None:
    host = Path("/proc/thread-self/ns/net").stat().st_ino
    with parameters.loaded("proto=udp dst=127.0.0.1 hooks=output rate=1 burst=10 netns=all format=full"):
        with inside(network.peer):
            bring_up_loopback()
            send_datagrams(1000)
        send_datagrams(5)
        suppressed = parameters.counts()["output ipv4"].suppressed
    lines = [text for _, text in log.read() if "hook=output" in text]
    assert suppressed > 500
    assert len([text for text in lines if f" netns={host} " in text]) == 5
    # Containers have a limit, too.
    assert 10 <= len(lines) - 5 < 100


def test_the_counts_are_those_of_nft_whatever_becomes_of_the_packets() -> None:
    hooks = ("prerouting", "input", "output", "postrouting")
    chains = "".join(map(counting_chain, hooks))
    with rules(f"table ip t {{\n{chains}}}"), parameters.loaded("proto=udp,icmp port=9 hooks=all rate=20 burst=5"):
        send_datagrams(500)
        ping("127.0.0.1")
        time.sleep(0.2)
        counts = parameters.counts()
        theirs = counted()
    assert {hook: counts[f"{hook} ipv4"].seen for hook in hooks} == {hook: theirs[f"ip {hook}"] for hook in hooks}
    assert all(counts[f"{hook} ipv4"].suppressed > 0 for hook in hooks)
    assert all(counts[f"{hook} ipv4"].not_matched > 0 for hook in hooks)


@pytest.mark.every_kernel
def test_every_namespace_is_covered_while_hundreds_come_and_go(network: Network, log: kmsg.KernelLog) -> None:
    inodes = set()
    with parameters.loaded("proto=udp hooks=output rate=0 netns=all format=full"):
        for number in range(_NAMESPACES):
            with inside_new():
                inodes.add(Path("/proc/thread-self/ns/net").stat().st_ino)
                bring_up_loopback()
                send_datagrams(number % 5 + 1)
        with inside(network.peer):
            inodes.add(Path("/proc/thread-self/ns/net").stat().st_ino)
            bring_up_loopback()
            send_datagrams(7)
        emitted = parameters.counts()["output ipv4"].emitted
    found: dict[int, int] = {}
    for _, text in log.read():
        if match := re.search(r"hook=output .*netns=(\d+) .*dst=127.0.0.1 ", text):
            found[int(match[1])] = found.get(int(match[1]), 0) + 1
    sent = sum(number % 5 + 1 for number in range(_NAMESPACES)) + 7
    assert emitted == sum(found.values()) == sent
    # An inode number may be reused by a later namespace.
    assert set(found) == inodes
    assert not module.is_loaded()


def test_without_netns_all_other_namespaces_are_left_alone(network: Network) -> None:
    with parameters.loaded("proto=udp hooks=output rate=0"):
        with inside(network.peer):
            send_datagrams(5)
        assert parameters.counts() == {}
        parameters.put("netns", "all")
        with inside(network.peer):
            send_datagrams(5)
        parameters.put("netns", "host")
        with inside(network.peer):
            send_datagrams(5)
        assert parameters.counts()["output ipv4"].emitted == 5


def test_loading_warns_of_a_serial_console_that_would_take_the_lines() -> None:
    consoles = Path("/proc/consoles").read_text()
    assert consoles.startswith(("ttyS0 ", "ttyAMA0 ")), consoles
    levels = Path("/proc/sys/kernel/printk")
    before = levels.read_text().split()[0]
    for sink, level, warnings in (("log", "6", 0), ("log,trace", "7", 1), ("trace,nflog:1", "7", 0)):
        log = kmsg.KernelLog()
        levels.write_text(level)
        try:
            with parameters.loaded(f"sink={sink}"):
                pass
        finally:
            levels.write_text(before)
        found = [text for number, text in log.read() if "serial console" in text and number == 4]
        log.close()
        assert len(found) == warnings, (sink, level, found)


@contextlib.contextmanager
def _remote_syslog(network: Network, folder: Path) -> object:
    """Runs rsyslog on the host, which sends the kernel's log over UDP to the peer."""
    config = folder / "rsyslog.conf"
    config.write_text(
        f'module(load="imklog")\n*.* action(type="omfwd" target="{network.peer_address}" port="514" protocol="udp")\n'
    )
    # It must send only new lines, not those of earlier tests.
    left = os.open("/proc/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while os.read(left, 1 << 16):
            pass
    os.close(left)
    daemon = subprocess.Popen(["rsyslogd", "-n", "-f", str(config), "-i", str(folder / "pid")])
    time.sleep(patience(3))
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait()


def test_its_own_echo_by_remote_syslog_stays_bounded(network: Network, tmp_path: Path) -> None:
    with _remote_syslog(network, tmp_path), parameters.loaded("proto=udp hooks=output rate=100 burst=100"):
        start = time.monotonic()
        send_datagrams(1, network.peer_address)
        time.sleep(5)
        counts = parameters.counts()["output ipv4"]
    # Each line sent makes a packet, which makes a line: without a limit, for ever.
    assert 100 < counts.emitted <= 100 + 100 * (time.monotonic() - start + 1)
    assert counts.seen < 5000
