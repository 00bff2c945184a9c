# SPDX-License-Identifier: GPL-2.0
"""The module's build: what is rebuilt when, kbuild's variables, and what the module is made of.

Runs in the build environment, on a copy of the sources, against the stock kernel's KDIR.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.build import make

KDIR = Path(os.environ["KDIR"])


def steps(output: str) -> set[str]:
    """Returns the files that kbuild's short lines say it has made, such as 'CC [M]  x.o'."""
    return set(re.findall(r"^  [A-Z]+(?: \[M\])? +(\S+)$", output, re.MULTILINE))


LINK = {"nf_tracer.o", "nf_tracer.ko", "Module.symvers"}


def test_nothing_is_rebuilt_when_nothing_changed(tree: Path) -> None:
    assert steps(make(tree)) == set()


@pytest.mark.parametrize(
    ("file", "made"),
    [
        ("src/netfilter/point.rs", {"src/nf_tracer.o"}),
        ("bindings/helpers.c", {"bindings/helpers.o"}),
        ("bindings/helpers.h", {"bindings/bindings_generated.rs", "src/nf_tracer.o", "bindings/helpers.o"}),
    ],
)
def test_a_changed_file_rebuilds_what_is_made_of_it_and_no_more(tree: Path, file: str, made: set[str]) -> None:
    (tree / file).touch()
    assert steps(make(tree)) == made | LINK


def test_the_crate_depends_on_every_rust_file(tree: Path) -> None:
    # By rustc's own list of what it has read.
    read = {(tree / word).resolve() for word in (tree / "src/.nf_tracer.o.cmd").read_text().split()}
    files = {path.resolve() for folder in ("src", "bindings") for path in (tree / folder).rglob("*.rs")}
    assert len(files) > 20
    assert files - read == set()


def test_bindings_are_made_anew_for_another_parameter_and_without_rustfmt(tree: Path, tmp_path: Path) -> None:
    # Without rustfmt, bindgen's output has long lines.
    for folder in map(Path, os.environ["PATH"].split(":")):
        for program in folder.glob("*"):
            if program.name != "rustfmt" and not (tmp_path / program.name).exists():
                (tmp_path / program.name).symlink_to(program)
    with (tree / "bindings/bindgen_parameters").open("a") as parameters:
        parameters.write("--allowlist-type nf_queue_entry\n")
    made = {"bindings/bindings_generated.rs", "src/nf_tracer.o"}
    assert steps(make(tree, PATH=str(tmp_path))) == made | LINK
    generated = (tree / "bindings/bindings_generated.rs").read_text()
    assert "struct nf_queue_entry" in generated
    assert max(map(len, generated.splitlines())) > 1000


def test_v_shows_commands_and_w_finds_no_warning(first_build: tuple[Path, str]) -> None:
    assert "rustc --edition=2021" in first_build[1]
    assert "-DKBUILD_EXTRA_WARN1" in first_build[1]
    assert "warning" not in first_build[1].replace("-Wno-unused-but-set-variable", "")


def test_modules_install_puts_the_module_where_modprobe_looks(tree: Path, tmp_path: Path) -> None:
    make(tree, "modules_install", f"INSTALL_MOD_PATH={tmp_path}", "DEPMOD=true")
    release = (KDIR / "include/config/kernel.release").read_text().strip()
    assert list((tmp_path / "lib/modules" / release).rglob("nf_tracer.ko*"))


def test_clean_leaves_nothing_that_was_built(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy)
    make(copy, "clean")
    left = {path.name for path in copy.rglob("*") if path.is_file()}
    assert not [name for name in left if re.search(r"\.(o|ko|cmd|mod)$|_generated", name)]


def test_module_cannot_panic(tree: Path) -> None:
    symbols = subprocess.check_output(["nm", tree / "nf_tracer.ko"], text=True)
    assert "nf_register_net_hooks" in symbols
    # Slices, Option and Result panic by their own functions, all called ..._fail or ..._failed.
    assert not re.findall(r".*4core.*(?:panicking|_fail(?:ed)?$).*", symbols, re.MULTILINE)


def test_module_says_what_it_is(tree: Path) -> None:
    info = subprocess.check_output(["modinfo", tree / "nf_tracer.ko"], text=True)
    fields = dict(line.split(":", 1) for line in info.splitlines())
    assert fields["license"].strip() == "GPL"
    assert fields["description"].strip()
    release = (KDIR / "include/config/kernel.release").read_text().strip()
    assert fields["vermagic"].split()[0] == release


def _kdir_without(symbol: str, to: Path) -> Path:
    """Makes a copy of KDIR in which a symbol of the configuration is not set."""
    changed = ("include/config/auto.conf", "include/generated/autoconf.h", "include/generated/rustc_cfg", "Makefile")

    def lay_over(folder: str) -> None:
        (to / folder).mkdir()
        for entry in (KDIR / folder).iterdir():
            name = os.path.normpath(Path(folder, entry.name))
            if name in changed:
                lines = entry.read_text().replace(str(KDIR), str(to)).splitlines(keepends=True)
                is_symbol = re.compile(rf"(#define |--cfg=|){symbol}\b")
                (to / name).write_text("".join(line for line in lines if not is_symbol.match(line)))
            elif any(other.startswith(f"{name}/") for other in changed):
                lay_over(name)
            else:
                (to / name).symlink_to(entry)

    lay_over(".")
    return to


def test_it_builds_for_a_kernel_without_network_namespaces(tree: Path, tmp_path: Path) -> None:
    kdir = _kdir_without("CONFIG_NET_NS", tmp_path / "kdir")
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("*.o", ".*", "*_generated.rs", "*.ko"))
    output = make(copy, f"KDIR={kdir}", "KCFLAGS=-Werror", "KRUSTFLAGS=-Dwarnings")
    assert {"src/nf_tracer.o", "bindings/helpers.o"} <= steps(output)
    assert "CONFIG_NET_NS" not in (kdir / "include/generated/autoconf.h").read_text().split()
