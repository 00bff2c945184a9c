#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs one scene in the debug kernel; what the kernel finds wrong ends up on its console.

Usage: inside.py MODULES SCENE [ARGUMENT...], where MODULES is the folder of what was built.
"""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from netns import bring_up_loopback

_libc = ctypes.CDLL(None, use_errno=True)
# From asm/unistd_64.h: glibc has no functions for them.
_SYS_DELETE_MODULE = 176
_SYS_FINIT_MODULE = 313

_KMEMLEAK = Path("/sys/kernel/debug/kmemleak")
_FAILSLAB = Path("/sys/kernel/debug/failslab")


def forked(work: Callable[[], None]) -> int:
    """Runs `work` in a process of its own, which ends with this one at the latest."""
    child = os.fork()
    if child == 0:
        pr_set_pdeathsig = 1
        _libc.prctl(pr_set_pdeathsig, signal.SIGKILL)
        # So that what is being tested is not the last to run.
        os.nice(10)
        try:
            work()
        finally:
            os._exit(0)
    return child


def send_datagrams(count: int | None = None, pause: float = 0) -> None:
    """To a port that nobody listens on, so that each has an ICMP error for an answer."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while count is None or count > 0:
        sock.sendto(b"x" * 100, ("127.0.0.1", 9))
        count = None if count is None else count - 1
        if pause:
            time.sleep(pause)


def make_namespaces() -> None:
    """Namespaces that come, send a few packets and go."""

    def live() -> None:
        os.unshare(os.CLONE_NEWNET)
        bring_up_loopback()
        send_datagrams(20)

    while True:
        os.waitpid(forked(live), 0)


def make_devices() -> None:
    """A pair of devices that comes and goes."""
    changes = "link set stress1 mtu 1400\nlink set stress1 mtu 1500\n" * 10
    round_trip = f"""\
link add stress0 type veth peer name stress1
link set stress0 up
link set stress1 up
{changes}
link del stress0
"""
    while True:
        subprocess.run(["ip", "-force", "-batch", "-"], input=round_trip * 100, text=True, check=False)


def send_frames() -> None:
    """Through both devices of the pair, whenever they are there."""
    frame = b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + b"E" + bytes(60)
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("stress0", 0))
            while True:
                sock.send(frame)
        time.sleep(0.01)


@contextlib.contextmanager
def traffic() -> Iterator[None]:
    """Packets on every CPU, while namespaces and devices come and go."""
    workers = [forked(send_datagrams) for _ in range(os.cpu_count() or 1)]
    workers += [forked(work) for work in (make_namespaces, make_devices, send_frames)]
    try:
        yield
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)


def load(file: Path, parameters: str = "") -> int:
    """Loads a module; gives the error number, or 0."""
    with file.open("rb") as opened:
        failed = _libc.syscall(_SYS_FINIT_MODULE, opened.fileno(), parameters.encode(), 0)
        return ctypes.get_errno() if failed else 0


def unload(name: str) -> None:
    while _libc.syscall(_SYS_DELETE_MODULE, name.encode(), os.O_NONBLOCK) != 0:
        # Whoever looks at the module at this moment holds it.
        assert ctypes.get_errno() in (errno.EAGAIN, errno.EBUSY), os.strerror(ctypes.get_errno())
        time.sleep(0.01)


def look_for_leaks() -> None:
    """Has kmemleak look twice: it takes what is younger than 5 s for not yet stored."""
    # After a report of KASAN's there is nothing to add, and a scan takes long.
    taint_bad_page = 1 << 5
    if int(Path("/proc/sys/kernel/tainted").read_text()) & taint_bad_page:
        return
    time.sleep(5)
    for _ in range(2):
        _KMEMLEAK.write_text("scan")
    leaks = _KMEMLEAK.read_text()
    assert not leaks, leaks


def register(modules: Path, *parameters: str) -> None:
    with traffic():
        error = load(modules / "tests/modules/registrar.ko", " ".join(parameters))
        assert error == 0, os.strerror(error)
        unload("registrar")
    look_for_leaks()


def reload(modules: Path, rounds: str) -> None:
    with traffic():
        for _ in range(int(rounds)):
            for file in ("nf_tracer.ko", "tests/modules/netns_counter.ko"):
                error = load(modules / file)
                assert error == 0, os.strerror(error)
                unload(Path(file).stem)
    look_for_leaks()


