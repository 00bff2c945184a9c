# SPDX-License-Identifier: GPL-2.0
"""The symbols of tests/modules."""

import re

import pytest

from support.hook_modules import MODULES
from support.netns import run

_NAMES = sorted(path.stem for path in (MODULES / "src").glob("*.rs"))


@pytest.mark.parametrize("name", _NAMES)
def test_no_module_can_panic(name: str) -> None:
    symbols = run("nm", str(MODULES / f"{name}.ko"))
    assert "hook_fn" in symbols
    assert not re.findall(r".*4core.*(?:panicking|_fail(?:ed)?$).*", symbols, re.MULTILINE)
