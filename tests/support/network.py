# SPDX-License-Identifier: GPL-2.0
"""The network that the guest tests share."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from support import frames
from support.netns import run


@dataclass(frozen=True)
class Network:
    """The host, which is the initial namespace, joined by a pair of devices to the namespace `peer`."""

    device: str = "veth0"
    address: str = frames.HOST
    peer: str = "peer"
    peer_device: str = "veth1"
    peer_address: str = frames.PEER


@contextlib.contextmanager
def checksums_in_software(network: Network) -> Iterator[None]:
    """Has neither device of the pair compute checksums within the context."""
    run("ethtool", "-K", network.device, "tx", "off")
    run("ethtool", "-K", network.peer_device, "tx", "off", netns=network.peer)
    try:
        yield
    finally:
        run("ethtool", "-K", network.device, "tx", "on", "tso", "on")
        run("ethtool", "-K", network.peer_device, "tx", "on", "tso", "on", netns=network.peer)
