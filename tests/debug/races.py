# SPDX-License-Identifier: GPL-2.0
"""Loads, unloads and changes modules while everything that uses them goes on. Runs in the debug kernel."""

import contextlib
import errno
import itertools
import os
import random
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from churn import forwarding, make_devices, make_namespaces, send_datagrams, send_frames, traffic, working
from dumps import change_under_lists
from helpers import end, forked, load, look_for_leaks, try_to_unload, unload

from support import parameters
from support.kernel import EVENT
from support.nflog import Listener

_NFLOG_GROUP = 5
_KCSAN = Path("/sys/kernel/debug/kcsan")

_LISTS = {
    **dict.fromkeys(("port", "sport", "dport"), "9-99,1000"),
    **dict.fromkeys(("host", "src", "dst"), "10.0.0.0/8,::/0"),
    "iface": "lo,stress+",
}
# A process writes each of these lists, over and over. Some values are refused, which logs to the slow console.
_WRITES = [
    [("hooks", "all"), ("family", "ipv6"), ("hooks", "output"), ("family", "inet"), ("priority", "raw")],
    [("netns", "all"), ("priority", "filter"), ("netns", "host"), ("priority", "last")],
    [(name, value) for name, other in _LISTS.items() for value in (other, "")] + [("port", "none")],
    [("format", "full"), ("bpf", "1,6 0 0 1"), ("proto", "udp,icmp"), ("format", "nf_log"), ("bpf", "9,9")]
    + [("sink", "trace"), ("rate", "20"), ("burst", "1"), ("sink", f"nflog:{_NFLOG_GROUP}"), ("proto", "all")]
    + [("format", "classic"), ("bpf", ""), ("rate", "30"), ("sink", f"log,trace,nflog:{_NFLOG_GROUP}")],
]
_EVERYTHING = f"rate=20 burst=20 netns=all hooks=all family=inet proto=all sink=log,trace,nflog:{_NFLOG_GROUP}"
_LOADS = ["rate=20 burst=20", _EVERYTHING, f'{_EVERYTHING} format=full bpf="1,6 0 0 1"']


def register(modules: Path, rounds: str, changes: str) -> None:
    with traffic():
        error = load(modules / "tests/modules/registrar.ko", f"rounds={rounds}")
        assert error == 0, os.strerror(error)
        unload("registrar")
    change_under_lists(modules, int(changes))
    look_for_leaks()


def leak(modules: Path, rounds: str) -> None:
    """Loads and unloads a module that leaks what it registers, or whose init fails then."""
    file = modules / "tests/modules/breaker.ko"
    with traffic():
        for _ in range(int(rounds)):
            error = load(file)
            assert error == 0, os.strerror(error)
            time.sleep(0.2)
            unload("breaker")
            assert load(file, "fail=1") == errno.EINVAL
    # A hook that is left would be called here.
    with traffic():
        time.sleep(1)
    print(f"{rounds} rounds")


def write_parameters(values: list[tuple[str, str]]) -> None:
    for name, value in itertools.cycle(values):
        # There is no file between two loads.
        with contextlib.suppress(OSError):
            (parameters.FOLDER / name).write_text(f"{value}\n")
        time.sleep(0.01)


def read_counts() -> None:
    while True:
        with contextlib.suppress(OSError):
            check_counts((parameters.FOLDER / "counts").read_text())
        time.sleep(0.05)


def check_counts(text: str) -> int:
    """Returns how many packets were seen; reports on the console if the counts do not add up."""
    total = 0
    for line in text.splitlines():
        # A namespace that is left out.
        if line.startswith("netns "):
            continue
        seen, *others = (int(word) for word in line.split()[4::2])
        if seen != sum(others):
            Path("/dev/kmsg").write_text(f"<3>BUG: nf_tracer's counts do not add up: {line}\n")
        total += seen
    return total


def hold_files() -> None:
    """Keeps files of the module open while it is unloaded, and reads them afterwards."""
    files = [*(parameters.FOLDER / name for name in ("counts", "port", "bpf")), EVENT / "format", EVENT / "enable"]
    while True:
        opened = []
        for file in files:
            with contextlib.suppress(OSError):
                opened.append(os.open(file, os.O_RDONLY))
        for pause in (0, random.uniform(0, 1)):
            time.sleep(pause)
            for fd in opened:
                with contextlib.suppress(OSError):
                    os.pread(fd, 4096, 0)
        for fd in opened:
            os.close(fd)


