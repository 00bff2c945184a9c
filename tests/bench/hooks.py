# SPDX-License-Identifier: GPL-2.0
"""Attaches to the hook what a row says."""

import contextlib
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import bpf_netfilter
import builds
from rows import Row, fill_in

HERE = Path(__file__).resolve().parent
EVENTS = Path("/sys/kernel/tracing/events")

CHAIN = """table ip bench {{
	chain prerouting {{
		type filter hook prerouting priority raw
		{rule}
	}}
}}"""
XTABLES_CHAIN = "PREROUTING"
# Printed by tcpdump, bpftrace and pwru when they have begun.
READY = re.compile(r"listening on|Attach(ed|ing) \d+ probe|Listening for events")
# Their time limit, in tenths of a second.
PATIENCE = 600


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


@contextlib.contextmanager
def module(modules: Path, line: str) -> Iterator[None]:
    name, *parameters = shlex.split(fill_in(line))
    run("insmod", str(modules / f"{name}.ko"), *parameters)
    try:
        yield
    finally:
        run("rmmod", name)


@contextlib.contextmanager
def nft(rule: str) -> Iterator[None]:
    run("nft", "-f", "-", text=CHAIN.format(rule=rule))
    try:
        yield
    finally:
        run("nft", "delete table ip bench")


@contextlib.contextmanager
def iptables(rule: str) -> Iterator[None]:
    command = ["iptables", "-t", "raw"]
    run(*command, "-A", XTABLES_CHAIN, *shlex.split(fill_in(rule)))
    try:
        yield
    finally:
        # iptables-nft leaves its table and chain, which have hooks.
        run("nft", "delete table ip raw")


@contextlib.contextmanager
def program(*command: str) -> Iterator[None]:
    """Runs a program that prints a line once it listens."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        if process.stdout:
            process.stdout.readline()
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def nft_monitor() -> Iterator[None]:
    with subprocess.Popen(["nft", "monitor", "trace"], stdout=subprocess.DEVNULL) as process:
        # It prints nothing before the first packet: its socket shows when it has joined.
        while not listens_to_nftrace():
            time.sleep(0.01)
        try:
            yield
        finally:
            process.terminate()


def listens_to_nftrace() -> bool:
    """Returns whether a socket is in netlink's group NFNLGRP_NFTRACE."""
    netfilter, nftrace = "12", 1 << 8
    lines = [line.split() for line in Path("/proc/net/netlink").read_text().splitlines()[1:]]
    return any(line[1] == netfilter and int(line[3], 16) & nftrace for line in lines)


@contextlib.contextmanager
def event(name: str) -> Iterator[None]:
    """Enables a tracepoint, whose events go to the kernel's ring buffer."""
    switch = EVENTS / name / "enable"
    switch.write_text("1")
    try:
        yield
    finally:
        switch.write_text("0")


@contextlib.contextmanager
def background(*command: str) -> Iterator[None]:
    """Runs a tracer that prints when it has begun, as tcpdump, bpftrace and pwru do."""
    with tempfile.NamedTemporaryFile(mode="w+") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        for _ in range(PATIENCE):
            if READY.search(Path(said.name).read_text(errors="replace")):
                break
            if process.poll() is not None:
                raise RuntimeError(f"{shlex.join(command)} ended: {Path(said.name).read_text()}")
            time.sleep(0.1)
        else:
            process.kill()
            raise RuntimeError(f"{shlex.join(command)} does not begin: {Path(said.name).read_text()}")
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


@contextlib.contextmanager
def listener(line: str) -> Iterator[None]:
    kind, *rest = line.split()
    match kind:
        case "nflog":
            around = program(builds.PYTHON, str(HERE / "nflog_listener.py"), *rest)
        case "nft":
            around = nft_monitor()
        case "event":
            around = event(*rest)
        case "run":
            around = background(*shlex.split(" ".join(rest)))
        case _:
            raise ValueError(f"no listener of kind {kind}")
    with around:
        yield


@contextlib.contextmanager
def on_the_hook(row: Row, modules: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if row.module:
            stack.enter_context(module(modules, row.module))
        if row.nft:
            stack.enter_context(nft(row.nft))
        if row.iptables:
            stack.enter_context(iptables(row.iptables))
        if row.bpf:
            stack.enter_context(bpf_netfilter.accepting())
        if row.listener:
            stack.enter_context(listener(row.listener))
        yield
