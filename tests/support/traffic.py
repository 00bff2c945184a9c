# SPDX-License-Identifier: GPL-2.0
"""Programs and sockets that make traffic."""

import contextlib
import http.server
import mmap
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator

from support.netns import counter, inside, run
from support.network import Network
from support.waiting import wait_until


class _Bytes(http.server.BaseHTTPRequestHandler):
    """Answers with as many bytes as the path says."""

    def do_GET(self) -> None:  # noqa: N802
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * int(self.path[1:]))

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def web_server(address: str, netns: str | None = None) -> Iterator[str]:
    """Serves on a free port; yields its URL, to which a number of bytes is to be appended."""
    with inside(netns) if netns else contextlib.nullcontext():
        server = http.server.ThreadingHTTPServer((address, 0), _Bytes)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://{address}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def fetch(url: str, netns: str | None = None) -> int:
    """Fetches a URL by curl; returns the number of bytes received."""
    options = ["-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{size_download}"]
    return int(run("curl", *options, url, netns=netns))


@contextlib.contextmanager
def iperf_server(address: str, netns: str | None = None) -> Iterator[None]:
    prefix = ["ip", "netns", "exec", netns] if netns else []
    command = [*prefix, "iperf3", "-s", "-B", address, "--forceflush"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert server.stdout
    for line in server.stdout:
        if b"listening" in line:
            break
    try:
        yield
    finally:
        server.kill()
        server.communicate()


def transfer(address: str, *options: str, netns: str | None = None) -> None:
    """Sends data to an iperf3 server, or receives from it with -R."""
    run("iperf3", "-c", address, "--connect-timeout", "5000", *options, netns=netns)


class Injector:
    """Sends Ethernet frames, as they are, into the host's device from the other end."""

    def __init__(self, netns: str, device: str) -> None:
        with inside(netns):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind((device, 0))

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            self._socket.send(frame)

    def close(self) -> None:
        self._socket.close()


class TransmitRing:
    """Sends frames from memory shared with the kernel, which does not copy them.

    Only the Ethernet header is in the linear part of what comes out at the other end.
    """

    _FRAME = 2048
    _COUNT = 256
    # From linux/if_packet.h.
    _SOL_PACKET, _PACKET_VERSION, _PACKET_TX_RING, _TPACKET_V2 = 263, 10, 13, 1
    _SEND_REQUEST = 1
    _HEADER = 32

    def __init__(self, netns: str, device: str) -> None:
        with inside(netns):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.setsockopt(self._SOL_PACKET, self._PACKET_VERSION, self._TPACKET_V2)
        size = self._FRAME * self._COUNT
        ring = struct.pack("IIII", size, 1, self._FRAME, self._COUNT)
        self._socket.setsockopt(self._SOL_PACKET, self._PACKET_TX_RING, ring)
        self._socket.bind((device, 0))
        self._memory = mmap.mmap(self._socket.fileno(), size)

    def send(self, frames: list[bytes]) -> None:
        assert len(frames) <= self._COUNT
        for number, frame in enumerate(frames):
            start = number * self._FRAME
            data = start + self._HEADER
            self._memory[data : data + len(frame)] = frame
            self._memory[start : start + 8] = struct.pack("II", self._SEND_REQUEST, len(frame))
        self._socket.send(b"")

    def close(self) -> None:
        self._memory.close()
        self._socket.close()


def send_datagrams(number: int, address: str = "127.0.0.1") -> None:
    """Sends datagrams to a port that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(number):
            sock.sendto(b"x", (address, 9))


def wait_for_packets(network: Network) -> None:
    """Waits until some packets have passed the device in each direction."""
    kinds = ("rx_packets", "tx_packets")
    before = [counter(network.device, kind) for kind in kinds]
    wait_until(
        lambda: all(counter(network.device, kind) > n + 3 for kind, n in zip(kinds, before, strict=True)),
        "traffic flows",
    )


@contextlib.contextmanager
def steady_traffic(network: Network) -> Iterator[None]:
    """Keeps some hundred packets a second going in each direction."""
    options = ["--bidir", "-t", "3600", "-b", "1M", "-l", "1000", "-c", network.peer_address]
    with iperf_server(network.peer_address, network.peer):
        client = subprocess.Popen(["iperf3", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_packets(network)
            yield
            assert client.poll() is None, "the traffic ended early"
        finally:
            client.kill()
            client.wait()
