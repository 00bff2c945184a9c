# SPDX-License-Identifier: GPL-2.0
"""The NFLOG sink, by its usual consumers, byte by byte against what was sent."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.utils import RawPcapNgReader, RawPcapReader

from support import kmsg, listeners, parameters
from support.hook_modules import ping
from support.listeners import capturing, nflog_records
from support.netns import inside
from support.network import Network
from support.nflog import parse_record
from support.packets import PACKETS
from support.traffic import send_datagrams
from support.tshark import read_fields
from support.waiting import wait_until
from support.wire import Wire, to_host

_PREROUTING = "nf_tracer: prerouting"


@pytest.fixture(scope="module")
def wire(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = Wire(to_host(PACKETS), tmp_path_factory.mktemp("wire"), network)
    yield made
    made.close()


@pytest.fixture
def sent() -> list[bytes]:
    return [bytes(packet) for packet in PACKETS]


@pytest.fixture
def to_nflog(network: Network) -> Iterator[None]:
    with parameters.loaded(f"sink=nflog:5 proto=all hooks=prerouting iface={network.device} src=10.1.0.0/16"):
        yield


@pytest.mark.every_kernel
@pytest.mark.usefixtures("to_nflog")
def test_tcpdump_gets_each_packet_whole_with_its_hook(wire: Wire, sent: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "nflog.pcap"
    with capturing(["tcpdump", "-U", "-i", "nflog:5", "-w", str(file)], 5, tmp_path / "says"):
        wire.put()
        wait_until(lambda: len(nflog_records(file)) == len(sent), "tcpdump has them")
    assert nflog_records(file) == [(_PREROUTING, ip) for ip in sent]
    # One of them is cut short, and counted as that.
    counts = parameters.total("nflog")
    assert (counts.emitted, counts.truncated) == (len(sent) - 1, 1)


@pytest.mark.usefixtures("to_nflog")
def test_dumpcap_and_tshark_read_them(wire: Wire, sent: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "nflog.pcapng"
    with capturing(["dumpcap", "-q", "-i", "nflog:5", "-w", str(file)], 5, tmp_path / "says"):
        wire.put()
        time.sleep(2.5)
    assert [parse_record(record)[1] for record, _ in RawPcapNgReader(str(file))] == sent
    rows = read_fields(file, ["nflog.prefix", "ip.src"])
    assert rows == [{"nflog.prefix": _PREROUTING, "ip.src": packet.src} for packet in PACKETS]


@pytest.mark.usefixtures("to_nflog")
def test_ulogd_writes_pcap_and_json(wire: Wire, sent: list[bytes], tmp_path: Path) -> None:
    config = tmp_path / "ulogd.conf"
    config.write_text(f"""[global]
