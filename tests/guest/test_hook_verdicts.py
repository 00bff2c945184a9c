# SPDX-License-Identifier: GPL-2.0
"""Every verdict of src/netfilter, by the small modules of tests/modules and the kernel's own counters."""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import nfqueue
import pytest
from conftest import Network
from hookmod import counted, loaded, ping, rules
from netns import run
from pace import patience

PORT = 8081
TRACING = Path("/sys/kernel/tracing")


@contextlib.contextmanager
def listener(address: str, family: int = socket.AF_INET) -> Iterator[None]:
    """A TCP socket that listens on PORT."""
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, PORT))
        server.listen()
        yield


def connect(address: str, family: int = socket.AF_INET) -> int:
    """Connects to PORT; gives the error number, 0 for none."""
    with socket.socket(family) as client:
        client.settimeout(patience(5))
        return client.connect_ex((address, PORT))


@contextlib.contextmanager
def drop_reasons() -> Iterator[list[str]]:
    """Collects the reasons of dropped packets, by the tracepoint skb:kfree_skb."""
    if not (TRACING / "events").exists():
        run("mount", "-t", "tracefs", "none", str(TRACING))
    enable = TRACING / "events/skb/kfree_skb/enable"
    (TRACING / "trace").write_text("")
    enable.write_text("1")
    reasons: list[str] = []
    try:
        yield reasons
    finally:
        enable.write_text("0")
        lines = (TRACING / "trace").read_text().splitlines()
        reasons += [line.rpartition("reason: ")[2] for line in lines if "reason: " in line]


@pytest.mark.usefixtures("network")
def test_drop_gives_the_reason_to_the_tracepoint_and_the_error_to_the_sender() -> None:
    with listener("127.0.0.1"):
        assert connect("127.0.0.1") == 0
        with loaded("port_blocker", port=PORT), drop_reasons() as reasons:
            assert connect("127.0.0.1") == errno.ECONNREFUSED
        assert connect("127.0.0.1") == 0
    assert reasons.count("SOCKET_FILTER") == 1


@pytest.mark.usefixtures("network")
def test_one_handler_serves_both_ip_families() -> None:
    run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0")
    with listener("::1", socket.AF_INET6):
        assert connect("::1", socket.AF_INET6) == 0
        with loaded("port_blocker", port=PORT):
            assert connect("::1", socket.AF_INET6) == errno.ECONNREFUSED
    run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=1")


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("error", "expected"), [(0, errno.EPERM), (errno.ENETDOWN, errno.ENETDOWN)])
def test_a_drop_is_eperm_for_a_local_sender_or_the_error_that_is_given(error: int, expected: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, loaded("port_blocker", port=PORT, error=error):
        with drop_reasons() as reasons, pytest.raises(OSError, match=os.strerror(expected)):
            client.sendto(b"x", ("127.0.0.1", PORT))
        client.sendto(b"x", ("127.0.0.1", PORT + 1))
    assert reasons.count("NETFILTER_DROP") == 1


def test_what_comes_from_outside_is_dropped_at_the_port_only(network: Network) -> None:
    with listener(network.address), loaded("port_blocker", port=PORT), drop_reasons() as reasons:
        command = f"curl -s --connect-timeout 1.5 http://{network.address}:{PORT}/ || true"
        run("sh", "-c", command, netns=network.peer)
        assert ping(network.address, netns=network.peer)[0] == 3
    # The first segment, and what TCP sends again a second later.
    assert reasons.count("SOCKET_FILTER") == 2


@pytest.mark.usefixtures("network")
def test_repeat_calls_the_handler_again_with_the_same_packet() -> None:
    text = """table ip t {
        counter again {}
        counter each {}
        chain c { type filter hook input priority 0;
            ip protocol icmp counter name each
            ip protocol icmp meta mark 3 counter name again
        }
        }"""
    with rules(text), loaded("repeater", times=3):
        assert ping("127.0.0.1")[0] == 3
        assert counted() == {"ip again": 6, "ip each": 6}


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("times", "answers"), [(17, 3), (18, 0)])
def test_repeat_is_bounded_and_then_drops(times: int, answers: int) -> None:
    with loaded("repeater", times=times):
        assert ping("127.0.0.1", wait=0.3)[0] == answers


@pytest.mark.usefixtures("network")
def test_what_is_repeated_too_often_is_eloop_for_a_local_sender() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sender:
        echo = bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0])
        with (
            loaded("repeater", times=100, output=1),
            drop_reasons() as reasons,
            pytest.raises(OSError, match=os.strerror(errno.ELOOP)),
        ):
            sender.sendto(echo, ("127.0.0.1", 0))
        sender.sendto(echo, ("127.0.0.1", 0))
    assert reasons.count("NETFILTER_DROP") == 1


