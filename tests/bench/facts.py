# SPDX-License-Identifier: GPL-2.0
"""The machine, the kernel and the versions of a measurement."""

import datetime
import os
import re
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PACKAGES = ["nftables", "iptables", "tcpdump", "bpftrace", "pwru", "iperf3", "qemu-system-x86", "gcc-14", "rustc"]


def said(*command: str) -> str:
    return subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True).stdout.strip()


def collect() -> dict[str, str]:
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    versions = [said("dpkg-query", "--show", "--showformat=${Package} ${Version}", name) for name in PACKAGES]
    return {
        "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": said("git", "describe", "--always", "--dirty"),
        "machine": f"{cpu[1] if cpu else 'unknown'}, {os.cpu_count()} CPUs, Linux {os.uname().release}",
        "kernel": Path(os.environ["KDIR"], "include/config/kernel.release").read_text().strip(),
        "versions": ", ".join(versions),
    }


def sections(module: Path) -> dict[str, int]:
    """Returns the bytes of a module that stay in memory once it is loaded."""
    data = module.read_bytes()
    if module.suffix == ".xz":
        data = subprocess.run(["xz", "--decompress", "--stdout"], input=data, check=True, capture_output=True).stdout
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        listed = said("size", "-A", file.name)
    sizes = {"text": 0, "data": 0}
    for name, size in re.findall(r"^(\.\S+)\s+(\d+)", listed, re.MULTILINE):
        if name.startswith((".text", ".noinstr.text", ".fixup")):
            sizes["text"] += int(size)
        elif name.startswith((".rodata", ".data", ".bss", "__param", ".ref.data")):
            sizes["data"] += int(size)
    return sizes


def memory(modules: Path) -> dict[str, dict[str, int]]:
    """Returns the sizes of nf_tracer, of the C module that prints the same line, and of the kernel's logger."""
    release = Path(os.environ["KDIR"], "include/config/kernel.release").read_text().strip()
    logger = next(Path("/lib/modules", release).rglob("nf_log_syslog.ko*"))
    return {
        "nf_tracer": sections(modules / "nf_tracer.ko"),
        "C hook, classic line": sections(modules / "c_classic.ko"),
        "nf_log_syslog": sections(logger),
    }
