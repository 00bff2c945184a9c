# SPDX-License-Identifier: GPL-2.0
"""Packets that are routed again after a hook has changed what they were routed by."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

import pytest

from support.hook_modules import loaded
from support.netns import counter, ip, run

_FAMILIES = {socket.AF_INET: "10.82.0.2", socket.AF_INET6: "fd82::2"}
_MARK, _NOWHERE = 42, 43


@contextlib.contextmanager
def two_ways() -> Iterator[None]:
    """Routes packets to either address by plain0, and marked ones by marked0."""
    run("sysctl", "-qw", *(f"net.ipv6.conf.{name}.disable_ipv6=0" for name in ("all", "default")))
    ip(
        f"""link add plain0 type dummy
        link add marked0 type dummy
        link set plain0 arp off up
        link set marked0 arp off up
        addr add 10.82.0.1/24 dev plain0
        addr add fd82::1/64 dev plain0 nodad
        route add 10.82.0.0/24 dev marked0 table 82
        route add fd82::/64 dev marked0 table 82
        rule add fwmark {_MARK} lookup 82 priority 82
        rule add fwmark {_NOWHERE} unreachable priority 83"""
    )
    run("ip", "-6", "rule", "add", "fwmark", str(_MARK), "lookup", "82", "priority", "82")
    run("ip", "-6", "rule", "add", "fwmark", str(_NOWHERE), "unreachable", "priority", "83")
    try:
        yield
    finally:
        ip(
            """rule del priority 82
            rule del priority 83
            link del plain0
            link del marked0"""
        )
        for priority in ("82", "83"):
            run("ip", "-6", "rule", "del", "priority", priority)
        run("sysctl", "-qw", *(f"net.ipv6.conf.{name}.disable_ipv6=1" for name in ("all", "default")))


def leaves_by(family: int) -> str:
    """Returns the device that a datagram leaves by."""
    before = {name: counter(name, "tx_bytes") for name in ("plain0", "marked0")}
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x" * 1000, (_FAMILIES[family], 9))
    (name,) = [name for name in before if counter(name, "tx_bytes") - before[name] >= 1000]
    return name


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("family", _FAMILIES)
def test_a_packet_whose_mark_is_set_leaves_by_the_marks_route_if_it_is_routed_again(family: int) -> None:
    with two_ways():
        assert leaves_by(family) == "plain0"
        with loaded("mark_router", mark=_MARK, reroute=0):
            assert leaves_by(family) == "plain0"
        with loaded("mark_router", mark=_MARK):
            assert leaves_by(family) == "marked0"


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("family", _FAMILIES)
def test_a_sender_is_told_that_there_is_no_route_any_more(family: int) -> None:
    unreachable = "|".join(os.strerror(error) for error in (errno.EHOSTUNREACH, errno.ENETUNREACH))
    with (
        two_ways(),
        loaded("mark_router", mark=_NOWHERE),
        socket.socket(family, socket.SOCK_DGRAM) as sock,
        pytest.raises(OSError, match=unreachable),
    ):
        sock.sendto(b"x", (_FAMILIES[family], 9))
