# SPDX-License-Identifier: GPL-2.0
"""A short flood; tests/flood/run has long ones, for every sink.

The file's name puts it last: rsyslog, in another test, would read all lines that it leaves in the log.
"""

from collections.abc import Iterator

import pytest

from support import flood, kmsg, parameters

_SECONDS = 6
# More than a million a minute. A machine that is busy with other things makes fewer.
_PACKETS = 25_000
_LEAST = 1_000 * _SECONDS
_RATE, _BURST = 1000, 2000


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    with flood.network():
        yield


@pytest.fixture(scope="module")
def without() -> flood.Flood:
    """Floods the host without the module."""
    return flood.flood(_SECONDS, _PACKETS)


def test_a_flood_is_limited_and_counted_to_the_packet_while_others_are_answered(
    without: flood.Flood, log: kmsg.KernelLog
) -> None:
    with parameters.loaded("proto=udp hooks=prerouting"):
        before = flood.memory()
        done = flood.flood(_SECONDS, _PACKETS)
        after = flood.memory()
        total = flood.check_counts(done, "log")
    records = log.read()
    texts = [text for _, text in records]
    print(without, done, total, before, after, sep="\n")
    assert done.sent > _LEAST
    assert total.emitted <= _BURST + _RATE * (done.took + 1)
    assert total.emitted == len([text for text in texts if text.startswith("nf_tracer: source : ")])
    told = kmsg.suppressed(records)
    assert len(told) <= done.took + 2
    assert sum(told) == total.suppressed
    assert done.latency.answered == done.latency.asked
    # Times vary under emulation.
    assert done.latency.median < without.latency.median * 3 + 1
    assert after["slab"] - before["slab"] < 4096
    assert after["percpu"] - before["percpu"] < 128
    assert before["available"] - after["available"] < 32768


def test_without_a_limit_each_packet_of_a_flood_has_its_line() -> None:
    with parameters.loaded("proto=udp hooks=prerouting rate=0"):
        number = flood.log_number()
        done = flood.flood(_SECONDS / 2, _PACKETS)
        total = flood.check_counts(done, "log")
        assert flood.log_number() - number - 1 == total.emitted == done.sent > _LEAST / 2
    assert done.latency.answered == done.latency.asked
