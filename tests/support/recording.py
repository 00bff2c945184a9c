# SPDX-License-Identifier: GPL-2.0
"""Captures and traces traffic at the same time, and compares the two."""

import re
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from support import kmsg, module, oracle
from support.netns import counter, mac_of
from support.oracle import Packet
from support.waiting import PATIENCE, wait_until
from vm.pace import patience


class Recording:
    """A context in which the module is loaded and dumpcap captures on the same devices.

    Afterwards there are the packets, the module's lines and its summaries.
    """

    def __init__(self, folder: Path, interfaces: tuple[str, ...], snaplen: int = 200) -> None:
        self.file = folder / "traffic.pcapng"
        self.interfaces = interfaces
        self.packets: list[Packet] = []
        self.lines: list[kmsg.Line] = []
        self.fragments: list[kmsg.Fragment] = []
        self.summaries: dict[str, kmsg.Summary] = {}
        self._snaplen = snaplen
        self._says = folder / "dumpcap.txt"
        self._macs = {name: mac_of(name) for name in interfaces}

    def __enter__(self) -> Self:
        # With several devices dumpcap uses a queue, which is short by default.
        queue = ["-B", "64", "-N", "200000", "-C", str(256 << 20)]
        command = ["dumpcap", *queue, "-s", str(self._snaplen), "-w", str(self.file)]
        for interface in self.interfaces:
            command += ["-i", interface]
        with self._says.open("wb") as says:
            self._dumpcap = subprocess.Popen(command, stderr=says)
        wait_until(lambda: "File: " in self._says.read_text(), "dumpcap captures")
        self._counted = self._frames()
        self._log = kmsg.KernelLog()
        try:
            module.load()
        except BaseException:
            self._dumpcap.kill()
            raise
        return self

    def __exit__(self, kind: type | None, error: object, trace: TracebackType | None) -> None:
        try:
            self._settle()
        finally:
            module.unload()
            records = self._log.read()
            self._log.close()
            self._dumpcap.send_signal(signal.SIGINT)
            self._dumpcap.wait(patience(PATIENCE))
        if kind is None:
            losses = re.findall(r"/(\d+) \(pcap:(\d+)/dumpcap:(\d+)/flushed:(\d+)", self._said())
            assert len(losses) == len(self.interfaces), self._said()
            assert {number for loss in losses for number in loss} == {"0"}, self._said()
            self.lines, self.summaries = kmsg.split_records(records)
            self.fragments = kmsg.fragments(records)
            self.packets = oracle.decode(self.file)

    def sent(self) -> list[Packet]:
        """Returns what the host sent, and so what LOCAL_OUT saw."""
        return [p for p in self.packets if p.source_mac == self._macs[p.interface]]

    def received(self) -> list[Packet]:
        """Returns what the host received, and so what PRE_ROUTING saw."""
        return [p for p in self.packets if p.is_received(self._macs[p.interface])]

    def check(self) -> None:
        """Checks that each packet has its lines, with every field as tshark has it, and that there are no others.

        The module's own counts have to agree with tshark's, too.
        """
        expected = oracle.lines(self.sent(), self.file) + oracle.lines(self.received(), self.file)
        difference = oracle.difference(expected, self.lines)
        assert not difference, difference
        fragments = oracle.fragments(self.sent()) + oracle.fragments(self.received())
        difference = oracle.difference(fragments, self.fragments)
        assert not difference, difference
        by_tshark = {
            "prerouting": oracle.summarize(self.received()),
            "output": oracle.summarize(self.sent()),
        }
        assert self.summaries == by_tshark, f"{self.summaries} is not {by_tshark}"

    def _frames(self) -> int:
        """Returns the number of frames of the devices. On lo each is sent and received once."""
        counters = dict.fromkeys(self.interfaces, ("rx_packets", "tx_packets"))
        counters["lo"] = ("rx_packets",)
        return sum(counter(name, c) for name in self.interfaces for c in counters[name])

    def _said(self) -> str:
        return self._says.read_text()

    def _settle(self) -> None:
        """Waits until nothing moves and dumpcap has read what did.

        It reads in blocks and forgets what it has not read when it is stopped. Where devices
        merge packets it sees fewer than they count: then it has to stay at one number.
        """
        quiet_since = time.monotonic()
        last = (0, 0)
        while True:
            frames = self._frames()
            reported = re.findall(r"Packets: (\d+)", self._said())
            now = (frames, int(reported[-1]) if reported else 0)
            if now != last:
                last, quiet_since = now, time.monotonic()
            complete = frames - self._counted == now[1]
            if time.monotonic() - quiet_since > patience(0.3 if complete else 1.5):
                return
            time.sleep(0.05)
