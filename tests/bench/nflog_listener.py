#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Listens to a group of NFLOG and throws away what comes, as a fast ulogd would. Says a line when it is bound.

Usage: nflog_listener.py GROUP
"""

import contextlib
import os
import socket
import struct
import sys

# From linux/netlink.h, linux/netfilter/nfnetlink.h and nfnetlink_log.h.
NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK = 1, 4
NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG = 4, 1
NFULA_CFG_CMD, NFULA_CFG_MODE = 1, 2
NFULNL_CFG_CMD_BIND = 1
NFULNL_COPY_PACKET = 2
COPY_RANGE = 128


def configure(sock: socket.socket, group: int, attribute: int, value: bytes) -> None:
    attr = struct.pack("=HH", 4 + len(value), attribute) + value.ljust(-len(value) % 4 + len(value), b"\0")
    body = struct.pack("=BB", 0, 0) + struct.pack(">H", group) + attr
    kind = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
    error = struct.unpack_from("=i", sock.recv(4096), 16)[0]
    if error:
        raise OSError(-error, f"NFLOG group {group}: {os.strerror(-error)}")


def main() -> None:
    group = int(sys.argv[1])
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        configure(sock, group, NFULA_CFG_CMD, struct.pack("=B", NFULNL_CFG_CMD_BIND))
        configure(sock, group, NFULA_CFG_MODE, struct.pack(">IBx", COPY_RANGE, NFULNL_COPY_PACKET))
        print("bound", flush=True)
        while True:
            with contextlib.suppress(OSError):
                sock.recv(1 << 17)


if __name__ == "__main__":
    main()
