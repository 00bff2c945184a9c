# SPDX-License-Identifier: GPL-2.0
"""Packets that a bridge hands to the hooks of IP, by br_netfilter."""

import contextlib
from collections.abc import Iterator

import pytest

from support import parameters
from support.hook_modules import ping
from support.netns import ip, run

_HOST = "10.77.0.1"


@pytest.fixture
def bridge() -> Iterator[str]:
    """Makes a namespace behind a bridge on which the host has an address."""
    ip(
        f"""netns add station
        link add br0 type bridge
        link add to-station type veth peer name eth0 netns station
        link set to-station master br0 up
        addr add {_HOST}/24 dev br0
        link set br0 up"""
    )
    ip("addr add 10.77.0.2/24 dev eth0\nlink set eth0 up", netns="station")
    assert ping(_HOST, count=1, netns="station")[0] == 1
    yield "station"
    ip("link del br0\nnetns del station")


@contextlib.contextmanager
def bridge_netfilter() -> Iterator[None]:
    run("modprobe", "br_netfilter")
    try:
        yield
    finally:
        run("rmmod", "br_netfilter")


@pytest.mark.parametrize("priority", ["", "first"])
@pytest.mark.parametrize("before", [True, False], ids=["loaded before", "loaded after"])
def test_packets_that_come_by_a_bridge_are_seen_once(bridge: str, before: bool, priority: str) -> None:
    chosen = f"hooks=prerouting proto=icmp rate=0 {f'priority={priority}' if priority else ''}"
    with contextlib.ExitStack() as stack:
        around = [bridge_netfilter(), parameters.loaded(chosen)]
        for each in around if before else reversed(around):
            stack.enter_context(each)
        assert ping(_HOST, count=3, netns=bridge)[0] == 3
        # Of two hooks at priority first, an older one of br_netfilter is called last: too late.
        assert parameters.total().seen == (6 if before and priority == "first" else 3)
