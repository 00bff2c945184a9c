# SPDX-License-Identifier: GPL-2.0
"""Sends and receives traffic between two network namespaces in this one process."""

import contextlib
import ctypes
import socket
import struct
import time
from collections.abc import Iterator

from hooks import run

from support.netns import inside

DEVICE, PEER_DEVICE, PEER = "bench0", "bench1", "bench"
ADDRESS, PEER_ADDRESS = "10.9.0.1", "10.9.0.2"
UDP_BYTES = 64
TCP_BYTES = 1 << 16
# Datagrams in one system call.
BUNCH = 64
MSG_WAITFORONE = 0x10000
# A struct timeval: how long to wait for a datagram that may be lost.
PATIENCE = struct.pack("@ll", 0, 100_000)

_libc = ctypes.CDLL(None, use_errno=True)


# From sys/socket.h and bits/types/struct_iovec.h.
class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class _Msghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Mmsghdr(ctypes.Structure):
    _fields_ = [("header", _Msghdr), ("len", ctypes.c_uint)]


def _messages() -> ctypes.Array:
    buffer = ctypes.create_string_buffer(UDP_BYTES)
    messages = (_Mmsghdr * BUNCH)()
    for message in messages:
        message.header.iov = ctypes.pointer(_Iovec(ctypes.cast(buffer, ctypes.c_void_p), UDP_BYTES))
        message.header.iovlen = 1
    return messages


@contextlib.contextmanager
def network() -> Iterator[None]:
    """Joins this namespace to another one by a pair of devices."""
    for command in (
        f"netns add {PEER}",
        f"link add {DEVICE} type veth peer name {PEER_DEVICE} netns {PEER}",
        f"addr add {ADDRESS}/24 dev {DEVICE}",
        f"link set {DEVICE} up",
        f"-n {PEER} addr add {PEER_ADDRESS}/24 dev {PEER_DEVICE}",
        f"-n {PEER} link set {PEER_DEVICE} up",
    ):
        run("ip", *command.split())
    try:
        wait_for_link()
        yield
    finally:
        run("ip", "netns", "del", PEER)


def wait_for_link() -> None:
    """Waits until a datagram passes: devices carry traffic some time after they are up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, contextlib.ExitStack() as stack:
        receiver.bind((ADDRESS, 0))
        receiver.settimeout(0.1)
        with inside(PEER):
            sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for _ in range(100):
            with contextlib.suppress(OSError):
                sender.sendto(b"x", receiver.getsockname())
                receiver.recv(1)
                return
    raise RuntimeError("no datagram came")


def udp(bunches: int) -> float:
    """Returns the nanoseconds of one small datagram from the peer to this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, contextlib.ExitStack() as stack:
        receiver.bind((ADDRESS, 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, PATIENCE)
        with inside(PEER):
            sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sender.connect(receiver.getsockname())
        outgoing, incoming = _messages(), _messages()
        got = 0
        start = time.monotonic_ns()
        for _ in range(bunches):
            _libc.sendmmsg(sender.fileno(), outgoing, BUNCH, 0)
            # Waits for the first one: another kernel thread may deliver them.
            got += max(0, _libc.recvmmsg(receiver.fileno(), incoming, BUNCH, MSG_WAITFORONE, None))
        took = time.monotonic_ns() - start
        if got < bunches * BUNCH // 2:
            raise RuntimeError(f"of {bunches * BUNCH} datagrams {got} came")
        return took / (bunches * BUNCH)


def tcp(pieces: int) -> float:
    """Returns the nanoseconds of one byte from the peer to this process."""
    with socket.create_server((ADDRESS, 0)) as server, contextlib.ExitStack() as stack:
        with inside(PEER):
            sender = stack.enter_context(socket.create_connection(server.getsockname()))
        receiver = stack.enter_context(server.accept()[0])
        piece, buffer = bytes(TCP_BYTES), bytearray(1 << 20)
        sender.setblocking(False)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, PATIENCE)
        sent = got = 0
        start = time.monotonic_ns()
        while got < pieces * TCP_BYTES:
            with contextlib.suppress(BlockingIOError):
                if sent < pieces * TCP_BYTES:
                    sent += sender.send(piece)
            with contextlib.suppress(BlockingIOError):
                got += receiver.recv_into(buffer)
        return (time.monotonic_ns() - start) / got
