# SPDX-License-Identifier: GPL-2.0
"""The user space end of NFQUEUE, as in linux/netfilter/nfnetlink_queue.h."""

import struct
from enum import IntEnum
from pathlib import Path

from support.netlink import Flag, NetfilterSocket, Subsystem, attribute
from vm.pace import patience

_NFQNL_MSG_VERDICT, _NFQNL_MSG_CONFIG = 1, 2
_NFQA_CFG_CMD, _NFQA_CFG_PARAMS = 1, 2
_NFQNL_CFG_CMD_BIND, _NFQNL_COPY_PACKET = 1, 2
_NFQA_PACKET_HDR, _NFQA_VERDICT_HDR, _NFQA_PAYLOAD = 1, 2, 10
_TABLE = Path("/proc/net/netfilter/nfnetlink_queue")


class Verdict(IntEnum):
    """NF_DROP and NF_ACCEPT."""

    DROP = 0
    ACCEPT = 1


class Queue(NetfilterSocket):
    """A socket bound to a queue, which takes its packets and returns verdicts."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self.bind((0, 0))
        self.settimeout(patience(5))
        self._configure(_NFQA_CFG_CMD, struct.pack(">BBH", _NFQNL_CFG_CMD_BIND, 0, 0))
        self._configure(_NFQA_CFG_PARAMS, struct.pack(">IB", 0xFFFF, _NFQNL_COPY_PACKET))

    def _configure(self, kind: int, value: bytes) -> None:
        self.request(Subsystem.QUEUE, _NFQNL_MSG_CONFIG, attribute(kind, value), resource=self._number)

    def take(self) -> tuple[int, bytes]:
        """Waits for the next packet; returns its id, and its bytes from the network header on."""
        (message,) = self.receive()
        (packet,) = struct.unpack_from(">I", message.attributes[_NFQA_PACKET_HDR])
        return packet, message.attributes[_NFQA_PAYLOAD]

    def answer(self, packet: int, verdict: Verdict) -> None:
        """Returns the verdict on a packet."""
        value = attribute(_NFQA_VERDICT_HDR, struct.pack(">II", verdict, packet))
        self.send_message(Subsystem.QUEUE, _NFQNL_MSG_VERDICT, value, Flag.REQUEST, resource=self._number)


def counters(number: int) -> list[int] | None:
    """Returns the queue's row in the kernel's table, without the queue's number."""
    rows = [[int(field) for field in row.split()] for row in _TABLE.read_text().splitlines()]
    return next((row[1:] for row in rows if row[0] == number), None)
