# SPDX-License-Identifier: GPL-2.0
"""Network namespaces without room for the module's hooks, which any user can make."""

import contextlib
import errno
import re
import time
from collections.abc import Iterator

import pytest

from support import kmsg, module, parameters
from support.container import Container, container
from support.hook_modules import MODULES, counted, full_hook_point, loaded, ping, rules
from support.netns import inside, run
from support.network import Network
from support.nft import counting_chain
from vm.pace import Limit

_FULL = errno.E2BIG
# Count in the host and in a namespace that is not full.
_COUNTERS = "".join(counting_chain(hook, condition="meta l4proto icmp") for hook in ("prerouting", "output"))
_PARAMETERS = "proto=icmp rate=0 format=full netns=all"


def _texts(log: kmsg.KernelLog) -> list[str]:
    """Returns the module's log lines that are not about packets."""
    texts = [text for _, text in log.read() if text.startswith("nf_tracer: ")]
    return [text for text in texts if " hook=" not in text and " seen " not in text]


def _left_out() -> dict[int, int]:
    """Returns the namespaces that the counts report as left out, with the error number."""
    lines = re.findall(r"^netns (\d+) left out: error -(\d+)$", parameters.get("counts"), re.MULTILINE)
    return {int(inode): int(error) for inode, error in lines}


def _seen(point: str) -> int:
    return parameters.counts().get(f"{point} ipv4", kmsg.Summary()).seen


