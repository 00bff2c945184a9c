# SPDX-License-Identifier: GPL-2.0
"""Untrusted input (packets, device names, values) forges no line, and no line leaks a kernel address."""

import ctypes
import fcntl
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import frames, listeners, module, parameters
from support.kernel import TRACING
from support.netns import inside, run
from support.network import Network
from support.traffic import Injector, send_datagrams

_libc = ctypes.CDLL(None, use_errno=True)
_SIOCSIFNAME = 0x8923
# /dev/kmsg escapes what is not printable, this action of syslog(2) does not.
_ACTION_READ_ALL = 3
_TAIL = 1 << 18
_FORGED = b"x\nnf_tracer: source : 1.2.3.4:5 | dest : 6.7.8.9:10 | seq : 1"
_ESCAPE = b"\x1b[8m"
_VALUES = (_FORGED, _ESCAPE + b"0", b"1\r2\x07", b"%s%n\x01", "1\u202e".encode(), b"\xff\x9b")
# An address of the kernel's memory or of its code.
_ADDRESS = re.compile(r"(?<![0-9a-f])(?:0x)?f{4,8}[89a-f][0-9a-f]{7,11}(?![0-9a-f])")
_NAMES = {
    b'a"b=c|d\\e': rb"a\x22b\x3dc\x7cd\x5ce",
    b"in" + _ESCAPE: rb"in\x1b[8m",
    b"\x01\x07\x7f';$(`": rb"\x01\x07\x7f';$(`",
    "\u00e9\u202e".encode(): rb"\xc3\xa9\xe2\x80\xae",
    b"\xff\x80\x9b": rb"\xff\x80\x9b",
}


def _raw_log() -> list[bytes]:
    """Returns the lines of the kernel's log as bytes, without their time."""
    buffer = ctypes.create_string_buffer(_TAIL)
    length = _libc.klogctl(_ACTION_READ_ALL, buffer, _TAIL)
    lines = [re.sub(rb"^<\d+>\[ *[\d.]+\] ", b"", line) for line in buffer.raw[:length].split(b"\n")]
    return lines[1:]


