# SPDX-License-Identifier: GPL-2.0
"""Reads of and writes to packets by src/netfilter, against the kernel's view of the same packets."""

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import frames
from support.fprobe import probe
from support.hook_modules import loaded, ping, rules
from support.hooked_device import arp_is_answered, hooked_device
from support.netns import inside, run
from support.network import Network, checksums_in_software
from vm.pace import patience

# The translator's address and ports of the peer.
_SEEN, _SEEN_PORT, _REAL_PORT = "10.66.0.9", 80, 8080
# From asm-generic/socket.h and linux/udp.h, and of ip_summed.
_SO_NO_CHECK, _SO_TIMESTAMP, _UDP_SEGMENT = 11, 29, 103
_COMPLETE = "2"


@pytest.mark.every_kernel
def test_metadata_is_that_of_the_kernels_own_structure(network: Network) -> None:
    names = ("mark", "priority", "hash", "time", "len")
    fields = "mark=skb->mark priority=skb->priority hash=skb->hash time=skb->tstamp len=skb->len rest=skb->data_len"
    fields += " summed=skb->ip_summed protocol=skb->protocol hook=state->hook netns=state->net->ns.inum"
    with loaded("dump_meta") as module, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        # Has received packets time-stamped.
        sender.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMP, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 77)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 5)
        with inside(network.peer):
            other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with other, probe("nf_hook_slow", fields) as calls:
            other.bind((network.peer_address, 0))
            # A connected socket has a hash.
            sender.connect(other.getsockname())
            before = time.time()
            for size in (1, 1000):
                sender.send(b"x" * size)
                other.sendto(b"x" * size, sender.getsockname())
            time.sleep(0.3)
        lines = [line for line in module.lines() if " len=29 " in line or " len=1028 " in line]
    ours = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in lines]
    # nf_hook_slow() is called at PRE_ROUTING (0) and LOCAL_OUT (3), among others.
    here = str(Path("/proc/self/ns/net").stat().st_ino)
    calls = [call for call in calls if call["netns"] == here and call["len"] in ("29", "1028")]
    kernels = [call for call in calls if call["hook"] in ("0", "3")]
    assert all(our["netns"] == here for our in ours)
    assert len(ours) == len(kernels) == 4
    for our, kernel in zip(ours, kernels, strict=True):
        assert {name: int(our[name]) for name in names} == {name: int(kernel[name], 0) for name in names}
        assert int(our["linear"]) == int(kernel["len"]) - int(kernel["rest"])
        states = ("none", "unnecessary", "complete", "partial")
        assert our["checksum"] == states[int(kernel["summed"])]
        assert int(our["protocol"], 0) == socket.htons(int(kernel["protocol"], 0)) == 0x0800
    sent = [our for our in ours if our["mark"] == "77"]
    received = [our for our in ours if our["mark"] != "77"]
    assert len(sent) == len(received) == 2
    assert all(int(our["hash"]) for our in sent)
    assert all(before - 1 < int(our["time"]) / 1e9 < time.time() for our in received)


def test_a_packet_has_its_number_of_segments(network: Network) -> None:
    with loaded("dump_meta") as module, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_UDP, _UDP_SEGMENT, 500)
        sender.sendto(b"x" * 1800, (network.peer_address, 9))
        (line,) = [line for line in module.lines() if "output" in line]
    assert " segments=4 gso=true " in line


@contextlib.contextmanager
def translated(network: Network) -> Iterator[None]:
    """Translates the peer's address and port for this host. Neither device computes or checks checksums."""
    run("ip", "neigh", "replace", _SEEN, "lladdr", frames.PEER_MAC, "dev", network.device)
    try:
        with checksums_in_software(network), loaded("translator"):
            yield
    finally:
        run("ip", "neigh", "del", _SEEN, "dev", network.device)


def _checksum_errors(netns: str | None) -> int:
    """Returns the checksum errors of TCP and UDP that a namespace has counted."""
    lines = run("cat", "/proc/net/snmp", netns=netns).splitlines()
    return sum(
        int(dict(zip(names.split(), values.split(), strict=True))["InCsumErrors"])
        for names, values in zip(lines[::2], lines[1::2], strict=True)
        if names.startswith(("Tcp:", "Udp:"))
    )


def _sum(data: bytes) -> int:
    """Returns the ones' complement sum of 16-bit words in native byte order, with 0 for both zeros."""
    data += b"\0" * (len(data) % 2)
    return sum(struct.unpack(f"={len(data) // 2}H", data)) % 0xFFFF


