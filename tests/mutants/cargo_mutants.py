# SPDX-License-Identifier: GPL-2.0
"""Has cargo-mutants change each place of the plain Rust, and sees whether the host tests notice.

Usage: tests/mutants/cargo [--list] [FILE...]

Without FILEs, such as src/packet/tcp.rs, all that the host tests compile of src/ is mutated, one
place at a time: an operator, a match arm, what a function returns. A mutant that no test
notices has survived. Those in tests/mutants/survivors.toml are known, with the reason; any other,
or one of those that is noticed by now, is a failure.

  --list   only say which mutants there are

All are tried with a part of the random cases first, and by code that is quickly compiled; only
what survives that is tried with all of them. Takes some seconds for each. Runs in the build
environment, where it installs cargo-mutants on its first run.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

from vm.pace import slowness

TOP = Path(__file__).resolve().parents[2]
KNOWN = TOP / "tests/mutants/survivors.toml"
# The last one that the root's compiler builds.
VERSION = "26.0.0"
# Of all tests, which take some seconds.
TIMEOUT = 60
# Of each property, in the first round.
CASES = 20
# The module's sources lie below the crate in the copy: cargo-mutants takes nothing from outside of it.
SOURCES = "src/module"
COULD_NOT_TRY = (1, 4)


def program() -> Path:
    """Returns cargo-mutants in the cache; installs it on first use."""
    home = Path(os.environ["NF_TRACER_CACHE"], f"cargo-mutants-{VERSION}")
    if not (home / "bin/cargo-mutants").is_file():
        subprocess.run(["cargo", "install", "--locked", "--root", home, f"cargo-mutants@{VERSION}"], check=True)
    return home / "bin/cargo-mutants"


def copy_crate(to: Path) -> None:
    """Copies the host tests' crate, with the module's sources in it, to be mutated in place."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(TOP / "tests/host", to, ignore=shutil.ignore_patterns("target"))
    shutil.copytree(TOP / "src", to / SOURCES)
    root = to / "src/lib.rs"
    text = root.read_text()
    line = '#[path = "../../../src"]\n'
    if text.count(line) != 1:
        sys.exit(f"tests/mutants/cargo: {root} has no {line.strip()}")
    root.write_text(text.replace(line, ""))


def mutate(crate: Path, files: list[str], *options: str, **environment: str) -> None:
    """Runs one round of cargo-mutants."""
    command = [program(), "mutants", "--in-place", "--no-shuffle", "--line-col=false", "--dir", crate]
    # A test that does not end is noticed; one that somebody else's work holds up is to end.
    command += ["--minimum-test-timeout", str(round(TIMEOUT * slowness()))]
    command += ["--package", "nf-tracer-host-tests", "--output", crate, "--colors=never"]
    command += [word for file in files for word in ("--file", file)]
    environment = (
        os.environ
        | environment
        | {
            "CARGO_TARGET_DIR": f"{os.environ['NF_TRACER_CACHE']}/mutants-target",
            # What fails is not made smaller: that it fails is enough.
            "PROPTEST_MAX_SHRINK_ITERS": "0",
            "PROPTEST_FAILURE_PERSISTENCE": "off",
        }
    )
    done = subprocess.run([*command, *options], env=environment, check=False)
    if done.returncode in COULD_NOT_TRY:
        sys.exit("tests/mutants/cargo: cargo-mutants could not do its work")


def names(crate: Path, outcome: str) -> Counter[tuple[str, str]]:
    """Returns the file and description of each mutant with this outcome; some differ only by their line."""
    lines = (crate / "mutants.out" / f"{outcome}.txt").read_text().splitlines()
    return Counter(split(line) for line in lines)


def split(line: str) -> tuple[str, str]:
    file, _, text = re.sub(r":\d+:\d+: ", ": ", line).partition(": ")
    return file.replace(SOURCES, "src", 1), text


def known(files: list[str]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for entry in tomllib.loads(KNOWN.read_text()).get("survivor", []):
        if not files or entry["file"] in files:
            found[entry["file"], entry["mutant"]] += entry.get("times", 1)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", 2)[2],
        usage="tests/mutants/cargo [--list] [FILE...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", metavar="FILE")
    arguments = parser.parse_args()
    if "NF_TRACER_ROOT" not in os.environ:
        os.chdir(TOP)
        os.execv("scripts/root", ["scripts/root", "--", "tests/mutants/cargo", *sys.argv[1:]])
    for file in arguments.files:
        if not file.startswith("src/") or not (TOP / file).is_file():
            sys.exit(f"tests/mutants/cargo: {file} is no file of src/, named from the checkout's top")

    checkout = hashlib.sha256(str(TOP).encode()).hexdigest()[:12]
    crate = Path(os.environ["NF_TRACER_CACHE"], f"mutants-{checkout}")
    copy_crate(crate)
    files = [file.replace("src", SOURCES, 1) for file in arguments.files] or [f"{SOURCES}/**"]
    if arguments.list:
        mutate(crate, files, "--list")
        return 0
    mutate(crate, files, "--profile", "quick", PROPTEST_CASES=str(CASES))
    if names(crate, "missed"):
        mutate(crate, files, "--iterate")

    survived, expected = names(crate, "missed"), known(arguments.files)
    for (file, text), count in sorted((survived - expected).items()):
        print(f"SURVIVED  {file}: {text}" + (f" ({count} times more than known)" if count > 1 else ""))
    for (file, text), _ in sorted((expected - survived).items()):
        print(f"noticed by now, or gone: {file}: {text}: take it out of {KNOWN.relative_to(TOP)}")
    print(f"{survived.total()} survived, {(survived - expected).total()} of them without a reason")
    return survived != expected


if __name__ == "__main__":
    sys.exit(main())
