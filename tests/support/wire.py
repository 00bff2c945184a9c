# SPDX-License-Identifier: GPL-2.0
"""Packets made by scapy, sent to the host from the other end of its link, and captured for tcpdump and tshark."""

import socket
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import wrpcap

from support import frames, parameters
from support.netns import inside
from support.network import Network
from support.waiting import wait_until

ALL_NODES = "ff02::1"
ALL_NODES_MAC = "33:33:00:00:00:01"


def to_host(packets: Iterable[Packet], mac: str = frames.HOST_MAC) -> list[Packet]:
    """Returns the packets in Ethernet frames from the peer."""
    return [Ether(src=frames.PEER_MAC, dst=mac) / packet for packet in packets]


def packet_number(packet: bytes) -> int:
    """Returns what a packet is known by: IPv4's identification, the low half of IPv6's flow label."""
    return int.from_bytes(packet[4:6] if packet[0] >> 4 == 4 else packet[2:4])


class Wire:
    """Frames that can be sent to the host again and again, in a capture file, and tcpdump's choice of them."""

    def __init__(self, packets: list[Packet], folder: Path, network: Network) -> None:
        self.file = folder / "packets.pcap"
        self._raw_file = folder / "raw.pcap"
        wrpcap(str(self.file), packets)
        # Without a link layer, as packets are at the hooks.
        wrpcap(str(self._raw_file), [packet.payload for packet in packets], linktype=101)
        self._frames = [bytes(packet) for packet in packets]
        with inside(network.peer):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._socket.bind((network.peer_device, 0))

    def put(self) -> None:
        """Sends the frames and waits for nothing."""
        for frame in self._frames:
            self._socket.send(frame)

    def send(self, lost: int = 0) -> None:
        """Sends the frames and waits until the module has seen all but `lost`, which do not reach its hook."""
        before = parameters.total().seen
        self.put()
        wait_until(
            lambda: parameters.total().seen >= before + len(self._frames) - lost, "the packets arrive", patience=10
        )

    def chosen_by_tcpdump(self, expression: str) -> set[int]:
        """Returns the numbers of the packets that match a tcpdump expression."""
        command = ["tcpdump", "-r", str(self._raw_file), "-w", "-", expression]
        rest = subprocess.run(command, check=True, capture_output=True).stdout[24:]
        found = set()
        while rest:
            (length,) = struct.unpack_from("=I", rest, 8)
            found.add(packet_number(rest[16:]))
            rest = rest[16 + length :]
        return found

    def close(self) -> None:
        self._socket.close()