logfile="{tmp_path}/ulogd.log"
stack=log1:NFLOG,base1:BASE,pcap1:PCAP
stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,json1:JSON
[log1]
group=5
[pcap1]
file="{tmp_path}/ulogd.pcap"
sync=1
[json1]
file="{tmp_path}/ulogd.json"
sync=1
""")
    with capturing(["ulogd", "-c", str(config)], 5, tmp_path / "says"):
        wire.put()
        written = tmp_path / "ulogd.json"
        wait_until(lambda: written.exists() and written.read_text().count("\n") == len(sent), "ulogd has them")
    packets = [packet for packet, _ in RawPcapReader(str(tmp_path / "ulogd.pcap"))]
    assert packets == sent
    objects = [json.loads(line) for line in (tmp_path / "ulogd.json").read_text().splitlines()]
    assert [each["src_ip"] for each in objects] == [packet.src for packet in PACKETS]
    assert {each["oob.prefix"] for each in objects} == {_PREROUTING}


def test_a_listener_gets_the_packets_of_its_own_namespace(network: Network, tmp_path: Path) -> None:
    with parameters.loaded("sink=nflog:6 proto=udp hooks=output netns=all"):
        for netns, size in ((None, 3), (network.peer, 5)):
            file = tmp_path / f"{size}.pcap"
            prefix = ["ip", "netns", "exec", netns] if netns else []
            command = [*prefix, "tcpdump", "-U", "-i", "nflog:6", "-w", str(file)]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            wait_until(lambda file=file: file.exists() and file.stat().st_size >= 24, "tcpdump listens")
            send_datagrams(3, network.peer_address)
            with inside(network.peer):
                send_datagrams(5, network.address)
            wait_until(lambda file=file, size=size: len(nflog_records(file)) == size, "tcpdump has them")
            assert {prefix for prefix, _ in nflog_records(file)} == {"nf_tracer: output"}
            process.send_signal(signal.SIGINT)
            process.wait()
        assert parameters.total("nflog").emitted == 16


def test_the_prefix_names_every_hook(tmp_path: Path) -> None:
    hooks = ("output", "postrouting", "prerouting", "input")
    file = tmp_path / "nflog.pcap"
    with (
        parameters.loaded("sink=nflog:6 proto=udp hooks=all"),
        capturing(["tcpdump", "-U", "-i", "nflog:6", "-w", str(file)], 6, tmp_path / "says"),
    ):
        send_datagrams(2)
        wait_until(lambda: len(nflog_records(file)) == 2 * len(hooks), "tcpdump has them")
    assert [prefix for prefix, _ in nflog_records(file)] == [f"nf_tracer: {hook}" for hook in hooks] * 2


@pytest.mark.every_kernel
def test_without_the_logger_the_sink_is_refused_and_the_old_value_is_kept(log: kmsg.KernelLog) -> None:
    modprobe = Path("/proc/sys/kernel/modprobe")
    helper = modprobe.read_text()
    subprocess.run(["rmmod", "nfnetlink_log"], check=False, stderr=subprocess.DEVNULL)
    modprobe.write_text("/bin/false")
    try:
        with parameters.loaded("proto=udp hooks=output"):
            with pytest.raises(OSError, match="Operation not supported"):
                parameters.put("sink", "log,nflog:5")
            assert parameters.get("sink") == "log"
            send_datagrams(3)
            assert parameters.total("log").emitted == 3
    finally:
        modprobe.write_text(helper)
    said = [text for _, text in log.read() if " sink: " in text]
    assert len(said) == 1, said
    assert said[0].startswith("nf_tracer: sink: nflog: nfnetlink_log is not there: ")


# Nothing else is logged of packets that went to NFLOG.
_AT_UNLOADING = ["nf_tracer: output ipv4 nflog", "nf_tracer: log", "nf_tracer: nflog"]


def _said(log: kmsg.KernelLog) -> list[str]:
    """Returns the log since, without the loader's lines and without the numbers of counts."""
    said = [text for _, text in log.read()]
    log.close()
    return [text.split(" seen ")[0] for text in said]


def test_without_a_listener_nothing_happens() -> None:
    log = kmsg.KernelLog()
    with parameters.loaded("sink=nflog:7 proto=udp hooks=output"):
        send_datagrams(500)
        # NFLOG does not report what becomes of them.
        assert parameters.total("nflog").emitted == 500
    assert _said(log) == _AT_UNLOADING


def test_a_listener_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    log = kmsg.KernelLog()
    command = ["tcpdump", "-i", "nflog:8", "-w", str(tmp_path / "nflog.pcap")]
    with (
        parameters.loaded("sink=nflog:8 proto=udp hooks=output"),
        capturing(command, 8, tmp_path / "says") as process,
    ):
        process.send_signal(signal.SIGSTOP)
        send_datagrams(20_000)
        answers, _ = ping("127.0.0.1")
        assert answers == 3
        assert parameters.total("nflog").emitted == 20_000
        # As the README says.
        port = listeners.groups()[8]
        rows = [row.split() for row in Path("/proc/net/netlink").read_text().splitlines()]
        drops = {int(row[2]): int(row[8]) for row in rows[1:] if row[1] == "12"}
        assert drops[port] > 0
        process.send_signal(signal.SIGCONT)
    assert _said(log) == _AT_UNLOADING
