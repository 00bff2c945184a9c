# SPDX-License-Identifier: GPL-2.0
"""The lines that make prints for a kernel that no Rust module can be built for."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from support.paths import TOP

KDIR = Path(os.environ["KDIR"])


def check(kdir: Path, **environment: str) -> tuple[int, list[str]]:
    """Runs the check; returns its exit status and the lines that it prints."""
    done = subprocess.run(
        [TOP / "scripts/check-kdir", kdir],
        cwd=TOP,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def refusal(kdir: Path, **environment: str) -> str:
    """Runs the check where it has to fail; returns the one line that it prints."""
    status, lines = check(kdir, **environment)
    assert status == 1
    (line,) = lines
    return line


@pytest.fixture
def kdir(tmp_path: Path) -> Path:
    """Makes a build folder like the stock kernel's, whose parts a test can take away."""
    config = tmp_path / "include/config"
    config.mkdir(parents=True)
    (config / "auto.conf").write_text((KDIR / "include/config/auto.conf").read_text())
    (config / "kernel.release").write_text("7.3.0-test\n")
    for name in ("Makefile", "rust/libkernel.rmeta", "scripts/target.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(KDIR / name)
    return tmp_path


def set_config(kdir: Path, before: str, after: str) -> None:
    """Replaces a line of the configuration."""
    path = kdir / "include/config/auto.conf"
    text = path.read_text()
    assert f"\n{before}\n" in text
    path.write_text(text.replace(f"\n{before}\n", f"\n{after}\n"))


def test_the_stock_kernel_passes_in_silence(kdir: Path) -> None:
    assert check(KDIR) == (0, [])
    assert check(kdir) == (0, [])


def test_missing_headers_are_named_with_their_package(tmp_path: Path) -> None:
    line = refusal(tmp_path / "none")
    assert "no kernel build folder" in line
    assert "linux-headers-" in line


def test_a_folder_without_makefile_is_no_build_folder(tmp_path: Path) -> None:
    line = refusal(tmp_path)
    assert "has no Makefile" in line


def test_an_unconfigured_tree_is_reported_with_the_cure(kdir: Path) -> None:
    (kdir / "include/config/auto.conf").unlink()
    line = refusal(kdir)
    assert "make modules_prepare" in line


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("CONFIG_RUST", "without Rust (CONFIG_RUST is not set)"),
        ("CONFIG_NETFILTER", "no netfilter (CONFIG_NETFILTER is not set)"),
        ("CONFIG_MODULES", "loads no modules (CONFIG_MODULES is not set)"),
        ("CONFIG_64BIT", "nf_tracer is for 64 bit only"),
    ],
)
def test_what_the_kernel_lacks_is_named(kdir: Path, symbol: str, words: str) -> None:
    set_config(kdir, f"{symbol}=y", f"# {symbol} is not set")
    line = refusal(kdir)
    assert words in line


@pytest.mark.parametrize("file", ["rust/libkernel.rmeta", "scripts/target.json"])
def test_missing_metadata_is_reported_with_how_to_make_it(kdir: Path, file: str) -> None:
    (kdir / file).unlink()
    line = refusal(kdir)
    assert f"is missing ({file})" in line
    assert "scripts/rust-metadata" in line
    assert "linux-lib-rust-7.3.0-test" in line


def test_a_target_is_needed_on_x86_only(kdir: Path) -> None:
    (kdir / "scripts/target.json").unlink()
    assert "is missing (scripts/target.json)" in refusal(kdir)
    set_config(kdir, "CONFIG_X86_64=y", "CONFIG_ARM64=y")
    assert check(kdir) == (0, [])


@pytest.mark.parametrize("release", ["7.1.13+deb13-amd64", "6.12.1", "7.0.0-rc1"])
def test_an_older_kernel_is_refused_before_anything_else(kdir: Path, release: str) -> None:
    (kdir / "include/config/kernel.release").write_text(f"{release}\n")
    set_config(kdir, "CONFIG_RUST=y", "# CONFIG_RUST is not set")
    line = refusal(kdir, RUSTC="no-rustc")
    assert f"is {release}, which lacks" in line
    assert "use 7.2 or newer" in line