def listen_to_event() -> None:
    while True:
        for value, longest in (("1", 0.05), ("0", 0.5)):
            with contextlib.suppress(OSError):
                (EVENT / "enable").write_text(value)
            time.sleep(random.uniform(0, longest))


def listen_to_nflog() -> None:
    while True:
        # The acknowledgement may find no room between packets.
        with contextlib.suppress(OSError), Listener(_NFLOG_GROUP) as sock:
            sock.settimeout(0.1)
            until = time.monotonic() + random.uniform(0, 1)
            while time.monotonic() < until:
                with contextlib.suppress(OSError):
                    sock.recv(1 << 17)


def list_hooks() -> None:
    while True:
        subprocess.run(["nft", "list", "hooks"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        time.sleep(0.5)


def listener_holds_module() -> None:
    """Checks that an enabled tracepoint pins the module."""
    (EVENT / "enable").write_text("1")
    error = try_to_unload("nf_tracer")
    assert error == errno.EAGAIN, os.strerror(error)
    (EVENT / "enable").write_text("0")


@contextlib.contextmanager
def everything() -> Iterator[None]:
    """Runs everything that races with loading and unloading. Three processes send as fast as they can."""
    with (
        forwarding() as send_forwarded,
        working(
            *(send_datagrams, partial(send_datagrams, address="::1"), send_forwarded),
            *(partial(make_namespaces, pause=0.1), partial(make_devices, pause=0.5), partial(send_frames, pause=0.01)),
            *(partial(write_parameters, values) for values in _WRITES),
            *(read_counts, hold_files, listen_to_nflog, list_hooks),
        ),
    ):
        yield


def share(modules: Path, seconds: str) -> None:
    """Keeps all CPUs in the module at once, so that they share the limit."""
    error = load(modules / "nf_tracer.ko", "hooks=all family=inet proto=all rate=1000000 burst=1")
    assert error == 0, os.strerror(error)
    # Delays one access in a hundred, for as long as another CPU takes for a packet.
    for name, value in (("skip_watch", 100), ("udelay_task", 1000), ("udelay_interrupt", 1000)):
        Path("/sys/module/kcsan/parameters", name).write_text(str(value))
    with traffic(), working(read_counts):
        time.sleep(float(seconds))
    seen = check_counts((parameters.FOLDER / "counts").read_text())
    unload("nf_tracer")
    print(_KCSAN.read_text())
    print(f"{seen} packets seen")


def race(modules: Path, rounds: str) -> None:
    """Loads and unloads the module that often, while everything else goes on."""
    loads = seen = 0
    points: set[str] = set()
    started = time.monotonic()
    with everything():
        for number in range(int(rounds)):
            error = load(modules / "nf_tracer.ko", _LOADS[number % len(_LOADS)])
            assert error == 0, os.strerror(error)
            loads += 1
            if number % 5 == 0:
                listener_holds_module()
            listener = forked(listen_to_event)
            # Time for writes and packets to race.
            time.sleep(random.uniform(0, 0.3))
            text = (parameters.FOLDER / "counts").read_text()
            seen += check_counts(text)
            points.update(" ".join(line.split()[:3]) for line in text.splitlines())
            end(listener)
            # The listener may have been killed while the event was enabled.
            with contextlib.suppress(OSError):
                (EVENT / "enable").write_text("0")
            unload("nf_tracer")
            if number % 10 == 0:
                error = load(modules / "tests/modules/netns_counter.ko")
                assert error == 0, os.strerror(error)
                unload("netns_counter")
        # A load that fails at its second parameter.
        assert load(modules / "nf_tracer.ko", "port=1-9 rate=fast") == errno.EINVAL
    took = time.monotonic() - started
    look_for_leaks()
    if _KCSAN.exists():
        print(_KCSAN.read_text())
    print(f"{loads} loads and unloads in {took:.0f} s, {seen} packets seen at {len(points)} points: {sorted(points)}")
