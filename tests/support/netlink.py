# SPDX-License-Identifier: GPL-2.0
"""Netfilter's netlink: messages with attributes, requests that are acknowledged, and dumps.

Follows linux/netlink.h and linux/netfilter/nfnetlink.h. The subsystems' own messages are in the modules that use them.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import NamedTuple

from support.netns import inside

NETLINK_NETFILTER = 12
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
# struct nlmsghdr, struct nfgenmsg and struct nlattr.
_MESSAGE, _NETFILTER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct(">BBH"), struct.Struct("=HH")
_HEADERS = _MESSAGE.size + _NETFILTER.size
_LARGEST = 1 << 17


class Flag(IntFlag):
    """NLM_F_*."""

    REQUEST = 0x1
    ACK = 0x4
    DUMP = 0x300


class Subsystem(IntEnum):
    """NFNL_SUBSYS_*."""

    QUEUE = 3
    ULOG = 4
    HOOK = 12


class Message(NamedTuple):
    """A message's type, with the subsystem in its upper byte, and its attributes by type."""

    kind: int
    attributes: dict[int, bytes]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    """Encodes an attribute, padded to the next one."""
    length = _ATTRIBUTE.size + len(value)
    return (_ATTRIBUTE.pack(length, kind) + value).ljust(_aligned(length), b"\0")


def parse_attributes(data: bytes) -> dict[int, bytes]:
    """Decodes attributes that follow one another; of those of one type, the last counts."""
    found, at = {}, 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    return found


class NetfilterSocket(socket.socket):
    """A socket of NETLINK_NETFILTER, in this network namespace or the named one."""

    def __init__(self, netns: str | None = None) -> None:
        with inside(netns) if netns else contextlib.nullcontext():
            super().__init__(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)

    def send_message(
        self, subsystem: Subsystem, message: int, attributes: bytes, flags: Flag, *, family: int = 0, resource: int = 0
    ) -> None:
        """Sends one message; `resource` is nfgenmsg's res_id, such as a queue's number."""
        header = _MESSAGE.pack(_HEADERS + len(attributes), subsystem << 8 | message, flags, 0, 0)
        self.send(header + _NETFILTER.pack(family, 0, resource) + attributes)

    def request(self, subsystem: Subsystem, message: int, attributes: bytes, *, resource: int = 0) -> None:
        """Sends a message and waits for its acknowledgement. Raises OSError if it is refused."""
        self.send_message(subsystem, message, attributes, Flag.REQUEST | Flag.ACK, resource=resource)
        while True:
            # Packets may come in between.
            data = self.recv(_LARGEST)
            if _MESSAGE.unpack_from(data)[1] == _NLMSG_ERROR:
                _raise_error(data)
                return

    def dump(self, subsystem: Subsystem, message: int, attributes: bytes, *, family: int) -> Iterator[Message]:
        """Asks for a dump and yields its messages. Raises OSError if it is refused."""
        self.send_message(subsystem, message, attributes, Flag.REQUEST | Flag.DUMP, family=family)
        while True:
            for answer in self.receive():
                if answer.kind == _NLMSG_DONE:
                    return
                yield answer

    def receive(self) -> list[Message]:
        """Receives the messages of one datagram. Raises OSError if one of them is an error."""
        data = self.recv(_LARGEST)
        found = []
        while data:
            length, kind, *_ = _MESSAGE.unpack_from(data)
            if kind == _NLMSG_ERROR:
                _raise_error(data)
            found.append(Message(kind, {} if kind == _NLMSG_DONE else parse_attributes(data[_HEADERS:length])))
            data = data[_aligned(length) :]
        return found


def _raise_error(data: bytes) -> None:
    (error,) = struct.unpack_from("=i", data, _MESSAGE.size)
    if error:
        raise OSError(-error, f"netlink: {os.strerror(-error)}")
