# SPDX-License-Identifier: GPL-2.0
"""Floods each sink, with the limit and without. Run by tests/flood/run in the guest.

Usage: inside.py MINUTES PACKETS [NAME...]
"""

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from support import flood, listeners, parameters
from support.kernel import TRACING
from support.waiting import wait_until

_SCRATCH = Path("/tmp")  # noqa: S108
_MESSAGES = Path("/var/log/messages")
_LEVELS = Path("/proc/sys/kernel/printk")
# Out-of-tree and unsigned, and nothing else: no warning, no soft lockup.
_TAINT = str(1 << 12 | 1 << 13)
# How long pings are measured without a flood.
_QUIET = 10
_TITLES = (
    "sink",
    "rate",
    "sent",
    "a minute",
    "seen",
    "emitted",
    "suppressed",
    "lost",
    "arrived",
    "pings answered",
    "ms before",
    "ms meanwhile",
    "available, kB",
    "slab, kB",
    "percpu, kB",
)

# Counts, within a sink's context, what has arrived, and what is known to be lost on the way.
Arrived = Callable[[], tuple[int, int] | None]


@contextlib.contextmanager
def console() -> Iterator[Arrived]:
    """Has the lines go to the serial console, too."""
    before = _LEVELS.read_text().split()[0]
    _LEVELS.write_text("7")
    try:
        # They are in the console's log, which the guest does not see.
        yield lambda: None
    finally:
        _LEVELS.write_text(before)


@contextlib.contextmanager
def syslog() -> Iterator[Arrived]:
    """Has rsyslog write the lines to a file, in memory here."""
    config = _SCRATCH / "rsyslog.conf"
    config.write_text(f'module(load="imklog")\n*.* action(type="omfile" file="{_MESSAGES}")\n')
    _MESSAGES.unlink(missing_ok=True)
    daemon = subprocess.Popen(["rsyslogd", "-n", "-f", str(config), "-i", str(_SCRATCH / "rsyslog.pid")])

    def lines() -> int:
        size = -1
        while size != _MESSAGES.stat().st_size:
            size = _MESSAGES.stat().st_size
            time.sleep(2)
        with _MESSAGES.open("rb") as file:
            return sum(b"nf_tracer: source : " in line for line in file)

    try:
        wait_until(_MESSAGES.exists, "rsyslog writes", 60)
        # rsyslog starts with older records of the log.
        old = lines()
        yield lambda: (lines() - old, 0)
    finally:
        daemon.terminate()
        daemon.wait()
        _MESSAGES.unlink()


@contextlib.contextmanager
def trace() -> Iterator[Arrived]:
    """Has ftrace record the events; the newest stay in its buffers."""

    def arrived() -> tuple[int, int]:
        stats = [file.read_text() for file in TRACING.glob("per_cpu/cpu*/stats")]
        kept, lost = (
            sum(int(number) for text in stats for number in re.findall(rf"^(?:{what}): (\d+)", text, re.M))
            for what in ("entries|overrun", "dropped events")
        )
        # An overrun is an event that a newer one has overwritten.
        return kept, lost

    with listeners.ftrace():
        yield arrived


@contextlib.contextmanager
def nflog() -> Iterator[Arrived]:
    """Has tcpdump discard the packets; netlink counts those that it was too slow for."""
    says = _SCRATCH / "tcpdump.txt"

    def arrived() -> tuple[int, int]:
        rows = [row.split() for row in Path("/proc/net/netlink").read_text().splitlines()[1:]]
        port = str(listeners.groups()[5])
        (drops,) = [int(row[8]) for row in rows if row[2] == port and row[1] == "12"]
        process.send_signal(signal.SIGINT)
        process.wait(60)
        return int(re.findall(r"(\d+) packets captured", says.read_text())[0]), drops

    command = ["tcpdump", "-n", "-i", "nflog:5", "-B", "8192", "-w", "/dev/null"]
    with listeners.capturing(command, 5, says) as process:
        yield arrived


SINKS = {"console": console, "syslog": syslog, "trace": trace, "nflog": nflog}
_PARAMETERS = {"trace": "sink=trace", "nflog": "sink=nflog:5"}


def _times(latency: flood.Latency) -> str:
    return f"{latency.median:.2f} / {latency.most:.1f} / {latency.longest:.0f}"


def _row(name: str, rate: str, seconds: float, packets: int) -> list[str]:
    sink = {"trace": "trace", "nflog": "nflog"}.get(name, "log")
    chosen = f"proto=udp hooks=prerouting {_PARAMETERS.get(name, 'sink=log')} rate={rate}"
    with parameters.loaded(chosen), SINKS[name]() as arrived:
        quiet = flood.latency(_QUIET)
        parameters_before = parameters.total(sink)
        before = flood.memory()
        start = flood.log_number()
        done = flood.flood(seconds, packets)
        after = flood.memory()
        total = flood.check_counts(done, sink, parameters_before)
        lines = flood.log_number() - start - 1
        came = arrived()
    if sink == "log":
        # The other lines report suppression.
        assert 0 <= lines - total.emitted <= (rate != "0") * (seconds + 5), f"{lines} lines, {total.emitted} emitted"
    # Without a limit rsyslog may be too slow, and does not count what it misses.
    if came and (name, rate) != ("syslog", "0"):
        assert sum(came) == total.emitted, f"{came} arrived and lost, {total.emitted} emitted"
    taint = Path("/proc/sys/kernel/tainted").read_text().strip()
    assert taint == _TAINT, f"the kernel is tainted: {taint}"
    return [
        name,
        rate,
        *(f"{number:,}" for number in (done.sent, round(done.sent / done.took * 60))),
        *(f"{number:,}" for number in (total.seen, total.emitted, total.suppressed, total.lost)),
        f"{came[0]:,} + {came[1]:,} lost" if came else "-",
        f"{done.latency.answered} of {done.latency.asked}",
        _times(quiet),
        _times(done.latency),
        *(f"{before[name]:,} > {after[name]:,}" for name in before),
    ]


def _print(row: list[str]) -> None:
    print("| " + " | ".join(row) + " |", flush=True)


def main() -> None:
    minutes, packets, names = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or list(SINKS)
    seconds = minutes * 60 / len(names)
    _print(list(_TITLES))
    _print(["---"] * len(_TITLES))
    with flood.network():
        for rate in ("1000", "0"):
            for name in names:
                _print(_row(name, rate, seconds, packets))


if __name__ == "__main__":
    main()
