# SPDX-License-Identifier: GPL-2.0
"""scripts/rust-metadata: which differences of a kernel's configuration it takes for one of the tools."""

import re
import subprocess
from pathlib import Path

import pytest

from support.paths import TOP

KERNEL = """\
CONFIG_RUSTC_VERSION=108501
CONFIG_RUST=y
# CONFIG_WERROR is not set
"""


@pytest.mark.parametrize(
    ("other", "different"),
    [
        (KERNEL.replace("108501", "108502"), ""),
        # Options of documentation are there if what makes it is installed.
        (KERNEL + "# CONFIG_WARN_ABI_ERRORS is not set\n", ""),
        (KERNEL + "CONFIG_CC_HAS_NEW=y\n", "CONFIG_CC_HAS_NEW=y"),
        (KERNEL.replace("# CONFIG_WERROR is not set", "CONFIG_WERROR=y"), "CONFIG_WERROR=y"),
        (KERNEL.replace("CONFIG_RUST=y\n", ""), "CONFIG_RUST=y"),
    ],
)
def test_an_option_that_the_tools_make_another_one_is_found(tmp_path: Path, other: str, different: str) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_text(KERNEL)
    after.write_text(other)
    script = (TOP / "scripts/rust-metadata").read_text()
    (options,) = re.findall(r"^options\(\) .*$", script, re.MULTILINE)
    compare = f"{options}; comm -3 <(options {before}) <(options {after})"
    assert subprocess.check_output(["bash", "-c", compare], text=True).strip() == different
