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
    path = _path_without("rustfmt", tmp_path / "path")
    with (tree / "bindings/bindgen_parameters").open("a") as parameters:
        parameters.write("--allowlist-type nf_queue_entry\n")
    made = {"bindings/bindings_generated.rs", "src/nf_tracer.o"}
    assert steps(make(tree, PATH=path)) == made | LINK
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


STATIC_BRANCH = "rust/kernel/generated_arch_static_branch_asm.rs"


def _path_without(program: str, to: Path) -> str:
    """Makes a folder for PATH in which one program is missing."""
    to.mkdir()
    for folder in map(Path, os.environ["PATH"].split(":")):
        for each in folder.glob("*"):
            if each.name != program and not (to / each.name).exists():
                (to / each.name).symlink_to(each)
    return str(to)


def _kdir_without(to: Path, symbol: str = "", file: str = "") -> Path:
    """Makes a copy of KDIR in which a symbol of the configuration is not set, and a file missing."""
    changed = (
        "include/config/auto.conf",
        "include/generated/autoconf.h",
        "include/generated/rustc_cfg",
        "Makefile",
        file,
    )

    def lay_over(folder: str) -> None:
        (to / folder).mkdir()
        for entry in (KDIR / folder).iterdir():
            name = os.path.normpath(Path(folder, entry.name))
            if name == file:
                continue
            if name in changed:
                lines = entry.read_text().replace(str(KDIR), str(to)).splitlines(keepends=True)
                is_symbol = re.compile(rf"(#define |--cfg=|){symbol}\b")
                (to / name).write_text("".join(line for line in lines if not symbol or not is_symbol.match(line)))
            elif any(other.startswith(f"{name}/") for other in changed):
                lay_over(name)
            else:
                (to / name).symlink_to(entry)

    lay_over(".")
    return to


def test_it_builds_for_a_kernel_without_network_namespaces(tree: Path, tmp_path: Path) -> None:
    kdir = _kdir_without(tmp_path / "kdir", symbol="CONFIG_NET_NS")
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("*.o", ".*", "*_generated.rs", "*.ko"))
    output = make(copy, f"KDIR={kdir}", "KCFLAGS=-Werror", "KRUSTFLAGS=-Dwarnings")
    assert {"src/nf_tracer.o", "bindings/helpers.o"} <= steps(output)
    assert "CONFIG_NET_NS" not in (kdir / "include/generated/autoconf.h").read_text().split()


def test_headers_that_ship_their_own_metadata_are_used_as_they_are(tree: Path, tmp_path: Path) -> None:
    # As of a distribution whose package leaves out some generated sources, and whose compiler has another name.
    kdir = _kdir_without(tmp_path / "kdir", file=STATIC_BRANCH)
    assert not (kdir / STATIC_BRANCH).exists()
    path = _path_without("rustc", tmp_path / "path")
    (tmp_path / "path/rustc-kernel").symlink_to(shutil.which("rustc") or "")
    given = subprocess.check_output(
        [tree / "scripts/rust-metadata", "--kdir", kdir], text=True, env=os.environ | {"PATH": path}
    )
    assert given == f"{kdir}\n"

    copy = tmp_path / "copy"
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("*.o", ".*", "*_generated.rs", "*.ko"))
    output = make(
        copy, f"KDIR={kdir}", "RUSTC=rustc-kernel", "W=1", "KCFLAGS=-Werror", "KRUSTFLAGS=-Dwarnings", PATH=path
    )
    assert {"src/nf_tracer.o", "nf_tracer.ko"} <= steps(output)
    # A function call in place of a branch that is patched, and only there.
    asks = "nf_tracer_trace_event_enabled"
    assert asks in subprocess.check_output(["nm", "--undefined-only", copy / "src/nf_tracer.o"], text=True)
    assert asks not in subprocess.check_output(["nm", "--undefined-only", tree / "src/nf_tracer.o"], text=True)
