# SPDX-License-Identifier: GPL-2.0
"""Every verdict of src/netfilter, by tests/modules and the kernel's own counters."""

import contextlib
import errno
import os
import re
import socket
from collections.abc import Iterator

import pytest

from support.hook_modules import counted, drop_reasons, loaded, ping, rules
from support.hooked_device import arp_is_answered, hooked_device
from support.netns import ip, run
from support.network import Network
from support.nfqueue import Queue, Verdict, counters
from vm.pace import patience

PORT = 8081


@contextlib.contextmanager
def listener(address: str, family: int = socket.AF_INET) -> Iterator[None]:
    """Listens on PORT."""
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, PORT))
        server.listen()
        yield


def connect(address: str, family: int = socket.AF_INET) -> int:
    """Connects to PORT; returns the error number, or 0."""
    with socket.socket(family) as client:
        client.settimeout(patience(5))
        return client.connect_ex((address, PORT))


@pytest.mark.usefixtures("network")
def test_drop_gives_the_reason_to_the_tracepoint_and_the_error_to_the_sender() -> None:
    with listener("127.0.0.1"):
        assert connect("127.0.0.1") == 0
        with loaded("port_blocker", port=PORT), drop_reasons() as reasons:
            assert connect("127.0.0.1") == errno.ECONNREFUSED
        assert connect("127.0.0.1") == 0
    assert reasons.count("SOCKET_FILTER") == 1


@pytest.mark.every_kernel
@pytest.mark.usefixtures("network")
def test_one_handler_serves_both_ip_families() -> None:
    run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0")
    with listener("::1", socket.AF_INET6):
        assert connect("::1", socket.AF_INET6) == 0
        with loaded("port_blocker", port=PORT):
            assert connect("::1", socket.AF_INET6) == errno.ECONNREFUSED
    run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=1")


@pytest.mark.usefixtures("network")
# 529 is the kernel's EIOCBQUEUED, of which sock_sendmsg() makes a BUG().
@pytest.mark.parametrize(
    ("error", "expected"), [(0, errno.EPERM), (errno.ENETDOWN, errno.ENETDOWN), (529, errno.EPERM)]
)
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
    # The first segment, and TCP's retransmission a second later.
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


@pytest.mark.every_kernel
@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("times", "answers"), [(17, 3), (18, 0)])
def test_repeat_is_bounded_and_then_drops(times: int, answers: int) -> None:
    with loaded("repeater", times=times):
        assert ping("127.0.0.1", wait=0.3)[0] == answers


@pytest.mark.every_kernel
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


@pytest.mark.every_kernel
@pytest.mark.usefixtures("network")
def test_stop_skips_the_remaining_hooks() -> None:
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


def udp_pair() -> tuple[socket.socket, socket.socket]:
    """Returns a sender, and the receiver that it is connected to."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(patience(1))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    return sender, receiver


@pytest.mark.every_kernel
@pytest.mark.usefixtures("network")
def test_queued_packets_reach_user_space_which_decides() -> None:
    run("modprobe", "nfnetlink_queue")
    sender, receiver = udp_pair()
    queue = Queue(7)
    with sender, receiver, contextlib.closing(queue), loaded("queue_diverter", queue=7):
        for text, verdict in ((b"pass", Verdict.ACCEPT), (b"stay", Verdict.DROP), (b"last", Verdict.ACCEPT)):
            sender.send(text)
            packet, payload = queue.take()
            assert payload.endswith(text)
            queue.answer(packet, verdict)
        assert [receiver.recv(10), receiver.recv(10)] == [b"pass", b"last"]
        # port id, waiting, copy mode, copy range, dropped, dropped by user, last id, 1
        table = counters(7)
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


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("answer", ["accept", "hold", "queue", "stop"])
def test_where_nothing_goes_on_behind_the_hooks_the_packet_is_given_back(answer: str) -> None:
    run("modprobe", "nfnetlink_queue")
    number = ["accept", "hold", "queue", "stop"].index(answer)
    # A packet held at ARP's hooks is released by the next one.
    asked = 2 if answer == "hold" else 1
    queue = Queue(7)
    with hooked_device(), contextlib.closing(queue), loaded("device_user", answer=number) as module:
        assert ping("10.78.0.1", netns="other", size=57)[0] == 3
        assert [arp_is_answered() for _ in range(asked)][-1]
        module.unload()
        lines = module.lines()
    counts = {line.partition(":")[0]: [int(n) for n in re.findall(r"\d+", line)] for line in lines if "taken" in line}
    assert counts.pop("arp_forward") == [0, 0, 0]
    assert set(counts) == {"ingress", "egress", "arp"}
    for point, (answered, given_back, taken) in counts.items():
        assert taken == 0
        # The stack continues behind ARP's hooks, but nf_queue does not reinject there.
        if point == "arp" and answer in ("hold", "stop"):
            assert (answered >= 2, given_back) == (True, 0)
        else:
            assert (answered, given_back >= 2) == (0, True)


@pytest.mark.usefixtures("network")
def test_a_program_at_a_device_sees_the_packet_from_the_network_header_on() -> None:
    with hooked_device(), loaded("device_user") as module:
        # Received with another length and with the one that the program drops, and then sent.
        assert ping("10.78.0.1", netns="other", size=57)[0] == 3
        assert ping("10.78.0.1", netns="other", wait=0.3)[0] == 0
        assert ping("10.78.0.2", wait=0.3)[0] == 0
        module.unload()
        lines = module.lines()
    taken = dict(re.findall(r"(\w+): .* taken (\d+)", "\n".join(lines)))
    assert (taken["ingress"], taken["arp"]) == ("3", "0")
    # ping tries again where its packet is refused at once.
    assert int(taken["egress"]) >= 3


@pytest.mark.parametrize("stopped", [False, True])
def test_a_sender_is_told_what_becomes_of_its_packet_after_stop(network: Network, stopped: bool) -> None:
    text = """table ip t {
        chain c { type filter hook postrouting priority 0; udp dport 7 drop; udp dport 8 counter accept; }
        }"""
    # So that the sender is told of all errors.
    ip_recverr = 11
    # The device has no room and drops everything, which it reports as congestion.
    ip("link add full0 type dummy\nlink set full0 up\naddr add 10.81.0.1/24 dev full0")
    run("tc", "qdisc", "add", "dev", "full0", "root", "pfifo", "limit", "0")
    stop = loaded("stopper", output=1) if stopped else contextlib.nullcontext()
    told = []
    with rules(text), stop:
        for address, port in ((network.peer_address, 7), (network.peer_address, 8), ("10.81.0.2", 9)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.IPPROTO_IP, ip_recverr, 1)
                try:
                    sock.sendto(b"x", (address, port))
                    told.append(0)
                except OSError as error:
                    told.append(error.errno)
    run("ip", "link", "del", "full0")
    assert told == [errno.EPERM, 0, errno.ENOBUFS]