def _echo(network: Network, kind: int, text: bytes) -> bytes:
    """Has the peer echo a text, by the translated address and port."""
    with inside(network.peer):
        server = socket.socket(socket.AF_INET, kind)
    with socket.socket(socket.AF_INET, kind) as client, server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((network.peer_address, _REAL_PORT))
        for end in (client, server):
            end.settimeout(patience(5))
        if kind == socket.SOCK_DGRAM:
            client.sendto(text, (_SEEN, _SEEN_PORT))
            received, address = server.recvfrom(10000)
            server.sendto(received, address)
            received, source = client.recvfrom(10000)
            assert source == (_SEEN, _SEEN_PORT)
            return received
        server.listen()
        client.connect((_SEEN, _SEEN_PORT))
        with server.accept()[0] as connection:
            client.sendall(text)
            connection.sendall(_all(connection, text))
            return _all(client, text)


def _all(connection: socket.socket, text: bytes) -> bytes:
    """Receives as many bytes as there are in `text`."""
    received = b""
    while len(received) < len(text):
        received += connection.recv(10000)
    return received


# A datagram larger than a frame has its checksum computed in software, whatever the device can do.
@pytest.mark.parametrize("size", [1, 1000, 4000])
@pytest.mark.parametrize("tracked", [False, True])
def test_what_is_written_behind_the_ip_header_keeps_all_sums(network: Network, size: int, tracked: bool) -> None:
    # Connection tracking computes CHECKSUM_COMPLETE before the packet is changed.
    text = "table ip t {\nchain c {\ntype filter hook prerouting priority 0\nct state new counter\n}\n}"
    errors = [_checksum_errors(netns) for netns in (None, network.peer)]
    payload = bytes(range(250)) * (size // 250 + 1)
    payload = payload[:size]
    with contextlib.ExitStack() as stack:
        stack.enter_context(translated(network))
        if tracked:
            stack.enter_context(rules(text))
        raws = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol))
            for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP)
        ]
        fields = "csum=skb->csum summed=skb->ip_summed len=skb->len"
        calls = stack.enter_context(probe("ip_local_deliver", fields))
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            assert _echo(network, kind, payload) == payload
        time.sleep(0.2)
        packets = []
        for raw in raws:
            raw.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    packets.append(raw.recv(65536))
    assert [_checksum_errors(netns) for netns in (None, network.peer)] == errors
    answers = [packet for packet in packets if packet[12:16] == socket.inet_aton(_SEEN)]
    assert {packet[9] for packet in answers} == {socket.IPPROTO_TCP, socket.IPPROTO_UDP}
    for packet in answers:
        pseudo = packet[12:20] + struct.pack("!HH", packet[9], len(packet) - 20)
        assert int.from_bytes(packet[20:22]) == _SEEN_PORT
        assert _sum(packet[:20]) == 0
        assert _sum(pseudo + packet[20:]) == 0
    if tracked:
        # skb->csum is the sum of the changed packet.
        sums = {(int(call["len"]), int(call["csum"], 0) % 0xFFFF) for call in calls if call["summed"] == _COMPLETE}
        assert {(len(packet), _sum(packet)) for packet in answers} <= sums


@pytest.mark.parametrize("port", [_SEEN_PORT, 81])
def test_a_datagrams_sum_is_never_changed_to_none_nor_none_to_a_sum(network: Network, port: int) -> None:
    # Datagrams translated by address and port, or by address only, whose checksum becomes 0.
    real_port, client_port = {_SEEN_PORT: _REAL_PORT}.get(port, port), 5000
    ends = socket.inet_aton(network.address) + socket.inet_aton(network.peer_address)
    header = struct.pack("!BBHHHHHH", 0, socket.IPPROTO_UDP, 10, client_port, real_port, 10, 0, 0)
    payload = frames.checksum(ends + header).to_bytes(2)
    assert frames.checksum(ends + header[:-2] + payload) == 0
    with inside(network.peer):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with translated(network), raw, server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for end in (raw, server):
            end.settimeout(patience(2))
        server.bind((network.peer_address, real_port))
        client.bind((network.address, client_port))
        client.sendto(payload, (_SEEN, port))
        assert raw.recv(100)[20:] == header[4:-4] + b"\xff\xff" + payload
        client.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)
        client.sendto(payload, (_SEEN, port))
        assert raw.recv(100)[20:] == header[4:-4] + b"\0\0" + payload
        assert [server.recv(10) for _ in range(2)] == [payload] * 2


