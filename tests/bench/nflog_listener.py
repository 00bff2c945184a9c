# SPDX-License-Identifier: GPL-2.0
"""Listens to a group of NFLOG and throws away what comes, as a fast ulogd would. Prints a line when it is bound.

Usage: tests/python nflog_listener.py GROUP
"""

import contextlib
import socket
import sys

from support.nflog import Listener

COPY_RANGE = 128


def main() -> None:
    with Listener(int(sys.argv[1])) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        sock.copy(COPY_RANGE)
        print("bound", flush=True)
        while True:
            with contextlib.suppress(OSError):
                sock.recv(1 << 17)


if __name__ == "__main__":
    main()
