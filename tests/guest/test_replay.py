# SPDX-License-Identifier: GPL-2.0
"""Traffic between two other hosts, captured and replayed into this one."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import frames
from support.netns import ip, run
from support.network import Network
from support.recording import Recording
from support.traffic import fetch, iperf_server, transfer, web_server
from support.waiting import wait_until

_LEFT, _RIGHT = "198.51.100.1", "198.51.100.2"


@pytest.fixture(scope="module")
def strangers() -> Iterator[tuple[str, str]]:
    """Makes two namespaces that are joined to each other, and not to this one."""
    ip(
        """netns add stranger1
        netns add stranger2
        link add cable netns stranger1 type veth peer name cable netns stranger2"""
    )
    for netns, address in (("stranger1", _LEFT), ("stranger2", _RIGHT)):
        ip(f"link set lo up\nlink set cable up\naddr add {address}/24 dev cable", netns=netns)
    yield "stranger1", "stranger2"
    for netns in ("stranger1", "stranger2"):
        run("ip", "netns", "del", netns)


def _make_traffic(left: str, right: str) -> None:
    with web_server(_RIGHT, right) as url:
        assert fetch(url + "50000", netns=left) == 50000
    with iperf_server(_RIGHT, right):
        transfer(_RIGHT, "-n", "1M", "--set-mss", "600", netns=left)


def test_traffic_in_other_namespaces_makes_no_line(
    record: Callable[..., Recording], strangers: tuple[str, str]
) -> None:
    with record() as recording:
        _make_traffic(*strangers)
    recording.check()
    assert recording.lines == []
    assert [summary.seen for summary in recording.summaries.values()] == [0, 0]


def test_a_replayed_capture_is_traced_packet_by_packet(
    record: Callable[..., Recording],
    network: Network,
    strangers: tuple[str, str],
    tmp_path: Path,
) -> None:
    left, right = strangers
    captured, rewritten = tmp_path / "captured.pcap", tmp_path / "rewritten.pcap"
    run("ethtool", "-K", "cable", "gso", "off", "tso", "off", netns=left)
    # -U and --immediate-mode: what was captured is in the file at once.
    command = ["ip", "netns", "exec", left, "tcpdump", "-i", "cable", "-U", "--immediate-mode"]
    tcpdump = subprocess.Popen([*command, "-w", str(captured), "ip"], stderr=subprocess.PIPE)
    assert tcpdump.stderr
    assert any(b"listening on" in line for line in tcpdump.stderr)
    _make_traffic(left, right)
    wait_until(lambda: _is_still(captured), "tcpdump has written")
    tcpdump.send_signal(signal.SIGINT)
    tcpdump.communicate()
    macs = [f"--enet-dmac={frames.HOST_MAC}", f"--enet-smac={frames.PEER_MAC}"]
    run("tcprewrite", *macs, f"--infile={captured}", f"--outfile={rewritten}")
    with record() as recording:
        run(
            *("tcpreplay", "-q", "--topspeed", "-i", network.peer_device, str(rewritten)),
            netns=network.peer,
        )
    recording.check()
    prerouting = recording.summaries["prerouting"]
    assert prerouting.emitted == prerouting.seen > 1500
    assert {line.source for line in recording.lines} == {_LEFT, _RIGHT}


def _is_still(file: Path) -> bool:
    size = file.stat().st_size
    time.sleep(0.3)
    return 24 < size == file.stat().st_size
