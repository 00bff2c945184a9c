# SPDX-License-Identifier: GPL-2.0
"""Packets that outlive the handler's call: what they pin, and what they must not hold up."""

import contextlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hook_modules import drop_reasons, loaded, ping, rules
from support.kernel import FORWARD, INPUT, OUTPUT, POSTROUTING, PREROUTING
from support.netns import inside, ip, run
from support.network import Network
from support.waiting import wait_until
from vm.pace import patience

_ICMP, _UDP = socket.IPPROTO_ICMP, socket.IPPROTO_UDP
# So long that no held packet is released by time.
_LONG = 600_000
# An unsolicited echo reply, which nobody answers.
_REPLY = bytes([0, 0, 0xFF, 0xFF, 0, 0, 0, 0])


def udp_pair(network: Network) -> tuple[socket.socket, socket.socket]:
    """Returns a sender in the peer, and a receiver connected to it, which early demux finds."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inside(network.peer):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((network.address, 0))
    sender.bind((network.peer_address, 0))
    receiver.settimeout(patience(2))
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    receiver.connect(sender.getsockname())
    sender.connect(receiver.getsockname())
    return sender, receiver


@pytest.mark.every_kernel
@pytest.mark.usefixtures("network")
def test_a_stolen_packet_goes_on_later_from_another_context() -> None:
    count, times = ping("127.0.0.1")
    assert count == 3
    assert min(times) < 100
    with loaded("delayer", delay=100):
        count, times = ping("127.0.0.1")
    # The request and the reply are held.
    assert count == 3
    assert min(times) >= 200


@pytest.mark.parametrize("hook", [PREROUTING, INPUT, OUTPUT, POSTROUTING])
def test_a_packet_may_be_held_at_any_point(network: Network, hook: int) -> None:
    with loaded("delayer", hook=hook, delay=50, everywhere=1):
        count, times = ping(network.peer_address)
    assert count == 3
    # Both ends hold request and reply, but ping's time ends when the reply arrives at the device.
    assert min(times) >= (50 if hook in (PREROUTING, INPUT) else 100)


@pytest.mark.every_kernel
@pytest.mark.parametrize("protocol", [_ICMP, _UDP])
def test_packets_that_are_held_when_the_module_goes_are_not_lost_and_stay_in_order(
    network: Network, protocol: int
) -> None:
    sender, receiver = udp_pair(network)
    with sender, receiver, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        receiving = receiver if protocol == _UDP else raw
        with loaded("delayer", delay=_LONG, protocol=protocol, hook=INPUT) as module:
            for number in range(50):
                if protocol == _UDP:
                    sender.send(bytes([number]))
                else:
                    raw.sendto(bytes([0, 0, 0xFF - number, 0xFF, 0, 0, number, 0]), ("127.0.0.1", 0))
            receiving.settimeout(0.3)
            with pytest.raises(TimeoutError):
                receiving.recv(100)
            module.unload()
        receiving.settimeout(patience(2))
        received = [receiving.recv(100) for _ in range(50)]
    assert [packet[0 if protocol == _UDP else 26] for packet in received] == list(range(50))


def test_what_finds_no_room_passes_as_it_was(network: Network) -> None:
    sender, receiver = udp_pair(network)
    with sender, receiver:
        # Early demux has found the packets' socket, and their route has no reference.
        with loaded("delayer", delay=_LONG, protocol=_UDP, hook=INPUT) as module:
            for number in range(300):
                sender.send(number.to_bytes(2))
            passed = [int.from_bytes(receiver.recv(2)) for _ in range(300 - 256)]
            module.unload()
        held = [int.from_bytes(receiver.recv(2)) for _ in range(256)]
    assert passed == list(range(256, 300))
    assert held == list(range(256))


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("lose", "reason"), [(1, "NETFILTER_DROP"), (2, "SOCKET_FILTER")])
def test_a_held_packet_is_freed_with_the_owners_reason(lose: int, reason: str) -> None:
    with loaded("delayer", delay=10, lose=lose), drop_reasons() as reasons:
        assert ping("127.0.0.1", wait=0.3)[0] == 0
    assert reasons.count(reason) == 3


@contextlib.contextmanager
def veth(peer: str | None = None) -> Iterator[None]:
    """Makes the pair held0 and held1; the latter is in the namespace `peer`, or has no address."""
    in_peer = f"netns {peer}" if peer else ""
    ip(
        f"""link add held0 type veth peer name held1 {in_peer}
        link set held0 up
        addr add 10.79.0.1/24 dev held0
        neigh add 10.79.0.2 lladdr 02:00:00:00:00:79 dev held0"""
    )
    ip("link set held1 address 02:00:00:00:00:79 up", netns=peer)
    if peer:
        ip("addr add 10.79.0.2/24 dev held1", netns=peer)
    try:
        yield
    finally:
        if Path("/sys/class/net/held0").exists():
            run("ip", "link", "del", "held0")


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("command", ["link del held0", "link set held0 down", "link set held0 netns peer"])
def test_packets_that_are_held_go_with_their_device_which_does_not_wait(command: str) -> None:
    with (
        veth(),
        loaded("delayer", delay=_LONG),
        socket.socket(socket.AF_INET, socket.SOCK_RAW, _ICMP) as sender,
        drop_reasons() as reasons,
    ):
        sender.settimeout(0.3)
        for address in ("10.79.0.2", "127.0.0.1"):
            sender.sendto(_REPLY, (address, 0))
        start = time.monotonic()
        run("ip", *command.split())
        took = time.monotonic() - start
        with pytest.raises(TimeoutError):
            sender.recv(100)
        if "netns" in command:
            run("ip", "link", "del", "held0", netns="peer")
    assert took < patience(5)
    assert reasons.count("DEV_READY") == 1


@pytest.mark.usefixtures("network")
def test_packets_that_are_held_go_with_their_namespace_which_does_not_wait() -> None:
    run("ip", "netns", "add", "doomed")
    with veth("doomed"), loaded("delayer", delay=_LONG, hook=PREROUTING, everywhere=1), drop_reasons() as reasons:
        assert ping("10.79.0.2", wait=0.3)[0] == 0
        run("ip", "netns", "del", "doomed")
        # The namespace's end of the pair goes, and with it this one.
        wait_until(lambda: not Path("/sys/class/net/held0").exists(), "the namespace is gone", 5)
    assert reasons.count("DEV_READY") == 3


def test_a_forwarded_packet_keeps_its_route(network: Network) -> None:
    run("ip", "netns", "add", "behind")
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    try:
        with veth("behind"), loaded("delayer", delay=200, hook=FORWARD):
            ip("route add default via 10.79.0.1", netns="behind")
            ip(f"route add 10.79.0.0/24 via {network.address}", netns=network.peer)
            count, times = ping("10.79.0.2", netns=network.peer)
            assert count == 3
            assert min(times) >= 400
    finally:
        run("ip", "route", "del", "10.79.0.0/24", netns=network.peer)
        run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        run("ip", "netns", "del", "behind")


def test_a_packet_that_goes_on_has_no_other_one_go_on(network: Network) -> None:
    # Recursion would overflow the stack after some tens of packets.
    with inside(network.peer):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, loaded("nester") as module:
        receiver.bind((network.peer_address, 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        for number in range(500):
            sender.sendto(number.to_bytes(2), receiver.getsockname())
        receiver.settimeout(0.3)
        with pytest.raises(TimeoutError):
            receiver.recv(2)
        assert ping(network.peer_address, count=1)[0] == 1
        receiver.settimeout(patience(2))
        assert [int.from_bytes(receiver.recv(2)) for _ in range(500)] == list(range(500))
        module.unload()
        lines = module.lines()
    # With interrupts off, nothing is logged.
    assert lines == ["logged 0"]


@pytest.mark.usefixtures("network")
def test_a_packet_goes_on_from_a_handler_whose_caller_has_its_socket_locked() -> None:
    # The kernel answers a segment with the socket locked; the packets held then belong to the same socket.
    amount = 300_000
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        loaded("nester", protocol=socket.IPPROTO_TCP),
        subprocess.Popen(["ping", "-q", "-i", "0.005", "-w", "60", "127.0.0.1"]) as others,
        socket.create_connection(server.getsockname(), timeout=patience(30)) as left,
        server.accept()[0] as right,
    ):
        sender = threading.Thread(target=left.sendall, args=[bytes(amount)])
        sender.start()
        received = 0
        while received < amount and (part := right.recv(1 << 16)):
            received += len(part)
        sender.join()
        others.terminate()
    assert received == amount


def _users(module: str) -> int:
    """Returns a module's reference count once it is stable: nft frees rules in the background."""
    count = Path(f"/sys/module/{module}/refcnt")
    before = None
    while (now := int(count.read_text())) != before:
        before = now
        time.sleep(0.3)
    return now


