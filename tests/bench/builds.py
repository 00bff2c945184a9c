# SPDX-License-Identifier: GPL-2.0
"""Builds nf_tracer and the benchmark's modules for a kernel, in a folder of the cache, away from the checkout's own."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
# Runs a program of this folder in a guest, with the packages that it imports.
PYTHON = str(TOP / "tests/python")
MODULES = "tests/bench/modules"
SOURCES = ["Kbuild", "bindings", "src", MODULES]


def folder(kernel: str) -> Path:
    """Returns the build folder of this checkout and kernel, which is reused by the next build."""
    checkout = hashlib.sha256(str(TOP).encode()).hexdigest()[:12]
    return Path(os.environ["NF_TRACER_CACHE"], f"bench-{checkout}", kernel)


def lock(to: Path) -> None:
    """Locks the folder against other builds for the life of this process."""
    to.mkdir(parents=True, exist_ok=True)
    file = os.open(to / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(file, fcntl.LOCK_EX)


def copy_sources(to: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *SOURCES],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = [name for name in listed.split("\0") if name and (TOP / name).is_file()]
    for name in names:
        target = to / name
        if not target.is_file() or target.read_bytes() != (TOP / name).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, target)


def build(kernel: str, kdir: str, *variables: str) -> Path:
    """Builds the modules; returns the folder with them."""
    to = folder(kernel)
    lock(to)
    copy_sources(to)
    for part in (to, to / MODULES):
        subprocess.run(["make", "--silent", "-C", kdir, f"M={part}", *variables, "modules"], check=True, cwd=to)
    modules = to / "modules"
    modules.mkdir(exist_ok=True)
    for module in [to / "nf_tracer.ko", *(to / MODULES).glob("*.ko")]:
        shutil.copy(module, modules)
    return modules


def for_stock() -> Path:
    return build("stock", os.environ["KDIR"])


def for_uml(kdir: Path) -> Path:
    return build("uml", str(kdir), "ARCH=um", "KRUSTFLAGS=-Zdirect-access-external-data=yes")
