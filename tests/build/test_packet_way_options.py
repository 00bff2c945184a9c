# SPDX-License-Identifier: GPL-2.0
"""What scripts/packet-way's options choose, print and record, without a kernel that records."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from packet_way import main, recorder
from packet_way.errors import UserError
from support.paths import TOP

_PROGRAM = TOP / "scripts/packet-way"
# One packet is delivered, one dropped, and one vanishes.
_REPORT = """\
cpus=1
{packet} 1.000001000: packet: skbaddr=0xa hook=prerouting {fields}
{packet} 1.000002000: packet: skbaddr=0xa hook=input {fields}
{packet} 1.000005000: consume_skb: skbaddr=0xa location=udp_recvmsg+0x1
{packet} 2.000001000: packet: skbaddr=0xb hook=prerouting {fields}
{packet} 2.000002000: kfree_skb: skbaddr=0xb rx_sk=(nil) protocol=2048 location=ip_rcv_core+0x1 reason: IP_CSUM
CPU:0 [3 EVENTS DROPPED]
{packet} 3.000001000: packet: skbaddr=0xc hook=forward {fields}
""".format(
    packet="nc-\xe9 [000] b.s2.",
    fields="family=ipv4 indev=eth0 outdev= netns=7 mark=0x0 len=30 payload=2 gso_segs=1 id=9 frag_off=0 protocol=udp"
    " saddr=10.0.0.1 daddr=10.0.0.2 saddrv6=::ffff:10.0.0.1 daddrv6=::ffff:10.0.0.2 sport=1 dport=2 seq=0 ack_seq=0"
    " window=0 urg_ptr=0 flags= type=0 code=0 csum=0x77 csum_state=none malformed=no",
)
_LOST = "packet-way: CPU 0 lost 3 events: ways may lack hooks and ends: try a larger --buffer\n"

Show = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Returns a function that runs packet-way on a given trace-cmd report."""
    trace_cmd = tmp_path / "bin/trace-cmd"
    trace_cmd.parent.mkdir()
    trace_cmd.write_text('#!/bin/sh\n[ "$*" = "report -t -i $4" ] && exec cat "$4"\n')
    trace_cmd.chmod(0o755)
    monkeypatch.setenv("PATH", str(trace_cmd.parent), prepend=os.pathsep)

    def run(*options: str, report: str = _REPORT) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "trace.dat"
        # A task's name may be any bytes.
        file.write_text(report, encoding="latin-1")
        command = [_PROGRAM, "--input", file, *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def _endings(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return re.findall(r"^[\d.]+ udp .*: .*(delivered|dropped|vanished) ?", done.stdout, re.MULTILINE)


def test_all_packets_and_a_summary_are_printed_and_losses_are_reported(show: Show) -> None:
    done = show("--brief")
    assert _endings(done) == ["delivered", "dropped", "vanished"]
    assert "\n3 packets: 1 delivered, 1 dropped, 1 vanished\n" in done.stdout
    assert done.stderr == _LOST
    blocks = show().stdout.split("\n\n")
    assert len(blocks) == 4
    assert [len(block.splitlines()) for block in blocks[:3]] == [4, 3, 3]
    assert blocks[3].startswith("3 packets: ")


@pytest.mark.parametrize(("count", "printed"), [("0", 0), ("1", 1), ("2", 2), ("9", 3)])
def test_as_many_as_are_asked_for_are_printed_and_all_are_summed_up(show: Show, count: str, printed: int) -> None:
    done = show("--brief", "--count", count)
    assert len(_endings(done)) == printed
    assert re.search("^3 packets: ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("kinds", [["delivered"], ["dropped"], ["vanished", "delivered"], ["left"]])
def test_only_those_that_ended_so_are_printed_and_summed_up(show: Show, kinds: list[str]) -> None:
    done = show("--brief", "--only", ",".join(kinds))
    expected = [kind for kind in ("delivered", "dropped", "vanished") if kind in kinds]
    assert _endings(done) == expected
    (total,) = re.findall(r"^(\d) packets?(?:: (.*))?$", done.stdout, re.MULTILINE)
    assert total == (str(len(expected)), ", ".join(f"1 {kind}" for kind in expected))


def test_json_has_a_line_for_each_packet_and_nothing_else(show: Show) -> None:
    done = show("--json")
    assert done.returncode == 0
    ways = [json.loads(line) for line in done.stdout.splitlines()]
    assert [way["end"]["kind"] for way in ways] == ["delivered", "dropped", "vanished"]
    assert [[hop["hook"] for hop in way["hops"]] for way in ways] == [
        ["prerouting", "input"],
        ["prerouting"],
        ["forward"],
    ]
    # Times are in nanoseconds; a namespace without a name has its number.
    assert [hop["time"] for hop in ways[0]["hops"]] == [1_000_001_000, 1_000_002_000]
    assert {hop["netns_name"] for way in ways for hop in way["hops"]} == {"7"}
    assert done.stderr == _LOST


def test_a_picture_has_the_packets_that_were_chosen(show: Show, tmp_path: Path) -> None:
    file = tmp_path / "ways.svg"
    done = show("--only", "dropped", "--count", "0", "--picture", str(file))
    assert done.returncode == 0, done.stderr
    assert "IP_CSUM" in file.read_text()
    assert "vanished" not in file.read_text()


def test_a_recording_without_the_event_is_reported(show: Show, tmp_path: Path) -> None:
    done = show(report="cpus=1\n")
    assert (done.returncode, done.stdout) == (0, "0 packets\n")
    assert done.stderr == f"packet-way: {tmp_path}/trace.dat: no nf_tracer:packet in it\n"


def test_a_closed_pipe_is_no_error(show: Show, tmp_path: Path) -> None:
    show()
    many = (tmp_path / "trace.dat").read_text(encoding="latin-1") * 3000
    (tmp_path / "trace.dat").write_text(many, encoding="latin-1")
    command = f"{_PROGRAM} --input {tmp_path}/trace.dat --brief | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Returns a function that runs a command as recorder.record() does, without recording."""
    monkeypatch.setattr(recorder, "Recorder", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(recorder, "_SETTLE", 0)

    def run(*command: str, duration: float | None = None, quiet: bool = False) -> int:
        return recorder.record(
            tmp_path / "trace.dat", list(command), duration=duration, buffer=64, drops_only=False, quiet=quiet
        )

    return run


@pytest.mark.parametrize(
    ("script", "status"), [("true", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
)
def test_the_status_is_that_of_the_command_as_a_shell_gives_it(
    record: Callable[..., int], script: str, status: int
) -> None:
    assert record("sh", "-c", script) == status


def test_a_command_is_ended_when_its_time_is_over(record: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Command(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            started.append(self)
            return super().wait(timeout)

    monkeypatch.setattr(recorder.subprocess, "Popen", Command)
    assert record("sleep", "1000", duration=0.1) == 0
    assert [command.returncode for command in started] == [-signal.SIGTERM] * 2


def test_a_command_is_ended_with_the_recording(record: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Command(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            if not started:
                started.append(self)
                os.kill(os.getpid(), signal.SIGHUP)
            return super().wait(timeout)

    monkeypatch.setattr(recorder.subprocess, "Popen", Command)
    assert record("sleep", "1000") == 0
    assert [command.returncode for command in started] == [-signal.SIGTERM]
    # The signal's default action is restored.
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


@pytest.mark.parametrize("quiet", [False, True])
def test_what_the_command_says_stays_out_of_json(
    record: Callable[..., int], capfd: pytest.CaptureFixture[str], quiet: bool
) -> None:
    assert record("echo", "hello", quiet=quiet) == 0
    assert tuple(capfd.readouterr()) == (("", "hello\n") if quiet else ("hello\n", ""))


def test_a_missing_command_is_reported_in_one_line(record: Callable[..., int]) -> None:
    with pytest.raises(UserError, match="^cannot run no-such-command: No such file or directory$"):
        record("no-such-command")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"duration": None, "buffer": 8192, "drops_only": False, "quiet": False}),
        (["--json"], {"duration": None, "buffer": 8192, "drops_only": False, "quiet": True}),
        (["--drops-only", "-d", "1.5"], {"duration": 1.5, "buffer": 8192, "drops_only": True, "quiet": False}),
        (["--buffer", "64"], {"duration": None, "buffer": 64, "drops_only": False, "quiet": False}),
    ],
)
def test_options_are_those_of_the_recording(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: list[str],
    expected: dict[str, object],
) -> None:
    file = tmp_path / "kept.dat"
    given, shown = [], []
    monkeypatch.setattr(recorder, "check", lambda: ["ways have gaps"])
    monkeypatch.setattr(recorder, "record", lambda *what, **how: given.append((*what, how)) or 7)
    monkeypatch.setattr(main, "show", lambda file, *_: shown.append(file))
    monkeypatch.setattr(sys, "argv", ["packet-way", *options, "--output", str(file), "--", "ls", "-l"])
    assert main.main() == 7
    assert given == [(file, ["ls", "-l"], expected)]
    assert shown == [file]
    assert capsys.readouterr() == ("", "packet-way: ways have gaps\n")


@pytest.mark.parametrize(
    ("sink", "hooks", "said"),
    [
        ("trace", "prerouting,input,forward,output,postrouting", []),
        ("log,trace", "all", []),
        ("trace,nflog:5", "input,output", ["not hooked in at prerouting,forward,postrouting: ways have gaps"]),
        ("log,nflog:5", "all", "^nf_tracer has sink=log,nflog:5, trace is not in it: echo log,nflog:5,trace >"),
        (None, "all", "^this nf_tracer has no tracepoint: load a newer one with sink=trace hooks=all$"),
    ],
)
def test_a_module_that_emits_no_events_is_reported_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sink: str | None, hooks: str, said: list[str] | str
) -> None:
    monkeypatch.setattr(recorder, "PARAMETERS", tmp_path)
    monkeypatch.setattr(recorder.shutil, "which", lambda _: "/usr/bin/trace-cmd")
    monkeypatch.setattr(recorder.os, "geteuid", lambda: 0)
    (tmp_path / "hooks").write_text(f"{hooks}\n")
    if sink:
        (tmp_path / "sink").write_text(f"{sink}\n")
    if isinstance(said, str):
        with pytest.raises(UserError, match=said):
            recorder.check()
        return
    notes = recorder.check()
    assert len(notes) == len(said)
    for note, words in zip(notes, said, strict=True):
        assert words in note


def test_without_root_or_trace_cmd_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder.os, "geteuid", lambda: 0)
    monkeypatch.setattr(recorder.shutil, "which", lambda _: None)
    with pytest.raises(UserError, match="^there is no trace-cmd here: install it"):
        recorder.check()
    monkeypatch.setattr(recorder.os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="^recording needs root: run it as root"):
        recorder.check()


def test_namespaces_are_called_what_ip_and_docker_call_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folders = tmp_path / "netns", tmp_path / "docker", tmp_path / "none"
    for folder in folders[:2]:
        folder.mkdir()
        (folder / f"in-{folder.name}").write_text("")
    monkeypatch.setattr(recorder, "_NETNS", folders)
    names = recorder.namespaces()
    host = Path("/proc/1/ns/net").stat().st_ino
    files = [folder / f"in-{folder.name}" for folder in folders[:2]]
    assert names == {**{file.stat().st_ino: file.name for file in files}, host: "host"}
