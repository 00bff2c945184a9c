# SPDX-License-Identifier: GPL-2.0
"""Fixtures: the shared network, recordings, and a check of the kernel's state after each test."""

import multiprocessing
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from support import frames, kmsg, module
from support.netns import ip, run
from support.network import Network
from support.recording import Recording

# Processes that write and send while a test counts the seconds: since Python 3.14 it would start an interpreter first.
multiprocessing.set_start_method("fork")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the lockdown tests to the end: afterwards no module loads any more."""
    items.sort(key=lambda item: "lockdown" in item.path.name)


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    n = Network()
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.core.netdev_max_backlog=100000")
    ip(
        f"""netns add {n.peer}
        link add {n.device} type veth peer name {n.peer_device} netns {n.peer}
        link set {n.device} address {frames.HOST_MAC} up
        addr add {n.address}/24 dev {n.device}
        neigh add {n.peer_address} lladdr {frames.PEER_MAC} dev {n.device} nud permanent"""
    )
    # Otherwise the kernel sends IPv6 packets of its own in the first seconds.
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", netns=n.peer)
    ip(
        f"""link set lo up
        link set {n.peer_device} address {frames.PEER_MAC} up
        addr add {n.peer_address}/24 dev {n.peer_device}
        neigh add {n.address} lladdr {frames.HOST_MAC} dev {n.peer_device} nud permanent""",
        netns=n.peer,
    )
    yield n
    run("ip", "netns", "del", n.peer)


@pytest.fixture
def record(network: Network, tmp_path: Path) -> Callable[..., Recording]:
    """Returns a function that records the packets of the host's devices."""

    return partial(Recording, tmp_path, (network.device, "lo"))


@pytest.fixture
def log() -> Iterator[kmsg.KernelLog]:
    """The kernel's log from the beginning of the test."""
    opened = kmsg.KernelLog()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def clean_kernel() -> Iterator[None]:
    """Fails a test that leaves the module loaded, makes the kernel complain, or ends with counts that do not add up."""
    log = kmsg.KernelLog()
    yield
    left = module.is_loaded()
    if left:
        module.unload()
    records = log.read()
    log.close()
    complaints = kmsg.complaints(records)
    assert not left, "the test left the module loaded"
    assert not complaints, "\n".join(complaints)
    kmsg.check_counts(records)
