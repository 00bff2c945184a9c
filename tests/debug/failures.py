# SPDX-License-Identifier: GPL-2.0
"""Has each allocation and each registration of a load, and of a write to a parameter, fail in turn.

Runs in the debug kernel. What is refused logs why, leaves nothing behind, and changes nothing.
"""

import ctypes
import errno
import itertools
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers import load, look_for_leaks, unload
from injection import Function, Memory

from support import netns, parameters
from support.syscalls import finit_module
from vm.pace import Limit

_NAME = "nf_tracer"
_EVERYTHING = (
    "netns=all hooks=all family=inet proto=all host=127.0.0.0/8,::/0 src=::/0,0.0.0.0/0 dst=::/0,0.0.0.0/0 port=1-65535"
    " sport=0-65535 dport=1-65535 iface=lo,eth+ sink=log,trace,nflog:5 format=nf_log rate=1 burst=1 priority=raw"
    ' bpf="1,6 0 0 1"'
)
_CHANGED = "netns=all hooks=all family=inet proto=all sink=log,trace,nflog:5 format=nf_log rate=1 burst=1 priority=raw"
_LOADS = {"plain": "", "full": _EVERYTHING}
# Pairs of values, each of which is written while the other one is active.
_VALUES = {
    "hooks": ("all", "input,output"),
    "family": ("inet", "ipv6"),
    "netns": ("all", "host"),
    "priority": ("raw", "first+1"),
    "proto": ("all", "tcp"),
    **dict.fromkeys(("host", "src", "dst"), ("", "10.0.0.0/8,fe80::/10")),
    **dict.fromkeys(("port", "sport", "dport"), ("", "9-99,1000")),
    "iface": ("", "eth+"),
    "bpf": ("", "2,48 0 0 0,6 0 0 0"),
    "rate": ("1", "2"),
    "burst": ("1", "2"),
    "format": ("nf_log", "full"),
    "sink": ("log,trace,nflog:5", "log"),
    "settings": (
        "defaults netns=all hooks=all family=inet proto=all sink=log,trace,nflog:5 format=nf_log rate=1 burst=1"
        " priority=raw",
        "defaults hooks=input,output family=ipv6 proto=tcp,udp host=10.0.0.0/8,fe80::/10 dport=9-99,1000 iface=eth+"
        ' bpf="2,48 0 0 0,6 0 0 0" format=full sink=nflog:6 rate=2',
    ),
}

# Errors that nothing here returns by itself, so that their origin is known.
_REGISTRATIONS = {
    "bpf_prog_create": errno.ENOANO,
    "nf_logger_find_get": errno.EUNATCH,
    "nf_register_net_hooks": errno.EXFULL,
    "register_pernet_subsys": errno.EBADSLT,
}


class Tally:
    """Counts what failed, and what was refused for that."""

    def __init__(self) -> None:
        self.allocations = self.registrations = self.loads = self.writes = 0

    def add(self, is_memory: bool, failed: int) -> None:
        if is_memory:
            self.allocations += failed
        else:
            self.registrations += failed

    def __str__(self) -> str:
        return (
            f"{self.allocations} allocations failed, {self.registrations} registrations failed, "
            f"{self.loads} loads refused, {self.writes} writes refused"
        )


def fail_each(
    what: str,
    means: Memory | Function,
    do: Callable[[], int],
    undo: Callable[[], object],
    check_refused: Callable[[], None],
    step: int = 1,
) -> tuple[int, int]:
    """Has the first of what `do` needs fail, then the one `step` further on, until none does. It has been done then.

    Returns how many failed, and how often that made `do` fail. `undo` is called where it did not.
    """
    total = refused = 0
    for nth in itertools.count(1, step):
        means.arm(nth)
        error = do()
        failed = means.disarm()
        told = f"{what}: failure {nth} gave {os.strerror(error)}"
        if not failed:
            assert not error, f"{told}, though nothing failed"
            break
        total += 1
        if error:
            assert error == means.error, f"{told}, not {os.strerror(means.error)}"
            check_refused()
            refused += 1
        else:
            undo()
    print(f"{what}: {means.name} failed {total} times, {refused} times refused", flush=True)
    return total, refused


def check_unloaded() -> None:
    assert not Path("/sys/module", _NAME).exists()


def check_nothing_is_left() -> None:
    hooks = subprocess.run(["nft", "list", "hooks"], capture_output=True, text=True, check=True).stdout
    assert _NAME not in hooks, hooks
    # A pernet operation that is still registered would be called now.
    with netns.more(1):
        pass


def fail_loads(file: Path, given: str, means: Memory | Function, step: int) -> tuple[int, int]:
    def do() -> int:
        return finit_module(opened, given.encode())

    opened = os.open(file, os.O_RDONLY)
    done = fail_each(f"insmod {given}", means, do, lambda: unload(_NAME), check_unloaded, step)
    os.close(opened)
    unload(_NAME)
    check_nothing_is_left()
    return done


def counts_text() -> str:
    return (parameters.FOLDER / "counts").read_text()


def values() -> dict[str, str]:
    """Returns the text of each parameter that can be set."""
    files = [file for file in parameters.FOLDER.iterdir() if file.stat().st_mode & 0o200]
    return {file.name: file.read_text() for file in files}


