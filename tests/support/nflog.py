# SPDX-License-Identifier: GPL-2.0
"""The user space end of NFLOG, as in linux/netfilter/nfnetlink_log.h."""

import contextlib
import struct

from support.netlink import NetfilterSocket, Subsystem, attribute, parse_attributes

_NFULNL_MSG_CONFIG = 1
_NFULA_CFG_CMD, _NFULA_CFG_MODE = 1, 2
_NFULNL_CFG_CMD_BIND, _NFULNL_COPY_PACKET = 1, 2
_NFULA_PAYLOAD, _NFULA_PREFIX = 9, 10
# struct nfulnl_msg_config_mode.
_MODE = struct.Struct(">IBx")


class Listener(NetfilterSocket):
    """A socket bound to a group, which receives what is logged there."""

    def __init__(self, group: int, netns: str | None = None) -> None:
        super().__init__(netns)
        self._group = group
        try:
            self._configure(_NFULA_CFG_CMD, bytes([_NFULNL_CFG_CMD_BIND]))
        except OSError:
            self.close()
            raise

    def copy(self, length: int) -> None:
        """Limits the bytes that are copied of each packet."""
        self._configure(_NFULA_CFG_MODE, _MODE.pack(length, _NFULNL_COPY_PACKET))

    def discard(self) -> int:
        """Discards what has been received; returns the number of datagrams. The socket must not block."""
        number = 0
        with contextlib.suppress(BlockingIOError):
            while self.recv(1 << 16):
                number += 1
        return number

    def _configure(self, kind: int, value: bytes) -> None:
        self.request(Subsystem.ULOG, _NFULNL_MSG_CONFIG, attribute(kind, value), resource=self._group)


def parse_record(record: bytes) -> tuple[str, bytes]:
    """Returns the prefix and the packet of a capture's record of link type NFLOG: attributes behind struct nfgenmsg."""
    attributes = parse_attributes(record[4:])
    return attributes[_NFULA_PREFIX].rstrip(b"\0").decode(), attributes[_NFULA_PAYLOAD]