def write_parameters(values: list[tuple[str, str]], rounds: int) -> None:
    for number in range(rounds):
        name, value = values[number % len(values)]
        # What is refused tells of it by a line, which is a part of what is being tried.
        with contextlib.suppress(OSError):
            Path("/sys/module/nf_tracer/parameters", name).write_text(f"{value}\n")


def change(modules: Path, rounds: str) -> None:
    """Has several processes change every parameter at once."""
    lists = "port", "sport", "dport", "host", "src", "dst", "iface"
    sets = [
        [("hooks", "all"), ("family", "ipv6"), ("hooks", "output"), ("family", "inet"), ("priority", "raw")],
        [("netns", "all"), ("priority", "filter"), ("netns", "host"), ("priority", "none such")],
        [(name, value) for name in lists for value in ("9-99,1000", "", "10.0.0.0/8,::/0", "lo,stress+")],
        [("format", "full"), ("bpf", "1,6 0 0 1"), ("proto", "udp,icmp"), ("format", "nf_log"), ("bpf", "9,9")]
        + [("rate", "20"), ("burst", "1"), ("proto", "all"), ("format", "classic"), ("bpf", ""), ("rate", "30")],
    ]
    with traffic():
        error = load(modules / "nf_tracer.ko", "rate=20 burst=20 netns=all hooks=all family=inet proto=all")
        assert error == 0, os.strerror(error)
        writers = [forked(lambda values=values: write_parameters(values, int(rounds))) for values in sets]
        counts = Path("/sys/module/nf_tracer/parameters/counts")
        while writers:
            writers = [writer for writer in writers if os.waitpid(writer, os.WNOHANG)[0] == 0]
            for line in counts.read_text().splitlines():
                seen, *others = (int(word) for word in line.split()[4::2])
                assert seen == sum(others), line
            time.sleep(0.1)
        print(counts.read_text())
        unload("nf_tracer")
        # A load that ends with the second of its parameters.
        assert load(modules / "nf_tracer.ko", "port=1-9 rate=fast") == errno.EINVAL
    look_for_leaks()


def fail_each_allocation(file: Path) -> None:
    """Has the first allocation of a load fail, then the second, until none does."""
    fail_nth = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
    refused = 0
    for nth in range(1, 10_000):
        opened = os.open(file, os.O_RDONLY)
        os.pwrite(fail_nth, str(nth).encode(), 0)
        failed = _libc.syscall(_SYS_FINIT_MODULE, opened, b"", 0)
        error = ctypes.get_errno()
        # It counts down to the allocation that fails.
        injected = int(os.pread(fail_nth, 16, 0).rstrip(b"\n\0")) == 0
        os.pwrite(fail_nth, b"0", 0)
        os.close(opened)
        if failed:
            assert injected, f"allocation {nth}: {os.strerror(error)} though none failed"
            assert error == errno.ENOMEM, f"allocation {nth}: {os.strerror(error)}"
            refused += 1
            continue
        unload(file.stem)
        if not injected:
            break
    hooks = subprocess.run(["nft", "list", "hooks"], capture_output=True, text=True, check=True).stdout
    assert file.stem not in hooks, hooks
    print(f"{file.stem}: {nth - 1} allocations failed, {refused} loads refused")


def fail(modules: Path, *files: str) -> None:
    (_FAILSLAB / "ignore-gfp-wait").write_text("N")
    (_FAILSLAB / "verbose").write_text("0")
    # Under full traffic, hundreds of loads take most of an hour.
    sender = forked(lambda: send_datagrams(pause=0.01))
    for file in files:
        fail_each_allocation(modules / file)
    os.kill(sender, signal.SIGKILL)
    look_for_leaks()


def main() -> None:
    modules, scene, *arguments = sys.argv[1:]
    scenes = {"register": register, "reload": reload, "change": change, "fail": fail}
    bring_up_loopback()
    _KMEMLEAK.write_text("scan=off")
    _KMEMLEAK.write_text("clear")
    scenes[scene](Path(modules), *arguments)
    print(subprocess.run(["dmesg", "--notime"], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
