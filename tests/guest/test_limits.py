# SPDX-License-Identifier: GPL-2.0
"""Namespaces, the limit on lines, and the counts that have to add up."""

import contextlib
import re
import socket
import subprocess
import time
from pathlib import Path

import kmsg
import module
import parameters
import pytest
from conftest import Network
from hookmod import counted, ping, rules
from netns import bring_up_loopback, inside, inside_new
from pace import patience

_NAMESPACES = 300


def _send(number: int, address: str = "127.0.0.1") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(number):
            sock.sendto(b"x", (address, 9))


@pytest.mark.parametrize(("form", "mark"), [("classic", " | udp | "), ("nf_log", " PROTO=UDP ")])
def test_no_more_lines_are_printed_than_the_bucket_holds(form: str, mark: str) -> None:
    log = kmsg.KernelLog()
    with parameters.loaded(f"proto=udp hooks=output rate=10 burst=50 format={form}"):
        start = time.monotonic()
        while time.monotonic() < start + patience(3):
            _send(100)
        took = time.monotonic() - start
        counts = parameters.counts()["output ipv4"]
    texts = [text for _, text in log.read()]
    log.close()
    lines = [text for text in texts if mark in text]
    told = [int(match[1]) for text in texts if (match := re.fullmatch(r"nf_tracer: (\d+) lines suppressed", text))]
    assert 50 + 10 * (took - 1) <= len(lines) <= 50 + 10 * (took + 1)
    assert counts.emitted == len(lines)
    # The others are the ICMP errors that the datagrams lead to.
    assert counts.suppressed > 1000
    assert 2 <= len(told) <= took + 2
    assert sum(told) <= counts.suppressed


def test_the_counts_are_those_of_nft_whatever_becomes_of_the_packets() -> None:
    hooks = ("prerouting", "input", "output", "postrouting")
    chains = "".join(
        f"counter {hook} {{\n}}\nchain {hook} {{\ntype filter hook {hook} priority filter\ncounter name {hook}\n}}\n"
        for hook in hooks
    )
    with rules(f"table ip t {{\n{chains}}}"), parameters.loaded("proto=udp,icmp port=9 hooks=all rate=20 burst=5"):
        _send(500)
        ping("127.0.0.1")
        time.sleep(0.2)
        counts = parameters.counts()
        theirs = counted()
    assert {hook: counts[f"{hook} ipv4"].seen for hook in hooks} == {hook: theirs[f"ip {hook}"] for hook in hooks}
    assert all(counts[f"{hook} ipv4"].suppressed > 0 for hook in hooks)
    assert all(counts[f"{hook} ipv4"].not_matched > 0 for hook in hooks)


def test_every_namespace_is_covered_while_hundreds_come_and_go(network: Network) -> None:
    log = kmsg.KernelLog()
    inodes = set()
    with parameters.loaded("proto=udp hooks=output rate=0 netns=all format=full"):
        for number in range(_NAMESPACES):
            with inside_new():
                inodes.add(Path("/proc/thread-self/ns/net").stat().st_ino)
                bring_up_loopback()
                _send(number % 5 + 1)
        with inside(network.peer):
            inodes.add(Path("/proc/thread-self/ns/net").stat().st_ino)
            bring_up_loopback()
            _send(7)
        emitted = parameters.counts()["output ipv4"].emitted
    found: dict[int, int] = {}
    for _, text in log.read():
        if match := re.search(r"hook=output .*netns=(\d+) .*dst=127.0.0.1 ", text):
            found[int(match[1])] = found.get(int(match[1]), 0) + 1
    log.close()
    sent = sum(number % 5 + 1 for number in range(_NAMESPACES)) + 7
    assert emitted == sum(found.values()) == sent
    # A number may be used again by a later namespace.
    assert set(found) == inodes
    assert not module.is_loaded()


def test_without_netns_all_other_namespaces_are_left_alone(network: Network) -> None:
    with parameters.loaded("proto=udp hooks=output rate=0"):
        with inside(network.peer):
            _send(5)
        assert parameters.counts() == {}
        parameters.put("netns", "all")
        with inside(network.peer):
            _send(5)
        parameters.put("netns", "host")
        with inside(network.peer):
            _send(5)
        assert parameters.counts()["output ipv4"].emitted == 5


def test_loading_warns_of_a_serial_console_that_would_take_the_lines() -> None:
    consoles = Path("/proc/consoles").read_text()
    assert consoles.startswith("ttyS0 "), consoles
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
    """rsyslog on the host, which ships the kernel's log over UDP to the peer."""
    config = folder / "rsyslog.conf"
    config.write_text(
        f'module(load="imklog")\n*.* action(type="omfwd" target="{network.peer_address}" port="514" protocol="udp")\n'
    )
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
        _send(1, network.peer_address)
        time.sleep(5)
        counts = parameters.counts()["output ipv4"]
    # Each line that is shipped makes a packet, which makes a line: without a limit for ever.
    assert 100 < counts.emitted <= 100 + 100 * (time.monotonic() - start + 1)
    assert counts.seen < 5000
