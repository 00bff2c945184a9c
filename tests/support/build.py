# SPDX-License-Identifier: GPL-2.0
"""Building in a copy of the sources, for the build suite."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

Compile = Callable[[str], subprocess.CompletedProcess[str]]
"""What the fixture `rustc` is: compiles the text of a program."""


def make(tree: Path, *arguments: str, **environment: str) -> str:
    """Runs make with W=1 in a copy of the sources; returns what it prints."""
    # On the command line, W=1 would be for the first build only: another one without it makes all anew.
    environment = {"KBUILD_EXTRA_WARN": "1"} | environment
    done = subprocess.run(
        ["make", *arguments], cwd=tree, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