class Probe:
    """Sends itself a packet, and reads what the module counts of it."""

    def __init__(self) -> None:
        self._to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to.bind(("127.0.0.1", 0))
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.connect(self._to.getsockname())

    def counted(self) -> dict[str, tuple[int, ...]]:
        """Returns the packets seen and not matched for one packet sent, at each point and for each sink."""
        before = self._counts()
        self._sock.send(b"x")
        self._to.recv(1)
        more = {
            where: tuple(now - then for now, then in zip(counts, before.get(where, (0, 0)), strict=True))
            for where, counts in self._counts().items()
        }
        return {where: counts for where, counts in more.items() if any(counts)}

    def _counts(self) -> dict[str, tuple[int, int]]:
        counts = {}
        for line in counts_text().splitlines():
            # A namespace that is left out, for the failure of its own.
            if line.startswith("netns "):
                continue
            hook, family, sink, _, seen, _, unwanted, *_ = line.split()
            counts[f"{hook} {family} {sink}"] = int(seen), int(unwanted)
        return counts


def fail_writes(name: str, old: str, new: str, means: Memory | Function, probe: Probe) -> tuple[int, int]:
    """Has each thing that writing `new` over `old` needs fail. `new` is active afterwards."""

    def write(value: str) -> int:
        try:
            os.pwrite(file, f"{value}\n".encode(), 0)
        except OSError as error:
            return error.errno or -1
        return 0

    def stays() -> None:
        now = values()
        assert now == before, f"{name}: {now} after a write that was refused, not {before}"
        counted = probe.counted()
        assert counted == active, f"{name}: {counted} after a write that was refused, not {active}"

    file = os.open(parameters.FOLDER / name, os.O_WRONLY)
    assert write(old) == 0
    before = values()
    active = probe.counted()
    done = fail_each(f"{new} > {name}", means, lambda: write(new), lambda: write(old), stays)
    os.close(file)
    return done


def fail_all_writes(file: Path, means: Memory | Function) -> tuple[int, int]:
    error = load(file, _CHANGED)
    assert error == 0, os.strerror(error)
    probe = Probe()
    pairs = [(name, *pair) for name, values in _VALUES.items() for pair in (values, values[::-1])]
    done = [fail_writes(*pair, means, probe) for pair in pairs]
    unload(_NAME)
    check_nothing_is_left()
    return sum(failed for failed, _ in done), sum(refused for _, refused in done)


def fail_new_namespaces(file: Path) -> int:
    """Has each registration in a new namespace fail: it is made all the same, and taken in some seconds later.

    Returns how many failed.
    """
    error = load(file, _CHANGED)
    assert error == 0, os.strerror(error)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    with Function("nf_register_net_hooks", errno.EXFULL) as function:
        for nth in itertools.count(1):
            function.arm(nth)
            os.unshare(os.CLONE_NEWNET)
            failed = function.disarm()
            inode = Path("/proc/self/ns/net").stat().st_ino
            said = f"netns {inode} left out: error -{errno.EXFULL}\n"
            if not failed:
                break
            assert said in counts_text(), f"failure {nth}: {counts_text()}"
            limit = Limit(60)
            while said in counts_text():
                assert not limit.is_over(), counts_text()
                time.sleep(0.5)
        os.setns(home, os.CLONE_NEWNET)
    os.close(home)
    unload(_NAME)
    check_nothing_is_left()
    print(f"{nth - 1} new namespaces left out and taken in", flush=True)
    return nth - 1


def each_means() -> Iterator[tuple[bool, Memory | Function]]:
    """Yields each means of failure, with whether it is allocations that fail."""
    yield True, Memory()
    with Function("pcpu_alloc_noprof", errno.ENOMEM, gives_pointer=True) as function:
        yield True, function
    for name, error in _REGISTRATIONS.items():
        with Function(name, error) as function:
            yield False, function


def fail(modules: Path, step: str, *which: str) -> None:
    """Has loads and writes fail: those of 'plain', 'full' and 'writes' that are named.

    Of a load's allocations each `step`th fails: there are hundreds, most of them the kernel's own. Functions fail in
    full loads only: the others call some of the same.
    """
    # So that no page of this process is allocated while allocations fail.
    mcl_current, mcl_future = 1, 2
    ctypes.CDLL(None).mlockall(mcl_current | mcl_future)
    file = modules / "real/nf_tracer.ko"
    loads = [_LOADS[name] for name in which if name in _LOADS]
    assert load(modules / "tests/debug/modules/refuser.ko") == 0
    tally = Tally()
    with netns.more(2):
        for is_memory, means in each_means():
            if isinstance(means, Memory):
                some, loads_step = loads, int(step)
            else:
                some, loads_step = loads and [_EVERYTHING], 1
            for given in some:
                failed, refused = fail_loads(file, given, means, loads_step)
                tally.add(is_memory, failed)
                tally.loads += refused
            if "writes" in which:
                failed, refused = fail_all_writes(file, means)
                tally.add(is_memory, failed)
                tally.writes += refused
    tally.registrations += fail_new_namespaces(file)
    unload("refuser")
    look_for_leaks()
    print(tally)
