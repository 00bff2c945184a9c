# SPDX-License-Identifier: GPL-2.0
"""The expected lines, by tshark's decoding of a capture."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from support.kmsg import Fragment, Line, Summary
from support.tshark import read_fields

# @ yields raw bytes: tshark replaces a total length of 0 by the length of the packet.
_FIELDS = [
    *("frame.number", "frame.interface_name", "frame.len", "eth.src", "eth.dst", "eth.type"),
    *("ip.version", "ip.hdr_len", "@ip.len", "ip.frag_offset", "ip.flags.mf", "ip.proto", "ip.checksum.status"),
    "tcp.hdr_len",
    *("ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw"),
    *("tcp.window_size_value", "tcp.checksum", "tcp.urgent_pointer"),
]
_FIRST_LINE_FIELD = _FIELDS.index("ip.src")
# Numbers as on the wire, each frame by itself, and nothing decoded beyond TCP's header.
_PREFERENCES = [
    *("-o", "ip.defragment:FALSE", "-o", "ip.check_checksum:TRUE"),
    *("-o", "tcp.relative_sequence_numbers:FALSE", "-o", "tcp.analyze_sequence_numbers:FALSE"),
    *("-o", "tcp.desegment_tcp_streams:FALSE", "--disable-all-protocols"),
    *("--enable-protocol", "frame", "--enable-protocol", "eth"),
    *("--enable-protocol", "ip", "--enable-protocol", "tcp"),
]
_ETHERNET_HEADER = 14
_TCP_HEADER = 20
_LARGEST_TOTAL_LEN = 0xFFFF
_PROTO_TCP = 6
_CHECKSUM_GOOD = "1"
_BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"


class Packet(NamedTuple):
    """An IPv4 packet of the capture, as tshark decodes it."""

    frame: int
    interface: str
    source_mac: str
    dest_mac: str
    frame_len: int
    version: int | None
    header_len: int
    tcp_header_len: int
    total_len: int
    fragment_offset: int
    more_fragments: bool
    ports: tuple[int | None, int | None]
    protocol: int | None
    checksum_good: bool
    source: str
    dest: str
    line: Line | None

    def outcome(self) -> str:
        """Returns what should become of the packet, by its name in the summary."""
        if self.protocol != _PROTO_TCP:
            return "not_matched"
        if self._contradicts_itself():
            return "invalid"
        if self.fragment_offset:
            return "fragment"
        return "emitted" if self._segment_len() >= _TCP_HEADER else "truncated"

    def has_cut_options(self) -> bool:
        """Whether it ends inside of its TCP header, behind the part that every TCP header has."""
        return self.outcome() == "emitted" and self._segment_len() < self.tcp_header_len

    def _segment_len(self) -> int:
        there = self.frame_len - _ETHERNET_HEADER
        # 0 is what segmentation offload writes for a length that the field cannot hold.
        return (min(self.total_len, there) if self.total_len else there) - self.header_len

    def _contradicts_itself(self) -> bool:
        return self.version != 4 or self.header_len < 20 or 0 < self.total_len < self.header_len

    def has_fragment_line(self) -> bool:
        """Returns whether it is a fragment without a whole TCP header."""
        cut_first = self.more_fragments and self.outcome() == "truncated"
        return self.outcome() == "fragment" or cut_first

    def is_received(self, mac: str) -> bool:
        """Returns whether a host at this address receives it: what ip_rcv() drops reaches no hook."""
        there = self.frame_len - _ETHERNET_HEADER
        fits = self.total_len <= there if self.total_len else there > _LARGEST_TOTAL_LEN
        sane = self.checksum_good and not self._contradicts_itself() and fits
        return self.dest_mac in (mac, _BROADCAST_MAC) and sane


def decode(capture: Path) -> list[Packet]:
    rows = [list(row.values()) for row in read_fields(capture, _FIELDS, *_PREFERENCES)]
    packets = [_packet(row) for row in rows if int(row[5] or "0", 16) == 0x0800]
    # tshark stops at headers that contradict themselves or are truncated.
    odd = {packet.frame for packet in packets if packet.protocol is None or packet.has_fragment_line()}
    frames = _frames(capture, odd) if odd else {}
    return [_with_bytes(packet, frames[packet.frame]) if packet.frame in odd else packet for packet in packets]


def _frames(capture: Path, numbers: set[int]) -> dict[int, bytes]:
    from scapy.utils import RawPcapNgReader

    return {number: frame for number, (frame, _) in enumerate(RawPcapNgReader(str(capture)), 1) if number in numbers}


def _with_bytes(packet: Packet, frame: bytes) -> Packet:
    """Completes a packet by its bytes: the protocol and, of a first fragment, the ports."""
    datagram = frame[_ETHERNET_HEADER:]
    if packet.protocol is None:
        return packet._replace(protocol=datagram[9] if len(datagram) > 9 else None)
    if packet.fragment_offset:
        return packet
    header = datagram[packet.header_len : packet.total_len or None][:4]
    source, dest = (int.from_bytes(header[at : at + 2]) if len(header) >= at + 2 else None for at in (0, 2))
    return packet._replace(ports=(source, dest))


def _packet(row: list[str]) -> Packet:
    frame, interface, frame_len, source_mac, dest_mac, _, version, *numbers = row[:_FIRST_LINE_FIELD]
    header_len, total_len, offset, more, protocol, checksum, tcp_header_len = numbers
    fields = row[_FIRST_LINE_FIELD:]
    line = None
    if all(fields):
        source, sport, dest, dport, seq, ack, window, csum, urg = fields
        line = Line(
            *(source, int(sport), dest, int(dport)),
            *(int(seq), int(ack), int(window), int(csum, 16), int(urg)),
        )
    return Packet(
        frame=int(frame),
        interface=interface,
        source_mac=source_mac,
        dest_mac=dest_mac,
        frame_len=int(frame_len),
        version=int(version) if version else None,
        header_len=int(header_len or 0),
        tcp_header_len=int(tcp_header_len or 0),
        total_len=int(total_len.replace(":", "") or "0", 16),
        fragment_offset=int(offset or 0),
        more_fragments=more in ("1", "True"),
        ports=(None, None),
        protocol=int(protocol) if protocol else None,
        checksum_good=checksum == _CHECKSUM_GOOD,
        source=fields[0],
        dest=fields[2],
        line=line,
    )


def lines(packets: list[Packet], capture: Path) -> list[Line]:
    """Returns the lines that are expected of these packets.

    tshark gives up on a TCP header whose length field says less than 20 bytes; scapy reads on,
    and is the oracle for those.
    """
    emitted = [packet for packet in packets if packet.outcome() == "emitted"]
    undecoded = {packet.frame for packet in emitted if packet.line is None}
    by_scapy = _scapy_lines(capture, undecoded) if undecoded else {}
    return [packet.line or by_scapy[packet.frame] for packet in emitted]


def _scapy_lines(capture: Path, frames: set[int]) -> dict[int, Line]:
    from scapy.layers.inet import IP, TCP
    from scapy.utils import RawPcapNgReader

    found = {}
    for number, (frame, _) in enumerate(RawPcapNgReader(str(capture)), 1):
        if number in frames:
            ip = IP(frame[_ETHERNET_HEADER:])
            tcp = TCP(bytes(ip)[ip.ihl * 4 :])
            assert tcp.dataofs * 4 < _TCP_HEADER, f"tshark does not decode frame {number}"
            found[number] = Line(
                *(ip.src, tcp.sport, ip.dst, tcp.dport),
                *(tcp.seq, tcp.ack, tcp.window, tcp.chksum, tcp.urgptr),
            )
    return found


def summarize(packets: list[Packet]) -> Summary:
    """Returns the counts that are expected of these packets."""
    counts = Counter(packet.outcome() for packet in packets)
    # These have a line of their own.
    counts["emitted"] += counts.pop("fragment", 0)
    # These have a line, too, but an invalid data offset, so that tshark gives up on them.
    nonsense = sum(packet.outcome() == "emitted" and packet.line is None for packet in packets)
    counts["emitted"] -= nonsense
    counts["invalid"] += nonsense
    # So have these.
    cut = sum(packet.has_cut_options() for packet in packets)
    counts["emitted"] -= cut
    counts["truncated"] += cut
    kinds = [counts[name] for name in Summary._fields[1:]]
    return Summary(sum(kinds), *kinds)


def fragments(packets: list[Packet]) -> list[Fragment]:
    """Returns the lines of fragments that are expected of these packets."""
    # tshark has the offset as it is, in units of 8 bytes.
    return [
        Fragment(packet.source, packet.ports[0], packet.dest, packet.ports[1], packet.fragment_offset * 8)
        for packet in packets
        if packet.has_fragment_line()
    ]


def surplus[T: NamedTuple](lines: list[T], others: list[T]) -> list[T]:
    """Returns the lines that occur more often than among the others."""
    return list((Counter(lines) - Counter(others)).elements())


def difference[T: NamedTuple](expected: list[T], printed: list[T]) -> str:
    """Reports missing and surplus lines, with multiplicity; empty if there are none."""
    missing, extra = surplus(expected, printed), surplus(printed, expected)
    report = [f"missing: {line}" for line in missing[:5]]
    report += [f"too much: {line}" for line in extra[:5]]
    if report:
        report.insert(0, f"{len(missing)} lines missing, {len(extra)} too many")
    return "\n".join(report)
