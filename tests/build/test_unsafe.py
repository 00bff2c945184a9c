# SPDX-License-Identifier: GPL-2.0
"""Where `unsafe` stands: at the border with C, and nowhere else."""

import re
from collections import Counter

import pytest

from support.paths import TOP

# The folders without `unsafe`.
WITHOUT = ("src", "src/packet", "src/tracer", "src/tracer/settings", "tests/modules/src")
_NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|b?r?"(?:\\.|[^"\\])*"', re.DOTALL)


def counts() -> dict[str, Counter[str]]:
    """Counts the uses of `unsafe` by what follows, for each folder."""
    found: dict[str, Counter[str]] = {}
    for top in ("bindings", "src", "tests/modules/src"):
        for path in (TOP / top).rglob("*.rs"):
            # bindgen's output is not counted.
            if path.name != "bindings_generated.rs":
                words = re.findall(r"\bunsafe (\{|\w+)", _NO_CODE.sub("", path.read_text()))
                found.setdefault(str(path.parent.relative_to(TOP)), Counter()).update(words)
    return found


def test_unsafe_is_in_the_folders_that_are_for_it_only(capsys: pytest.CaptureFixture[str]) -> None:
    found = counts()
    with capsys.disabled():
        print("\nunsafe:              blocks  fns  impls")
        for folder, words in sorted(found.items()):
            print(f"  {folder:20}{words['{']:5}{words['fn'] + words['extern']:5}{words['impl']:6}")
    assert {folder: dict(found[folder]) for folder in WITHOUT if found[folder]} == {}
    # The search itself works.
    assert found["src/netfilter"]["{"] > 20
    assert found["bindings"]["{"] > 5
    assert set(found) == {*WITHOUT, "src/netfilter", "bindings"}
