# SPDX-License-Identifier: GPL-2.0
"""Fixtures: a built copy of the sources, and rustc as kbuild calls it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from plugins.time_limit import limit_all
from support.build import Compile, make
from support.paths import TOP


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives tests that build modules and boot guests more time."""
    limit_all(items, Path(__file__).parent, 600)


@pytest.fixture(scope="session")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Builds a copy of the sources; returns where, and what make said."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("Kbuild", "Makefile"):
        shutil.copy(TOP / name, copy)
    for name in ("src", "bindings", "scripts"):
        ignore = shutil.ignore_patterns("*.o", ".*", "*_generated.rs")
        shutil.copytree(TOP / name, copy / name, ignore=ignore)
    prelude = Path("tests/modules/prelude.rs")
    (copy / prelude.parent).mkdir(parents=True)
    shutil.copy(TOP / prelude, copy / prelude)
    return copy, make(copy, "V=1")


@pytest.fixture(scope="session")
def tree(first_build: tuple[Path, str]) -> Path:
    """Returns a copy of the sources that has been built."""
    return first_build[0]


PROGRAM = """\
{docs}
#![allow(missing_docs, dead_code, unused_imports, reason = "a test")]

include!("{tree}/tests/modules/prelude.rs");

use kernel::sync::{{
    atomic::Atomic,
    Arc,
    Mutex, //
}};

"""
# Defined by a module's declaration, which these programs lack.
PREFIX = 'const __LOG_PREFIX: &[u8] = b"program\\0";\n'


@pytest.fixture
def rustc(tree: Path, tmp_path: Path) -> Compile:
    """Returns a function that compiles a program against the hook API, by kbuild's own command."""
    text = (tree / "src/.nf_tracer.o.cmd").read_text()
    command = re.search(r"^savedcmd_\S+ := (.*?) --out-dir ", text, re.MULTILINE)
    assert command
    environment = {
        "RUSTC_BOOTSTRAP": "1",
        "NF_TRACER_BINDINGS": str(tree / "bindings/bindings_generated.rs"),
    }

    def compile_text(text: str) -> subprocess.CompletedProcess[str]:
        source = tmp_path / "program.rs"
        lines = text.splitlines(keepends=True)
        docs = [line for line in lines if line.startswith("//!")]
        rest = [line for line in lines if not line.startswith("//!")]
        if "module_netfilter_hooks! {" not in text:
            rest.append(PREFIX)
        source.write_text(PROGRAM.format(docs="".join(docs), tree=tree) + "".join(rest))
        return subprocess.run(
            f"{command[1]} --emit=metadata --out-dir {tmp_path} {source}",
            shell=True,
            cwd=tree,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return compile_text
