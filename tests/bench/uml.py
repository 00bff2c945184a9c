# SPDX-License-Identifier: GPL-2.0
"""Boots the user-mode kernel on the build environment's files and runs a command there, at the machine's own speed.

Usage: tests/python tests/bench/uml.py COMMAND [ARGUMENT...]

The user-mode counterpart of scripts/vm: the command runs as root in the current folder, its output and its exit status
are given when it has ended. Runs in the build environment, like scripts/vm.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from vm.console import cache_dir
from vm.guest import die_with_parent

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]

# Modules are loaded above it, and must be within 2 GiB of the kernel to call it.
MEMORY = "1G"


def kernel() -> Path:
    """Returns the user-mode kernel's build folder; builds it on first use."""
    built = subprocess.run([TOP / "scripts/uml-kernel"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(built.stdout.strip())


def run(command: list[str], timeout: float) -> str:
    """Runs a command to its end; returns what it prints."""
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="uml-", dir=folder) as name:
        job = Path(name)
        for file, values in (
            ("argv", command),
            ("cwd", [str(Path.cwd())]),
            ("env", [f"{name}={value}" for name, value in os.environ.items()]),
        ):
            (job / file).write_bytes(b"".join(os.fsencode(value) + b"\0" for value in values))
        console = job / "console"
        with console.open("wb") as to:
            process = subprocess.Popen(
                [
                    str(kernel() / "vmlinux"),
                    *(f"mem={MEMORY}", "rootfstype=hostfs", "rootflags=/", "rw", "loglevel=5", "panic=-1"),
                    *("con=null", "seccomp=on", f"init={HERE}/uml_init", f"uml_job={job}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=to,
                stderr=to,
                preexec_fn=die_with_parent,
            )
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout)
            finally:
                process.kill()
                process.wait()
        status = job / "status"
        if not status.is_file() or int(status.read_text()):
            said = "".join(file.read_text(errors="replace") for file in (console, job / "stderr") if file.is_file())
            raise RuntimeError(
                f"in the user-mode kernel, {' '.join(command)} failed, or took more than {timeout:g} s:\n{said[-4000:]}"
            )
        sys.stderr.write((job / "stderr").read_text())
        return (job / "stdout").read_text()


if __name__ == "__main__":
    print(run(sys.argv[1:], timeout=900), end="")
