# SPDX-License-Identifier: GPL-2.0
"""scripts/kernel-changes, on made-up sources of two kernels."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from support.paths import TOP

OLD, NEW = "7.2-amd64", "7.3-amd64"
# By kernel: what is in each file. The first two are of what nf_tracer is built on.
FILES = {
    "rust/kernel/sync/rcu.rs": {OLD: "a\nb\n", NEW: "a\nc\nd\n"},
    "include/linux/netfilter.h": {OLD: "one\n", NEW: ""},
    "rust/kernel/sync/arc.rs": {OLD: "same\n", NEW: "same\n"},
    "rust/kernel/drm/device.rs": {OLD: "a\n", NEW: "b\n"},
    "include/linux/usb.h": {OLD: "a\n", NEW: "b\n"},
    "drivers/net/dummy.c": {OLD: "a\n", NEW: "b\n"},
}


def folder(kernel: str, cache: Path) -> Path:
    """Returns where the cache has a kernel."""
    script = f'PROGRAM=t; . scripts/root.d/common; . scripts/root.d/table; find_kernel {kernel}; echo "$kernel"'
    environment = os.environ | {"NF_TRACER_CACHE": str(cache)}
    return Path(subprocess.check_output(["bash", "-c", script], cwd=TOP, env=environment, text=True).strip())


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Makes a cache that has the sources of both kernels."""
    for kernel in (OLD, NEW):
        with tarfile.open(tmp_path / f"{kernel}.tar.xz", "w:xz") as archive:
            for name, text in FILES.items():
                file = tmp_path / "file"
                file.write_text(text[kernel])
                archive.add(file, f"linux-source/{name}")
        made = folder(kernel, tmp_path)
        made.mkdir()
        (made / "kernel").write_text(f"KERNEL_SOURCE={kernel}.tar.xz\n")
    return tmp_path


def changes(cache: Path, *options: str) -> str:
    done = subprocess.run(
        [TOP / "scripts/kernel-changes", *options, OLD, NEW],
        env=os.environ | {"NF_TRACER_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_the_module_is_built_on_is_listed_and_the_rest_counted(cache: Path) -> None:
    lines = [line.split() for line in changes(cache).splitlines()]
    assert sorted(lines[:-1]) == [
        ["+0", "-1", "include/linux/netfilter.h"],
        ["+2", "-1", "rust/kernel/sync/rcu.rs"],
    ]
    assert " ".join(lines[-1]) == "and 2 files that nf_tracer does not mention"
    assert not list(cache.glob("kernel-changes-*"))


def test_the_differences_are_shown_on_request(cache: Path) -> None:
    text = changes(cache, "--diff")
    assert "\n-b\n+c\n+d\n" in text
    assert "drm" not in text
