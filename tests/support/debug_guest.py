# SPDX-License-Identifier: GPL-2.0
"""Boots a debug kernel for a scene of tests/debug/inside.py."""

import os
import re
import subprocess
from pathlib import Path

from support.paths import PYTHON, TOP

KERNEL = os.environ["NF_TRACER_DEBUG_KERNEL"]
MODULES = Path(os.environ["NF_TRACER_DEBUG_MODULES"])
# scripts/vm's, where the guest died or its kernel complained.
GUEST_FAILED = 125
# Of a guest, in seconds: with NF_TRACER_ROUNDS or NF_TRACER_PACKETS a test may take hours.
TIMEOUT = 14000


def boot(*command: object, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs a command in the debug kernel. Any report of the kernel makes the exit status GUEST_FAILED."""
    return subprocess.run(
        [
            *(TOP / "scripts/vm", "--kernel", KERNEL, "--cpus", "2", "--mem", "3G"),
            *("--timeout", str(TIMEOUT), *options, "--", *(str(word) for word in command)),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def python(script: str, *arguments: object, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs a script of tests/debug in the debug kernel."""
    return boot(
        *("env", "PYTHONDONTWRITEBYTECODE=1", PYTHON, TOP / "tests/debug" / script, *arguments),
        options=options,
    )


def run(
    *scene: str, modules: Path = MODULES / "real", options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Boots the debug kernel for one scene of inside.py."""
    return python("inside.py", modules, *scene, options=options)


def succeed(*scene: str, modules: Path = MODULES / "real", options: tuple[str, ...] = ()) -> str:
    """Boots the kernel for one scene that has to end well; returns what it prints."""
    done = run(*scene, modules=modules, options=options)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def console_log(done: subprocess.CompletedProcess[str]) -> Path:
    """Returns the console's log that scripts/vm names."""
    match = re.search(r"^scripts/vm: console log: (.*)$", done.stderr, re.MULTILINE)
    assert match, done.stderr
    return Path(match[1])