@pytest.mark.usefixtures("network")
def test_stop_passes_the_hooks_that_are_left() -> None:
    text = """table ip t {
        counter seen {}
        chain c { type filter hook input priority 0;
            ip protocol icmp counter name seen drop
        }
        }"""
    with rules(text):
        assert ping("127.0.0.1", wait=0.3)[0] == 0
        seen = counted()["ip seen"]
        assert seen == 3
        with loaded("stopper"):
            assert ping("127.0.0.1")[0] == 3
        assert counted()["ip seen"] == seen
        assert ping("127.0.0.1", wait=0.3)[0] == 0


@pytest.mark.usefixtures("network")
def test_a_stolen_packet_goes_on_later_from_another_context() -> None:
    count, times = ping("127.0.0.1")
    assert count == 3
    assert max(times) < 100
    with loaded("delayer", delay=100):
        count, times = ping("127.0.0.1")
    # There and back again.
    assert count == 3
    assert min(times) >= 200


@pytest.mark.usefixtures("network")
def test_packets_that_are_held_when_the_module_goes_are_not_lost() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sender:
        with loaded("delayer", delay=60000) as module:
            for number in range(50):
                # An echo reply that nobody has asked for, so that nobody answers.
                sender.sendto(bytes([0, 0, 0xFF - number, 0xFF, 0, 0, number, 0]), ("127.0.0.1", 0))
            time.sleep(0.2)
            sender.settimeout(0.1)
            with pytest.raises(TimeoutError):
                sender.recv(100)
            module.unload()
        sender.settimeout(patience(2))
        received = [sender.recv(100)[26] for _ in range(50)]
    assert received == list(range(50))


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("lose", "reason"), [(1, "NETFILTER_DROP"), (2, "SOCKET_FILTER")])
def test_an_owned_packet_that_is_dropped_is_freed_with_a_reason(lose: int, reason: str) -> None:
    with loaded("delayer", delay=10, lose=lose), drop_reasons() as reasons:
        assert ping("127.0.0.1", wait=0.3)[0] == 0
    assert reasons.count(reason) == 3


@pytest.mark.usefixtures("network")
def test_packets_that_are_held_keep_their_device() -> None:
    run("ip", "link", "add", "held0", "type", "veth", "peer", "name", "held1")
    for command in ("link set held0 up", "link set held1 up", "addr add 10.79.0.1/24 dev held0"):
        run("ip", *command.split())
    run("ip", "neigh", "add", "10.79.0.2", "lladdr", "02:00:00:00:00:79", "dev", "held0")
    with loaded("delayer", delay=2000), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sender:
        sender.sendto(bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0]), ("10.79.0.2", 0))
        start = time.monotonic()
        # Waits until the packet is on its way.
        run("ip", "link", "del", "held0")
        assert time.monotonic() - start > 1


def udp_pair() -> tuple[socket.socket, socket.socket]:
    """A sender, and a receiver that it is connected to."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(patience(1))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    return sender, receiver


@pytest.mark.usefixtures("network")
def test_queued_packets_reach_user_space_which_decides() -> None:
    run("modprobe", "nfnetlink_queue")
    sender, receiver = udp_pair()
    queue = nfqueue.Queue(7)
    with sender, receiver, contextlib.closing(queue), loaded("queue_diverter", queue=7):
        for text, verdict in ((b"pass", nfqueue.ACCEPT), (b"stay", nfqueue.DROP), (b"last", nfqueue.ACCEPT)):
            sender.send(text)
            packet, payload = queue.take()
            assert payload.endswith(text)
            queue.answer(packet, verdict)
        assert [receiver.recv(10), receiver.recv(10)] == [b"pass", b"last"]
        # port id, waiting, copy mode, copy range, dropped, dropped by user, last id, 1
        table = nfqueue.counters(7)
    assert table
    assert (table[1], table[4], table[5], table[6]) == (0, 0, 0, 3)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("bypass", [0, 1])
def test_a_queue_that_nobody_listens_to_drops_or_is_bypassed(bypass: int) -> None:
    sender, receiver = udp_pair()
    with sender, receiver, loaded("queue_diverter", queue=9, bypass=bypass):
        with contextlib.suppress(OSError):
            sender.send(b"x")
        if bypass:
            assert receiver.recv(10) == b"x"
        else:
            with pytest.raises(TimeoutError):
                receiver.recv(10)
