# SPDX-License-Identifier: GPL-2.0
"""Attaches a BPF program of type netfilter, by the two bpf(2) commands that libbpf uses."""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator

from support.syscalls import number

_SYS_BPF = number("bpf")
# From linux/bpf.h.
_BPF_PROG_LOAD = 5
_BPF_LINK_CREATE = 28
_BPF_PROG_TYPE_NETFILTER = 32
_BPF_NETFILTER = 45
_NF_INET_PRE_ROUTING = 0
_NFPROTO_IPV4 = 2
# The core refuses the very first priority to BPF.
_PRIORITY = -(1 << 31) + 1

# r0 = 1 (NF_ACCEPT); exit
_ACCEPT = struct.pack("<BBhi", 0xB7, 0, 0, 1) + struct.pack("<BBhi", 0x95, 0, 0, 0)

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attributes: bytes) -> int:
    result = _libc.syscall(_SYS_BPF, command, attributes, len(attributes))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf: {os.strerror(error)}")
    return result


def _load() -> int:
    instructions = ctypes.create_string_buffer(_ACCEPT, len(_ACCEPT))
    licence = ctypes.create_string_buffer(b"GPL")
    # prog_type, insn_cnt, insns, license, log_level, log_size, log_buf, kern_version, prog_flags,
    # prog_name, prog_ifindex, expected_attach_type
    attributes = struct.pack(
        "<IIQQIIQII16sII",
        _BPF_PROG_TYPE_NETFILTER,
        len(_ACCEPT) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(licence),
        *(0, 0, 0, 0, 0),
        b"accept",
        0,
        _BPF_NETFILTER,
    )
    return _bpf(_BPF_PROG_LOAD, attributes)


@contextlib.contextmanager
def accepting() -> Iterator[None]:
    program = _load()
    try:
        # prog_fd, target_fd, attach_type, flags, and of netfilter: pf, hooknum, priority, flags
        link = _bpf(
            _BPF_LINK_CREATE,
            struct.pack(
                "<IIIIIIiI",
                *(program, 0, _BPF_NETFILTER, 0),
                *(_NFPROTO_IPV4, _NF_INET_PRE_ROUTING, _PRIORITY, 0),
            ),
        )
        try:
            yield
        finally:
            os.close(link)
    finally:
        os.close(program)
