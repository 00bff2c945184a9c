# SPDX-License-Identifier: GPL-2.0
"""The module's version."""

import re
import subprocess
from pathlib import Path

_TOP = Path(__file__).resolve().parents[2]


def test_the_module_has_the_version_that_the_changelog_starts_with(tree: Path) -> None:
    (version, *_) = re.findall(r"^## \[.*?\](?: - (\d+\.\d+\.\d+))?", (_TOP / "CHANGELOG.md").read_text(), re.MULTILINE)
    shown = subprocess.run(
        ["modinfo", "-F", "version", tree / "nf_tracer.ko"], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert shown == version
