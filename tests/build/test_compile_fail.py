# SPDX-License-Identifier: GPL-2.0
"""Programs that misuse src/netfilter, each with the error that its types give.

A program's first line is the error that rustc has to give, once or more, and no other.
"""

import re
from pathlib import Path

import pytest

from support.build import Compile
from support.paths import TOP

PROGRAMS = sorted(Path(__file__).with_name("compile_fail").glob("*.rs"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_that_misuses_the_api_does_not_compile(rustc: Compile, program: Path) -> None:
    text = program.read_text()
    done = rustc(text)
    errors = re.findall(r"^error\[.*", done.stderr, re.MULTILINE)
    expected = text.splitlines()[0].removeprefix("// ")
    assert done.returncode != 0
    assert errors, done.stderr
    assert all(expected in error for error in errors), done.stderr


def examples() -> list[tuple[str, str]]:
    """Returns the code in the documentation of src/netfilter, with its place."""
    found = []
    for path in sorted((TOP / "src/netfilter").glob("*.rs")):
        text = path.read_text()
        for match in re.finditer(r"^ *//[/!] ```ignore\n(.*?)^ *//[/!] ```$", text, re.MULTILINE | re.DOTALL):
            code = re.sub(r"^ *//[/!] ?", "", match[1], flags=re.MULTILINE)
            found.append((f"{path.name}:{text[: match.start()].count('\n') + 1}", code))
    return found


@pytest.mark.parametrize(("where", "code"), examples())
def test_examples_in_the_documentation_compile(rustc: Compile, where: str, code: str) -> None:
    done = rustc(code)
    assert done.returncode == 0, f"{where}\n{done.stderr}"