@pytest.mark.parametrize(
    ("kind", "is_new", "module"), [("nat", True, "nf_nat"), ("nat", False, "nf_nat"), ("filter", True, "nf_conntrack")]
)
def test_what_a_connection_needs_is_not_unloaded_while_its_packet_is_held(
    network: Network, kind: str, is_new: bool, module: str
) -> None:
    table = f"table ip tracked {{ chain output {{ type {kind} hook output priority -100; ct state new accept; }}; }}"
    with rules(table), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((network.address, 0))
        if not is_new:
            sender.sendto(b"first", (network.peer_address, 9))
        before = _users(module)
        with loaded("delayer", delay=_LONG, protocol=_UDP) as delayer:
            sender.sendto(b"x", (network.peer_address, 9))
            if not is_new:
                # Now only nf_nat's own table has it.
                run("conntrack", "-D", "-p", "udp", "-d", network.peer_address)
            assert _users(module) == before + 1
            delayer.unload()
        assert _users(module) == before


@pytest.mark.usefixtures("network")
def test_what_goes_on_into_a_module_that_may_be_unloaded_is_not_held() -> None:
    for name, address in (("left", 2), ("right", 3)):
        run("ip", "netns", "add", name)
        ip(f"link add to-{name} type veth peer name eth0 netns {name}")
        ip(f"addr add 10.77.0.{address}/24 dev eth0\nlink set eth0 up", netns=name)
    ip(
        """link add hooked0 type dummy
        link add br0 type bridge
        link set to-left master br0 up
        link set to-right master br0 up
        link set br0 up"""
    )
    run("modprobe", "br_netfilter")
    try:
        # Answer 1: into a queue.
        with loaded("device_user", answer=1) as module:
            assert ping("10.77.0.3", netns="left")[0] == 3
            module.unload()
            (line,) = (line for line in module.lines() if line.startswith("arp_forward: "))
    finally:
        ip("link del br0\nlink del hooked0\nnetns del left\nnetns del right")
        run("rmmod", "br_netfilter")
    answered, given_back, _ = (int(number) for number in re.findall(r"\d+", line))
    assert (answered, given_back >= 2) == (0, True)