class Others:
    """Traffic in the host and in another namespace, which must be traced whatever happens in a third one."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def check(self) -> None:
        before = self._counts()
        assert ping(self._network.peer_address, count=5)[0] == 5
        after = self._counts()
        # Five requests and five answers, at two points each, in both namespaces.
        assert after["ours"] - before["ours"] == after["nft"] - before["nft"] == 20

    def _counts(self) -> dict[str, int]:
        theirs = sum(counted().values()) + sum(counted(self._network.peer).values())
        counts = parameters.counts()
        ours = sum(counts[point].emitted for point in counts if point.split()[0] in ("prerouting", "output"))
        return {"ours": ours, "nft": theirs}


@pytest.fixture
def others(network: Network) -> Iterator[Others]:
    with rules(f"table ip t {{\n{_COUNTERS}}}"), rules(f"table ip t {{\n{_COUNTERS}}}", network.peer):
        yield Others(network)


def _wait_until_taken_in(inode: int) -> None:
    # It is tried every five seconds.
    limit = Limit(20)
    while inode in _left_out():
        assert not limit.is_over(), parameters.get("counts")
        time.sleep(0.1)


def test_a_full_namespace_is_left_out_alone_and_taken_in_when_there_is_room(
    log: kmsg.KernelLog, others: Others
) -> None:
    with container() as full:
        full.fill("output")
        log.read()
        with parameters.loaded(_PARAMETERS):
            assert _left_out() == {full.inode: _FULL}
            (text,) = _texts(log)
            assert text.startswith(f"nf_tracer: netns {full.inode} left out: error -{_FULL} at ipv4 output: ")
            others.check()
            # All or nothing: not at the other point either.
            before = _seen("prerouting")
            full.ping(5)
            assert _seen("prerouting") == before
            # Nothing changes, and nothing is logged again.
            for name, value in (("hooks", "all"), ("priority", "last"), ("family", "inet"), ("hooks", "output")):
                parameters.put(name, value)
                assert _left_out() == {full.inode: _FULL}
            parameters.put("hooks", "prerouting,output")
            others.check()
            # Only the note that `proto=icmp` matches no IPv6.
            (text,) = _texts(log)
            assert "icmpv6" in text
            # Where it is not to be hooked, nothing is left out.
            parameters.put("netns", "host")
            assert _left_out() == {}
            parameters.put("netns", "all")
            assert _left_out() == {full.inode: _FULL}
            (text,) = _texts(log)
            assert f"netns {full.inode} left out" in text

            full.make_room()
            _wait_until_taken_in(full.inode)
            others.check()
            assert _texts(log) == [f"nf_tracer: netns {full.inode} taken in"]
            before = _seen("prerouting")
            full.ping(5)
            assert _seen("prerouting") == before + 10
        assert module.hooks() == []


def test_a_change_takes_a_namespace_in_that_has_room_again(log: kmsg.KernelLog, others: Others) -> None:
    with container() as full:
        full.fill("output")
        with parameters.loaded(_PARAMETERS):
            full.make_room()
            log.read()
            parameters.put("priority", "last")
            assert _left_out() == {}
            assert _texts(log) == [f"nf_tracer: netns {full.inode} taken in"]
            others.check()


def test_a_namespace_with_room_for_one_hook_keeps_it_through_changes(log: kmsg.KernelLog, others: Others) -> None:
    with container() as full:
        full.fill("output", room=1)
        with parameters.loaded(_PARAMETERS):
            for priority in ("last", "raw", "first"):
                parameters.put("priority", priority)
                # There is no room for the new hook beside the old one, but in its place.
                assert _left_out() == {}
                before = _seen("output")
                full.ping(5)
                assert _seen("output") == before + 10
                others.check()
            assert [text for text in _texts(log) if "left out" in text] == []


def test_a_full_namespace_may_go_while_it_is_left_out(others: Others) -> None:
    with contextlib.ExitStack() as stack:
        with container() as full:
            full.fill("output")
            stack.enter_context(parameters.loaded(_PARAMETERS))
            assert _left_out() == {full.inode: _FULL}
        _wait_until_taken_in(full.inode)
        others.check()


def test_of_many_full_namespaces_the_counts_name_some_and_number_the_rest(others: Others) -> None:
    containers: list[Container] = []
    try:
        for _ in range(12):
            containers.append(Container())
            containers[-1].fill("output")
        with parameters.loaded(_PARAMETERS):
            assert set(_left_out().values()) == {_FULL}
            assert set(_left_out()) < {one.inode for one in containers}
            assert len(_left_out()) == 8
            assert parameters.get("counts").splitlines()[-1] == "netns left out: 4 more"
            for one in containers:
                one.make_room()
            limit = Limit(20)
            while "left out" in parameters.get("counts"):
                assert not limit.is_over()
                time.sleep(0.1)
            others.check()
    finally:
        for one in containers:
            one.end()


def test_the_initial_namespace_being_full_is_an_error_that_says_where(log: kmsg.KernelLog, network: Network) -> None:
    with full_hook_point("forward"):
        with parameters.loaded("proto=icmp rate=0 netns=all"):
            before = module.hooks()
            log.read()
            with pytest.raises(OSError, match=f"Errno {_FULL}"):
                parameters.put("hooks", "all")
            (text,) = _texts(log)
            assert "hooks: " in text
            assert f"error -{_FULL} at ipv4 forward" in text
            assert "nft list hooks" in text
            assert parameters.get("hooks") == "prerouting,output"
            assert module.hooks() == before
            # Not in any other namespace either.
            ping(network.peer_address)
            assert set(parameters.counts()) == {"prerouting ipv4", "output ipv4"}
        log.read()
        with pytest.raises(OSError, match=f"Errno {_FULL}"):
            module.load("hooks=forward")
        (text,) = _texts(log)
        assert f"error -{_FULL} at ipv4 forward" in text
        assert "nft list hooks" in text
    assert module.hooks() == []


def test_a_handler_that_is_to_be_everywhere_is_nowhere_if_a_namespace_is_full() -> None:
    with container() as full:
        full.fill("output")
        with pytest.raises(AssertionError, match="Argument list too long"):
            run("insmod", str(MODULES / "netns_counter.ko"))
        assert "netns_counter" not in run("nft", "list", "hooks")
        full.make_room()
        with loaded("netns_counter"):
            assert "netns_counter" in run("nft", "list", "hooks")


def test_namespaces_that_come_and_go_are_traced_beside_a_full_one(network: Network, others: Others) -> None:
    with container() as full, parameters.loaded(_PARAMETERS):
        full.fill("output", room=1)
        for _ in range(20):
            run("ip", "netns", "add", "passing")
            with inside("passing"):
                run("ip", "link", "set", "lo", "up")
                before = _seen("output")
                ping("127.0.0.1", count=1)
                assert _seen("output") == before + 2
            run("ip", "netns", "del", "passing")
        others.check()
    assert network
