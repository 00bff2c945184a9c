# SPDX-License-Identifier: GPL-2.0
"""Registrations end with their module, whatever safe code did with them."""

import re
import subprocess
from pathlib import Path

import pytest

from support.hook_modules import MODULES, loaded, ping
from support.netns import ip, run
from support.network import Network
from support.traffic import steady_traffic
from support.waiting import wait_until


def _hooks() -> str:
    """Returns nft's list of hooks, with those of loopback."""
    return run("nft", "list", "hooks")


@pytest.mark.every_kernel
def test_what_safe_code_leaks_ends_with_the_module(network: Network) -> None:
    with steady_traffic(network):
        for _ in range(5):
            with loaded("breaker") as breaker:
                # Two points each here and everywhere, and the two of the device.
                assert len(re.findall(r"\[breaker\]", _hooks())) == 6
                ping("127.0.0.1")
                breaker.unload()
                assert "breaker" not in _hooks()
                # A hook that is left would call code that is gone.
                assert ping("127.0.0.1")[0] == 3
                (seen,) = (int(line.split()[1]) for line in breaker.lines() if line.startswith("seen "))
                assert seen >= 36


def test_what_safe_code_leaks_holds_no_namespace_after_the_module() -> None:
    run("ip", "netns", "add", "doomed")
    ip("link add held0 type veth peer name held1 netns doomed")
    ip("link set lo up", netns="doomed")
    with subprocess.Popen(["ip", "netns", "exec", "doomed", "sleep", "600"]) as there:
        own = Path("/proc/self/ns/net").stat().st_ino
        wait_until(lambda: Path(f"/proc/{there.pid}/ns/net").stat().st_ino != own, "the process is there", 5)
        with loaded("breaker", pid=there.pid):
            # Two points each there and everywhere, and the two of the device.
            assert len(re.findall(r"\[breaker\]", run("nft", "list", "hooks", netns="doomed"))) == 6
        there.terminate()
    run("ip", "netns", "del", "doomed")
    wait_until(lambda: not Path("/sys/class/net/held0").exists(), "the namespace is gone", 10)


def test_what_was_registered_ends_if_init_fails_afterwards(network: Network) -> None:
    with steady_traffic(network):
        for _ in range(5):
            with pytest.raises(AssertionError, match="Invalid parameters"):
                run("insmod", str(MODULES / "breaker.ko"), "fail=1")
            assert "breaker" not in _hooks()
            assert ping("127.0.0.1")[0] == 3


def test_a_handler_is_refused_what_would_wait_for_itself(network: Network) -> None:
    with loaded("breaker") as breaker:
        # Requests are sent in process context, and received in softirq context.
        assert ping(network.peer_address)[0] == 3
        ping("127.0.0.1")
        lines = [line for line in breaker.lines() if line.startswith("in a handler ")]
    assert lines == ["in a handler 0 not refused"] * 3


def test_a_module_that_names_its_own_type_is_made_once() -> None:
    for _ in range(2):
        with pytest.raises(AssertionError, match="Device or resource busy"):
            run("insmod", str(MODULES / "impostor.ko"))
