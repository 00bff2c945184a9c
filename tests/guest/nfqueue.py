# SPDX-License-Identifier: GPL-2.0
"""The user space end of NFQUEUE: enough of nfnetlink_queue's protocol to take packets and answer.

Follows linux/netfilter/nfnetlink_queue.h.
"""

import socket
import struct

from pace import patience

_SUBSYSTEM_QUEUE = 3
_MESSAGE_PACKET, _MESSAGE_VERDICT, _MESSAGE_CONFIG = 0, 1, 2
_CONFIG_COMMAND, _CONFIG_PARAMETERS = 1, 2
_COMMAND_BIND, _COPY_PACKET = 1, 2
_ATTRIBUTE_PACKET_HEADER, _ATTRIBUTE_VERDICT, _ATTRIBUTE_PAYLOAD = 1, 2, 10
_REQUEST, _ACKNOWLEDGE = 1, 4
_NETLINK_NETFILTER = 12
_HEADERS = 20

ACCEPT, DROP = 1, 0


def _attribute(kind: int, value: bytes) -> bytes:
    padding = -len(value) % 4
    return struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * padding


class Queue:
    """One queue, bound by this process."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.settimeout(patience(5))
        command = struct.pack(">BBH", _COMMAND_BIND, 0, 0)
        self._request(_MESSAGE_CONFIG, _attribute(_CONFIG_COMMAND, command))
        parameters = struct.pack(">IB", 0xFFFF, _COPY_PACKET)
        self._request(_MESSAGE_CONFIG, _attribute(_CONFIG_PARAMETERS, parameters))

    def close(self) -> None:
        self._socket.close()

    def _send(self, message: int, attributes: bytes, flags: int) -> None:
        kind = _SUBSYSTEM_QUEUE << 8 | message
        length = _HEADERS + len(attributes)
        headers = struct.pack("=IHHII", length, kind, flags, 0, 0) + struct.pack(">BBH", 0, 0, self._number)
        self._socket.send(headers + attributes)

    def _request(self, message: int, attributes: bytes) -> None:
        self._send(message, attributes, _REQUEST | _ACKNOWLEDGE)
        (error,) = struct.unpack_from("=i", self._socket.recv(65536), 16)
        assert error == 0, f"nfnetlink_queue says {error}"

    def take(self) -> tuple[int, bytes]:
        """The next packet: its id, and its bytes from the network header on."""
        message = self._socket.recv(65536)
        (length,) = struct.unpack_from("=I", message)
        offset = _HEADERS
        found = {}
        while offset < length:
            size, kind = struct.unpack_from("=HH", message, offset)
            found[kind] = message[offset + 4 : offset + size]
            offset += size + -size % 4
        (packet,) = struct.unpack_from(">I", found[_ATTRIBUTE_PACKET_HEADER])
        return packet, found[_ATTRIBUTE_PAYLOAD]

    def answer(self, packet: int, verdict: int) -> None:
        header = struct.pack(">II", verdict, packet)
        self._send(_MESSAGE_VERDICT, _attribute(_ATTRIBUTE_VERDICT, header), _REQUEST)


def counters(number: int) -> list[int] | None:
    """The queue's line in the kernel's own table, without its number."""
    with open("/proc/net/netfilter/nfnetlink_queue") as table:  # noqa: PTH123
        for line in table:
            fields = [int(field) for field in line.split()]
            if fields[0] == number:
                return fields[1:]
    return None
