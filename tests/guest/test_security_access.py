# SPDX-License-Identifier: GPL-2.0
"""Access to the module's output and parameters: root's, and nobody else's unless root grants it."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import module, parameters, perf
from support.actors import attempt, module_loader, netns_root, powerless_root, user, userns_root
from support.kernel import EVENT, TRACING
from support.netns import bring_up_loopback, inside
from support.network import Network
from support.nflog import Listener
from support.traffic import send_datagrams

_libc = ctypes.CDLL(None, use_errno=True)
_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
_OTHERS = (user, userns_root, netns_root)
_SYSLOG_ACTION_READ_ALL = 3


def _open(file: Path, flags: int) -> Callable[[], str]:
    def what() -> str:
        os.close(os.open(file, flags | os.O_NONBLOCK))
        return "ok"

    return what


def _dmesg() -> str:
    buffer = ctypes.create_string_buffer(1 << 12)
    if _libc.klogctl(_SYSLOG_ACTION_READ_ALL, buffer, len(buffer)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "ok"


def _bind() -> str:
    with Listener(6):
        return "ok"


def test_a_group_of_nflog_has_one_listener() -> None:
    with Listener(6), Listener(7), pytest.raises(PermissionError), Listener(6):
        pass


@pytest.fixture
def loaded() -> Iterator[None]:
    with parameters.loaded("proto=udp host=127.0.0.1 sink=log,trace,nflog:5"):
        yield


@pytest.mark.usefixtures("loaded")
def test_root_alone_writes_parameters_and_reads_counts() -> None:
    for name, others_read in (("host", "ok"), ("counts", "EACCES")):
        file = parameters.FOLDER / name
        assert attempt(None, _open(file, os.O_RDONLY)) == "ok"
        for who in _OTHERS:
            assert attempt(who, _open(file, os.O_RDONLY)) == others_read, (name, who)
            assert attempt(who, _open(file, os.O_WRONLY)) == "EACCES", (name, who)


@pytest.mark.usefixtures("loaded")
def test_an_open_file_is_written_only_with_the_capabilities_that_nft_needs() -> None:
    with (parameters.FOLDER / "rate").open("wb", buffering=0) as file:
        assert attempt(None, lambda: file.write(b"7\n")) == 2
        assert parameters.get("rate") == "7"
        for who in (powerless_root, *_OTHERS):
            assert attempt(who, lambda: file.write(b"8\n")) == "EPERM", who
    assert attempt(powerless_root, lambda: parameters.put("rate", "8")) == "EPERM"
    assert parameters.get("rate") == "7"


def test_cap_sys_module_alone_is_enough_to_load_with_parameters() -> None:
    assert attempt(module_loader, lambda: module.load("rate=7")) is None
    assert parameters.get("rate") == "7"
    assert attempt(module_loader, module.unload) is None


def test_root_alone_loads_and_unloads_it() -> None:
    for who in (powerless_root, *_OTHERS):
        # Others may have no access to the checkout, and then cannot open the file.
        assert attempt(who, module.load) in ("EPERM", "EACCES"), who
    with parameters.loaded(""):
        for who in (powerless_root, *_OTHERS):
            assert attempt(who, module.unload) == "EPERM", who


@pytest.mark.usefixtures("loaded")
def test_the_log_is_for_root_alone_as_long_as_dmesg_restrict_is_on() -> None:
    restrict = Path("/proc/sys/kernel/dmesg_restrict")
    kmsg = _open(Path("/dev/kmsg"), os.O_RDONLY)
    assert restrict.read_text() == "1\n"
    assert attempt(None, _dmesg) == attempt(None, kmsg) == "ok"
    for who in _OTHERS:
        assert attempt(who, _dmesg) == attempt(who, kmsg) == "EPERM", who
        # Others cannot forge the module's lines, either.
        assert attempt(who, _open(Path("/dev/kmsg"), os.O_WRONLY)) == "EACCES", who
    restrict.write_text("0")
    try:
        assert attempt(user, _dmesg) == attempt(user, kmsg) == "ok"
    finally:
        restrict.write_text("1")


@pytest.mark.usefixtures("loaded")
def test_the_tracepoint_is_for_root_alone() -> None:
    raw, count = perf.opener(perf.PERF_SAMPLE_RAW, -1), perf.opener(0, 0)
    assert attempt(None, _open(TRACING / "trace_pipe", os.O_RDONLY)) == "ok"
    assert attempt(None, raw) == attempt(None, count) == "held"
    for who in _OTHERS:
        assert attempt(who, lambda: [file.name for file in TRACING.iterdir()]) == "EACCES", who
        assert attempt(who, _open(TRACING / "trace_pipe", os.O_RDONLY)) == "EACCES", who
        assert attempt(who, _open(EVENT / "enable", os.O_WRONLY)) == "EACCES", who
        assert attempt(who, raw) == attempt(who, count) == "EACCES", who


@pytest.mark.usefixtures("loaded")
def test_with_a_laxer_perf_event_paranoid_users_count_and_hold_it_but_see_no_packet() -> None:
    before = _PARANOID.read_text()
    assert before == "3\n"
    _PARANOID.write_text("2")
    try:
        assert attempt(user, perf.opener(0, 0)) == "held"
        assert (
            attempt(user, perf.opener(perf.PERF_SAMPLE_RAW, 0))
            == attempt(user, perf.opener(perf.PERF_SAMPLE_RAW, -1))
            == "EPERM"
        )
        _PARANOID.write_text("-1")
        assert attempt(user, perf.opener(perf.PERF_SAMPLE_RAW, -1)) == "held"
    finally:
        _PARANOID.write_text(before)


@pytest.mark.usefixtures("loaded")
def test_nflog_groups_are_for_the_owner_of_the_network_namespace() -> None:
    assert attempt(None, _bind) == "ok"
    assert attempt(user, _bind) == attempt(userns_root, _bind) == attempt(powerless_root, _bind) == "EPERM"
    assert attempt(netns_root, _bind) == "ok"


def _listen_and_send() -> int:
    bring_up_loopback()
    with Listener(5) as sock:
        sock.setblocking(False)
        send_datagrams(4)
        time.sleep(0.1)
        return sock.discard()


def test_nflog_gives_each_namespace_its_own_packets_and_none_of_the_others(network: Network) -> None:
    for netns, peers in (("host", 0), ("all", 3)):
        with parameters.loaded(f"proto=udp hooks=output sink=nflog:5 netns={netns}"), Listener(5) as host:
            host.setblocking(False)
            send_datagrams(2)
            with inside(network.peer), Listener(5) as peer:
                peer.setblocking(False)
                bring_up_loopback()
                send_datagrams(3)
                time.sleep(0.1)
                # The namespace's owner could see these by a packet socket, too.
                assert attempt(netns_root, _listen_and_send) == (4 if peers else 0)
                assert (host.discard(), peer.discard()) == (2, peers)
