# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading."""

import errno
import os
import time

import pytest

from support import kmsg, module
from support.hook_modules import full_hook_point
from support.netns import run
from support.network import Network
from support.traffic import fetch, steady_traffic, wait_for_packets, web_server
from support.waiting import wait_until

_ROUNDS = 20
_POINTS = ("prerouting", "output")
_FIRST = 1 - 2**31


def _mark(text: str) -> None:
    with open("/dev/kmsg", "w") as file:  # noqa: PTH123
        file.write(f"<6>test: {text}\n")


@pytest.mark.every_kernel
def test_it_is_loaded_and_unloaded_twenty_times_under_traffic(network: Network, log: kmsg.KernelLog) -> None:
    with steady_traffic(network):
        for _ in range(_ROUNDS):
            log.read()
            _mark("loading")
            module.load()
            wait_for_packets(network)
            module.unload()
            _mark("unloaded")
            time.sleep(0.02)
            records = log.read()
            texts = [text for _, text in records]
            first, last = texts.index("test: loading"), texts.index("test: unloaded")
            lines, summaries = kmsg.split_records(records[first:last])
            assert set(summaries) == set(_POINTS)
            assert all(summaries[point].emitted > 0 for point in _POINTS), summaries
            assert len(lines) == sum(summaries[point].emitted for point in _POINTS)
            late, _ = kmsg.split_records(records[last:])
            assert not late, "lines after the module was unloaded"
    assert not kmsg.complaints(log.read())


@pytest.mark.every_kernel
def test_its_hooks_are_the_first_at_both_points_while_it_is_loaded() -> None:
    assert module.hooks() == []
    module.load()
    assert module.hooks() == [f"ip output {_FIRST}", f"ip prerouting {_FIRST}"]
    with pytest.raises(FileExistsError):
        module.load()
    assert len(module.hooks()) == 2
    module.unload()
    assert module.hooks() == []


@pytest.mark.every_kernel
def test_insmod_and_rmmod_work() -> None:
    run("insmod", str(module.FILE))
    assert module.NAME in run("lsmod")
    run("rmmod", module.NAME)
    assert module.NAME not in run("lsmod")


@pytest.mark.every_kernel
@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("point", _POINTS)
def test_a_failing_registration_fails_the_load_and_leaves_nothing(point: str) -> None:
    with full_hook_point(point), web_server("127.0.0.1") as url:
        log = kmsg.KernelLog()
        with pytest.raises(OSError, match=os.strerror(errno.E2BIG)):
            module.load()
        assert not module.is_loaded()
        assert module.hooks() == []
        log.read()
        assert fetch(url + "1000") == 1000
        assert kmsg.split_records(log.read()) == ([], {})
    log.close()
    wait_until(lambda: "table ip full" not in run("nft", "list", "tables"), "the table is gone")
    module.load()
    assert len(module.hooks()) == 2
    module.unload()