class Said:
    """A context that collects the lines logged within it."""

    def __enter__(self) -> "Said":
        self._mark = f"mark {time.monotonic_ns()}".encode()
        Path("/dev/kmsg").write_bytes(self._mark + b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        log = _raw_log()
        self.lines = log[log.index(self._mark) + 1 :]

    def by_us(self) -> list[bytes]:
        return [line for line in self.lines if line.startswith(b"nf_tracer: ")]


@pytest.fixture(scope="module")
def devices() -> Iterator[list[bytes]]:
    """Makes devices whose names have control characters, each with a network behind."""
    names = list(_NAMES)
    for number, name in enumerate(names):
        for command in (
            ["ip", "link", "add", "name", name, "type", "dummy"],
            ["ip", "addr", "add", f"10.77.{number}.1/24", "dev", name],
            ["ip", "link", "set", name, "up"],
        ):
            subprocess.run(command, check=True)
    yield names
    for name in names:
        subprocess.run(["ip", "link", "del", name], check=True)


@pytest.fixture
def dummy() -> Iterator[None]:
    run("ip", "link", "add", "dummy0", "type", "dummy")
    yield
    run("ip", "link", "del", "dummy0")


def _send_by_each(names: list[bytes]) -> None:
    for number in range(len(names)):
        send_datagrams(1, f"10.77.{number}.2")


@pytest.mark.usefixtures("dummy")
def test_no_device_has_a_name_with_a_blank_or_a_lines_end() -> None:
    # The kernel refuses, not ip: the ioctl takes any bytes.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for name in (b"a" + bytes([byte]) + b"b" for byte in b" \t\n\v\f\r\xa0/:%"):
            with pytest.raises(OSError, match="Invalid argument"):
                fcntl.ioctl(sock, _SIOCSIFNAME, struct.pack("16s24s", b"dummy0", name))
        fcntl.ioctl(sock, _SIOCSIFNAME, struct.pack("16s24s", b"dummy0", b"plain0"))
        fcntl.ioctl(sock, _SIOCSIFNAME, struct.pack("16s24s", b"plain0", b"dummy0"))


def test_a_devices_name_is_one_plain_word_of_a_full_line(devices: list[bytes]) -> None:
    with parameters.loaded("proto=udp hooks=output rate=0 format=full"), Said() as said:
        _send_by_each(devices)
    found = [match[1] for line in said.by_us() if (match := re.match(rb"nf_tracer: hook=output .*? out=(\S*) ", line))]
    assert found == list(_NAMES.values())
    assert all(line.isascii() and line.decode().isprintable() for line in said.by_us())


def test_nf_log_lines_and_the_events_text_have_the_name_as_the_kernels_own_do(devices: list[bytes]) -> None:
    with parameters.loaded("proto=udp hooks=output rate=0 format=nf_log sink=log,trace"), listeners.ftrace():
        with Said() as said:
            _send_by_each(devices)
        text = (TRACING / "trace").read_bytes()
    for name in devices:
        assert any(b" OUT=" + name + b" " in line for line in said.by_us()), name
        assert b" outdev=" + name + b" " in text, name


def test_what_is_in_a_packet_makes_no_line_and_no_field(network: Network) -> None:
    injector = Injector(network.peer, network.peer_device)
    # Two TCP options of unknown kinds, and NOPs.
    options = b"x\x0d\nnf_tracer:" + b"y\x06" + _ESCAPE
    segment = frames.tcp(doff=15, rest=options.ljust(40, b"\x01") + _FORGED)
    for form in ("classic", "full", "nf_log"):
        with parameters.loaded(f"hooks=prerouting rate=0 format={form}"), Said() as said:
            injector.send(frames.ethernet(frames.ipv4(segment, "10.68.1.1", frames.HOST)))
            injector.send(frames.ethernet(frames.ipv4(_FORGED, "10.68.1.1", frames.HOST)))
            injector.send(frames.ethernet(frames.ipv4(segment, "10.68.1.1", frames.HOST, options=_ESCAPE * 4)))
            time.sleep(0.2)
            counts = parameters.total()
        assert counts.emitted + counts.invalid == 3
        starts = b"source : 10.68", b"hook=prerouting ", b"IN=veth0 ", b"prerouting ipv4 log seen ", b"log seen "
        assert all(line.removeprefix(b"nf_tracer: ").startswith(starts) for line in said.by_us()), said.by_us()
        assert all(line.isascii() and line.decode().isprintable() for line in said.lines), said.lines
    injector.close()


def test_a_value_that_is_refused_is_quoted_as_plain_text() -> None:
    with Said() as at_load:
        for value in _VALUES[:-1]:
            with pytest.raises(OSError, match="Invalid argument"):
                module.load(f'rate="{value.decode()}"')
    ours = [line for line in at_load.by_us() if line.startswith(b"nf_tracer: rate: ")]
    assert len(ours) == len(_VALUES) - 1
    assert all(line.isascii() and line.decode().isprintable() for line in ours), ours
    # The kernel's own line does not escape it, but only who loads modules can cause one.
    assert any(line.startswith(b"nf_tracer: `" + _ESCAPE) for line in at_load.lines)
    with Said() as said, parameters.loaded(""):
        for value in _VALUES:
            for name in ("rate", "host", "iface", "bpf", "sink"):
                with pytest.raises(OSError, match="Invalid argument"):
                    parameters.put(name, value)
    ours = [line for line in said.by_us() if re.match(rb"nf_tracer: (rate|host|iface|bpf|sink): ", line)]
    assert len(ours) == len(_VALUES) * 5
    assert not [line for line in said.lines if line.startswith(b"nf_tracer: source")]
    assert all(line.isascii() and line.decode().isprintable() for line in said.lines), said.lines


def test_no_line_leaks_a_kernel_address(network: Network) -> None:
    assert _ADDRESS.search("skbaddr=ffff8880012ab400 ")
    assert _ADDRESS.search("ffffffffc0201000")
    with Said() as said:
        for form in ("classic", "full", "nf_log"):
            with parameters.loaded(f"proto=all hooks=all netns=all rate=0 format={form} sink=log,trace,nflog:5"):
                with inside(network.peer):
                    send_datagrams(3, network.address)
                send_datagrams(3, network.peer_address)
                with pytest.raises(OSError, match="Invalid"):
                    parameters.put("rate", "x")
    assert len(said.by_us()) > 40
    assert not [line for line in said.lines if _ADDRESS.search(line.decode(errors="replace"))]


def test_the_events_text_has_the_address_of_the_packet_hashed() -> None:
    options = TRACING / "options/hash-ptr"
    found = {}
    with parameters.loaded("proto=udp hooks=output sink=trace"), listeners.ftrace():
        send_datagrams(1)
        for hashed in ("1", "0"):
            options.write_text(hashed)
            text = (TRACING / "trace").read_text()
            found[hashed] = listeners.events(text)[0]["skbaddr"]
    options.write_text("1")
    assert _ADDRESS.fullmatch(found["0"])
    assert not _ADDRESS.fullmatch(found["1"])


def test_it_taints_the_kernel_as_built_out_of_tree_and_not_signed() -> None:
    with parameters.loaded(""):
        assert Path("/sys/module/nf_tracer/taint").read_text() == "OE\n"
        # Another test loads the module by force, a taint that stays.
        forced, out_of_tree, unsigned = 1 << 1, 1 << 12, 1 << 13
        assert int(Path("/proc/sys/kernel/tainted").read_text()) & ~forced == out_of_tree | unsigned