def test_the_hash_of_a_flow_is_forgotten_when_that_is_asked_for(network: Network) -> None:
    hashes = []
    fields = "hash=skb->hash mark=skb->mark"
    for forget in (0, 1):
        with (
            loaded("mark_router", reroute=0, forget=forget),
            probe("ip_finish_output", fields) as calls,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            # A connected socket has a hash.
            sender.connect((network.peer_address, 9))
            sender.send(b"x")
        hashes.append([int(call["hash"], 0) for call in calls if int(call["mark"], 0) == 42])
    assert len(hashes[0]) == len(hashes[1]) == 1
    assert hashes[0] != [0]
    assert hashes[1] == [0]


def _may_be_written(*kept: range, length: int) -> str:
    """Returns the scribbler's line for a packet of this length of which some ranges are protected."""
    return "".join("0" if any(offset in some for some in kept) else "1" for offset in range(length))


_KEPT4 = range(1), range(2, 4), range(6, 8), range(9, 10)
_KEPT6 = range(1), range(4, 7)


@pytest.mark.usefixtures("network")
def test_what_the_stack_has_checked_is_not_changed() -> None:
    ipv6_dstopts = 59
    run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0")
    with hooked_device(), loaded("scribbler") as module:
        assert arp_is_answered()
        # With the record-route option, of 40 bytes.
        run("ping", "-R", "-c", "1", "10.78.0.1", netns="other")
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(bytes(20), ("127.0.0.1", 9))
        run("ping", "-6", "-c", "1", "-s", "20", "::1")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_IPV6, ipv6_dstopts, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
            sender.sendto(bytes(20), ("::1", 9))
        module.unload()
        lines = dict(line.split(": ", 1) for line in module.lines() if ": " in line)
    run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=1")
    assert lines.pop("sums at 10, 12, 32, 36") == "[true, true, false, true]"
    # With TCP's options.
    segment = lines.pop("Ipv4 6")
    assert segment == _may_be_written(*_KEPT4, range(32, 33), length=len(segment))
    assert lines == {
        "Arp 0": _may_be_written(range(6), length=28),
        "Ipv4 1": _may_be_written(*_KEPT4, range(20, 60), length=120),
        "Ipv4 17": _may_be_written(*_KEPT4, length=48),
        "Ipv6 58": _may_be_written(*_KEPT6, length=68),
        "Ipv6 60": _may_be_written(*_KEPT6, range(40, 48), length=76),
    }


def _transfer(protocol: int) -> None:
    """Sends itself what the kernel makes GSO packets of; returns when all of it has arrived."""
    chunk, chunks, received = 20_000, 20, 0
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as server,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as sender,
    ):
        server.bind(("127.0.0.1", 0))
        server.listen()
        sender.connect(server.getsockname())
        receiver, _ = server.accept()
        thread = threading.Thread(target=lambda: [sender.sendall(bytes(chunk)) for _ in range(chunks)])
        thread.start()
        with receiver:
            receiver.settimeout(patience(30))
            while received < chunk * chunks:
                received += len(receiver.recv(1 << 16))
        thread.join()


def test_a_list_of_segments_is_not_written_behind_its_first(request: pytest.FixtureRequest) -> None:
    run("modprobe", "sctp")
    # Of packets as large as lo takes, SCTP makes no GSO packets.
    mtu = Path("/sys/class/net/lo/mtu")
    before = mtu.read_text()
    request.addfinalizer(lambda: mtu.write_text(before))
    mtu.write_text("1500")
    with loaded("scribbler") as module:
        _transfer(socket.IPPROTO_SCTP)
        _transfer(socket.IPPROTO_TCP)
        module.unload()
        lines = [line for line in module.lines() if "behind" in line]
    assert lines == [
        "Ipv4 132: behind the linear part: Err(EOPNOTSUPP)",
        "Ipv4 6: behind the linear part: Ok(())",
    ]


@pytest.mark.usefixtures("network")
def test_before_the_stack_has_looked_at_a_packet_all_of_it_may_be_changed() -> None:
    with hooked_device(), loaded("scribbler", device=1) as module:
        assert ping("10.78.0.1", netns="other", count=1)[0] == 1
        module.unload()
        lines = module.lines()
    assert lines == ["Netdev 1: " + "1" * 84]