@pytest.mark.parametrize("release", ["7.10.1-amd64", "7.4.0-rc1", "8.0.0+"])
def test_a_newer_kernel_is_noted_and_not_refused(kdir: Path, release: str) -> None:
    (kdir / "include/config/kernel.release").write_text(f"{release}\n")
    status, (line,) = check(kdir)
    assert status == 0
    assert f"is {release}, newer than what nf_tracer is tested on (7.2 7.3)" in line
    (kdir / "rust/libkernel.rmeta").unlink()
    status, (first, second) = check(kdir)
    assert (status, first) == (1, line)
    assert "libkernel.rmeta" in second


@pytest.mark.parametrize("release", ["7.2.0", "7.2.99-arch1-1", "7.3.4+deb13-rt-amd64", "7.3.0-rc7+"])
def test_of_a_supported_kernel_nothing_is_said(kdir: Path, release: str) -> None:
    (kdir / "include/config/kernel.release").write_text(f"{release}\n")
    assert check(kdir) == (0, [])


def rustup(folder: Path, *toolchains: str) -> Path:
    """Makes a rustc that is a rustup's: of RUSTUP_TOOLCHAIN, else of rust-toolchain.toml in the working folder."""
    proxy = folder / "rustc"
    proxy.write_text(f"""\
#!/bin/sh
toolchain=${{RUSTUP_TOOLCHAIN-$(sed -n 's/^channel = "\\(.*\\)"/\\1/p' rust-toolchain.toml)}}
case " {" ".join(toolchains)} " in
*" $toolchain "*) echo "rustc $toolchain" ;;
*) echo "error: toolchain '$toolchain' is not installed" >&2; exit 1 ;;
esac
""")
    proxy.chmod(0o755)
    return proxy


def test_rustup_is_asked_for_the_kernels_compiler_in_a_checkout_that_names_another(kdir: Path, tmp_path: Path) -> None:
    config = kdir / "include/config/auto.conf"
    text = re.sub("CONFIG_RUSTC_VERSION_TEXT=.*", 'CONFIG_RUSTC_VERSION_TEXT="rustc 1.97.1"', config.read_text())
    config.write_text(text)
    proxy = rustup(tmp_path, "1.85.1", "1.97.1")
    assert check(kdir, RUSTC=str(proxy)) == (0, [])
    assert "is 'rustc 1.85.1'" in refusal(kdir, RUSTC=str(proxy), RUSTUP_TOOLCHAIN="1.85.1")


@pytest.mark.parametrize(("variable", "tool"), [("RUSTC", "rustc"), ("BINDGEN", "bindgen")])
def test_a_missing_tool_is_named(kdir: Path, variable: str, tool: str) -> None:
    line = refusal(kdir, **{variable: f"no-{tool}"})
    assert f"no-{tool} is missing" in line


@pytest.mark.parametrize(("variable", "tool"), [("RUSTC", "rustc"), ("BINDGEN", "bindgen")])
def test_another_version_of_a_tool_is_refused(kdir: Path, tmp_path: Path, variable: str, tool: str) -> None:
    other = tmp_path / f"other-{tool}"
    other.write_text(f"#!/bin/sh\necho '{tool} 1.0.0'\n")
    other.chmod(0o755)
    line = refusal(kdir, **{variable: str(other)})
    assert f"is '{tool} 1.0.0'" in line
    assert "was built with" in line


def test_a_kernel_built_with_clang_wants_llvm(kdir: Path) -> None:
    set_config(kdir, "CONFIG_CC_IS_GCC=y", "CONFIG_CC_IS_CLANG=y")
    assert refusal(kdir) == f"nf_tracer: the kernel in {kdir} was built with clang: add LLVM=1"
    assert check(kdir, LLVM="1") == (0, [])


def test_several_problems_make_several_lines(kdir: Path) -> None:
    status, lines = check(kdir, RUSTC="no-rustc", BINDGEN="no-bindgen")
    assert status == 1
    assert len(lines) == 2


def test_without_a_folder_it_says_how_it_is_used() -> None:
    done = subprocess.run([TOP / "scripts/check-kdir"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: scripts/check-kdir KDIR\n")
