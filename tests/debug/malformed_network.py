# SPDX-License-Identifier: GPL-2.0
"""A router with a tun, a tap and a veth, a host behind it, and senders for each way in."""

import errno
import fcntl
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from malformed_packets import FRAME_HEADER, Way
from malformed_seeds import BEHIND, ROUTER

from support.netns import inside, ip
from vm.pace import patience

NAMESPACES = "router", "behind"
IFF_TUN, IFF_TAP, IFF_NAPI, IFF_NAPI_FRAGS, IFF_NO_PI, IFF_VNET_HDR = 1, 2, 0x10, 0x20, 0x1000, 0x4000
# A frame starts with its destination, a device of the router.
NEAR_MAC = FRAME_HEADER[:6].hex(":")


def make_network() -> None:
    ip("netns add router\nnetns add behind\n")
    ip(
        """\
link add near address 02:00:00:00:08:01 type veth peer name far address 02:00:00:00:08:02
link set far netns behind
addr add 10.8.0.1/24 dev near
addr add fd08::1/64 dev near nodad
neigh add 10.8.0.2 lladdr 02:00:00:00:08:02 dev near
neigh add fd08::2 lladdr 02:00:00:00:08:02 dev near
link set lo up
link set near gso_max_size 190000 gso_ipv4_max_size 190000 up
""",
        netns="router",
    )
    ip(
        """\
link set lo up
link set far gso_max_size 190000 gso_ipv4_max_size 190000 up
addr add 10.8.0.2/24 dev far
addr add fd08::2/64 dev far nodad
neigh add 10.8.0.1 lladdr 02:00:00:00:08:01 dev far
neigh add fd08::1 lladdr 02:00:00:00:08:01 dev far
route add default via 10.8.0.1
route add default via fd08::1
""",
        netns="behind",
    )
    for name in NAMESPACES:
        with inside(name):
            for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                Path("/proc/sys/net", setting).write_text("1")
            # Packets from any source are accepted.
            for device in Path("/proc/sys/net/ipv4/conf").iterdir():
                (device / "rp_filter").write_text("0")
                (device / "accept_local").write_text("1")
                (device / "accept_source_route").write_text("1")
    Path("/proc/sys/net/netfilter/nf_log_all_netns").write_text("1")


def make_tun(name: str, flags: int, addresses: tuple[str, str]) -> int:
    tunsetiff = 0x400454CA
    with inside("router"):
        tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, tunsetiff, struct.pack("16sH22x", name.encode(), flags | IFF_NO_PI))
    v4, v6 = addresses
    ip(f"addr add {v4}/24 dev {name}\naddr add {v6}/64 dev {name} nodad\nlink set {name} up\n", netns="router")
    return tun


def packet_socket(device: str) -> socket.socket:
    sol_packet, packet_vnet_hdr = 263, 15
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(sol_packet, packet_vnet_hdr, 1)
    sock.bind((device, 0))
    return sock


def listen_to_all() -> socket.socket:
    """Opens a packet socket that nobody reads: with it, the rest of the stack gets clones."""
    eth_p_all = 3
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(eth_p_all))


def raw_socket(family: int, address: str) -> socket.socket:
    ipv6_hdrincl = 36
    sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, ipv6_hdrincl, 1)
    sock.connect((address, 0))
    return sock


def pieces(record: bytes) -> list[bytes]:
    count = record[0]
    cuts = struct.unpack_from(f"={count}H", record, 1)
    frame = record[1 + 2 * count :]
    return [frame[start:end] for start, end in zip((0, *cuts), cuts, strict=False)]


class Sender:
    """Sends packets one way, by each of the functions in turn."""

    def __init__(self, *send: Callable[[bytes], object]) -> None:
        self._send = send

    def send(self, packets: list[bytes]) -> tuple[int, int]:
        """Sends packets; returns how many the kernel took, and how many it refused."""
        refused = 0
        sends, last = self._send, len(self._send) - 1
        turn = 0
        for packet in packets:
            try:
                sends[turn](packet)
            except OSError as error:
                if error.errno in (errno.EBADF, errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
                    raise
                refused += 1
            turn = turn + 1 if turn < last else 0
        return len(packets) - refused, refused


def make_senders() -> dict[Way, Sender]:
    tun = make_tun("tun0", IFF_TUN | IFF_VNET_HDR, (ROUTER[0], ROUTER[1]))
    tap = make_tun("tap0", IFF_TAP | IFF_NAPI | IFF_NAPI_FRAGS, ("10.7.0.1", "fd07::1"))
    ip("link set tap0 address 02:00:00:00:07:01\n", "router")
    with inside("router"):
        raw4 = [raw_socket(socket.AF_INET, address) for address in (BEHIND[0], ROUTER[0])]
        raw6 = [raw_socket(socket.AF_INET6, address) for address in (BEHIND[1], ROUTER[1])]
    with inside("behind"):
        frames = packet_socket("far")
    to_tun = Sender(lambda packet: os.write(tun, packet))
    return {
        Way.TUN: to_tun,
        Way.BIG: to_tun,
        Way.FRAME: Sender(frames.send),
        Way.PIECES: Sender(lambda record: os.writev(tap, pieces(record))),
        Way.RAW_V4: Sender(*(sock.send for sock in raw4)),
        Way.RAW_V6: Sender(*(sock.send for sock in raw6)),
    }


def send_tcp(amount: int) -> None:
    """Sends data over the veth, in segments larger than 64 KiB."""
    with inside("behind"):
        server = socket.create_server((BEHIND[1], 0), family=socket.AF_INET6)

    def receive() -> None:
        connection, _ = server.accept()
        while connection.recv(1 << 20):
            pass
        connection.close()

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    with inside("router"), socket.create_connection(server.getsockname()[:2], timeout=patience(60)) as sock:
        sock.sendall(bytes(amount))
    thread.join()
    server.close()


def pktgen(file: str, *commands: str) -> None:
    with inside("router"):
        for command in commands:
            Path("/proc/thread-self/net/pktgen", file).write_text(f"{command}\n")


def make_pktgen() -> None:
    """Has pktgen send well-formed packets from one shared buffer, mostly page fragments, as a device would."""
    pktgen("kpktgend_0", "add_device near")
    pktgen(
        "near",
        *("xmit_mode netif_receive", "burst 16", "frags 3", "min_pkt_size 60", "max_pkt_size 1400", "flag TXSIZE_RND"),
        *(f"dst_mac {NEAR_MAC}", "src_min 10.8.0.2", "src_max 10.8.0.250", "flag IPSRC_RND", f"dst {ROUTER[0]}"),
        *("udp_dst_min 1", "udp_dst_max 100", "flag UDPDST_RND"),
    )


def send_by_pktgen(count: int) -> int:
    """Sends full bursts; returns how many packets these were."""
    pktgen("near", f"count {count}")
    pktgen("pgctrl", "start")
    while True:
        with inside("router"):
            text = Path("/proc/thread-self/net/pktgen/near").read_text()
        if found := re.search(r"Result: OK: .*, (\d+) \(.*\n.* errors: 0", text):
            return int(found[1])
        assert "Result: Starting" in text, text
        time.sleep(0.1)
