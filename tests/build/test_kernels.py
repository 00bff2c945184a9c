# SPDX-License-Identifier: GPL-2.0
"""The table of kernels: which one a name means, and which one of the archive's is taken."""

import os
import re
import subprocess

import pytest

from support.paths import TOP

NAMES = [
    row.split()[0] for row in (TOP / "scripts/root.d/kernels").read_text().splitlines() if row[:1] not in ("", "#")
]
# Outside of the build environment, which is for one kernel.
OUTSIDE = {
    name: value for name, value in os.environ.items() if not name.startswith(("NF_TRACER_ROOT", "NF_TRACER_KERNEL"))
}


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], env=OUTSIDE | environment, capture_output=True, text=True, check=False
    )


def table(script: str, given: str = "") -> str:
    """Runs shell commands with the functions of root.d/table; returns what they print."""
    head = "set -euo pipefail; PROGRAM=test; . scripts/root.d/common; . scripts/root.d/table; "
    done = subprocess.run(
        ["bash", "-c", head + script], cwd=TOP, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def packages(*kernels: tuple[str, str], lacks: str = "") -> str:
    """Returns a list of packages, as apt-cache prints it, that has these kernels' (version, release)."""
    stanzas = []
    for version, release in kernels:
        series = ".".join(release.split("+")[0].split(".")[:2])
        for name in (f"linux-image-{release}", f"linux-headers-{release}", f"linux-source-{series}"):
            if name != lacks:
                stanzas.append(f"Package: {name}\nSource: linux\nVersion: {version}\nSize: 1\n")
    return "\n".join(stanzas)


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (["scripts/root", "--kernel", "7.0-none"], {}),
        (["scripts/root", "true"], {"NF_TRACER_KERNEL": "7.0-none"}),
        (["tests/guest/run", "--kernel", "7.0-none"], {}),
    ],
)
def test_an_unknown_name_is_refused_in_one_line_with_those_that_there_are(
    command: list[str], environment: dict[str, str]
) -> None:
    done = run(TOP / command[0], *command[1:], **environment)
    assert done.returncode == 125
    assert done.stderr == f"scripts/root: no kernel '7.0-none': there are {' '.join(NAMES)}\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--prune", "now"], "--prune takes no command, and 'now' is there: see scripts/root --help"),
        (["--prune"], "nothing is removed from inside of the build environment: leave it first"),
    ],
)
def test_nothing_is_removed_by_a_slip(options: list[str], told: str) -> None:
    done = subprocess.run([TOP / "scripts/root", *options], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (125, f"scripts/root: {told}\n")


@pytest.mark.parametrize("command", ["scripts/root -- true", "scripts/vm --timeout 1 -- true"])
def test_another_kernel_is_refused_within_the_environment(command: str) -> None:
    other = next(name for name in NAMES if name != os.environ["NF_TRACER_ROOT_KERNEL"])
    program, *arguments = command.split()
    done = subprocess.run([TOP / program, "--kernel", other, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert done.stderr.startswith(
        f"scripts/root: this is the build environment of {os.environ['NF_TRACER_ROOT_KERNEL']}:"
    )


def test_the_first_row_is_the_default_and_each_name_its_own_folder() -> None:
    assert table('find_kernel ""; echo "$kernel_name"') == NAMES[0]
    folders = [table(f'find_kernel {name}; echo "$kernel"') for name in NAMES]
    assert len(set(folders)) == len(NAMES) == len(set(NAMES))


def test_kernels_of_one_release_and_architecture_share_an_environment() -> None:
    rows = [table(f'find_kernel {name}; echo "$tools $kernel_architecture $root"').split() for name in NAMES]
    assert len({(tools, architecture) for tools, architecture, _ in rows}) == len({root for _, _, root in rows})


def places(name: str, machine: str) -> dict[str, str]:
    """Returns the folders of a kernel on a machine of this architecture, without those that they are in."""
    script = f'dpkg() {{ echo {machine}; }}; find_kernel {name}; declare -p root base guest | sed "s|$cache/||"'
    return dict(re.findall(r'(\w+)="(.*)"', table(script)))


def test_a_kernel_of_another_architecture_adds_to_the_environment_that_the_others_have() -> None:
    own, other = places("7.3-amd64", "amd64"), places("7.3-arm64", "amd64")
    assert (own["base"], own["guest"]) == ("", "")
    assert other["base"] == own["root"]
    assert re.fullmatch("root-trixie-arm64-[0-9a-f]{12}", other["root"])
    assert re.fullmatch("guest-trixie-arm64-[0-9a-f]{12}", other["guest"])
    here = places("7.3-arm64", "arm64")
    assert (here["base"], here["guest"]) == ("", "")


def test_what_only_another_architecture_needs_is_not_in_every_environment() -> None:
    everywhere, cross, guest = (
        table(script).split() for script in ("packages_of trixie", "cross_packages arm64", "guest_packages trixie")
    )
    assert {"gcc-14-aarch64-linux-gnu", "qemu-system-arm"} <= set(cross)
    assert not set(cross) & set(everywhere)
    # Guests of the machine's own architecture run on the environment itself.
    assert set(guest) < set(everywhere)
    assert {"python3-scapy", "nftables", "busybox-static"} <= set(guest)
    assert not {"rustc", "qemu-system-x86"} & set(guest)
    assert table("cross_packages amd64") == ""


def test_packages_of_another_release_are_left_out() -> None:
    trixie = table("packages_of trixie").split()
    assert {"gcc", "gcc-14"} <= set(trixie)
    assert "gcc-16" not in trixie
    assert {"gcc-16", "linux-perf"} <= set(table("packages_of forky").split()) & set(table("packages_of sid").split())
    assert not [name for name in trixie if "[" in name or "#" in name]


OLD, PINNED, NEW = (
    ("7.2.9-1", "7.2.9+deb14-amd64"),
    ("7.2.11-1", "7.2.11+deb14-amd64"),
    ("7.3.1-1", "7.3.1+deb14-amd64"),
)


def test_the_pinned_kernel_is_taken_where_there_are_newer_ones() -> None:
    given = packages(NEW, PINNED, OLD)
    assert table("complete_kernels 7.2.11-1 amd64 | tail -n 1", given) == "7.2.11-1 7.2.11+deb14-amd64 7.2"


def test_without_the_pinned_kernel_the_newest_complete_one_is_taken() -> None:
    given = packages(OLD, PINNED, NEW, lacks="linux-headers-7.3.1+deb14-amd64")
    assert table("complete_kernels 7.2.2-1 amd64 | tail -n 1", given) == "7.2.11-1 7.2.11+deb14-amd64 7.2"


def test_a_source_of_another_version_does_not_count() -> None:
    given = packages(OLD, PINNED).replace(
        "linux-source-7.2\nSource: linux\nVersion: 7.2.11-1", "linux-source-7.2\nVersion: 1"
    )
    assert table("complete_kernels 7.2.11-1 amd64", given) == "7.2.9-1 7.2.9+deb14-amd64 7.2"


def test_flavours_are_told_apart() -> None:
    given = packages(OLD, ("7.2.9-1", "7.2.9+deb14-rt-amd64"), ("7.2.9-1", "7.2.9+deb14-cloud-amd64"))
    for flavour in ("amd64", "rt-amd64", "cloud-amd64"):
        assert table(f"complete_kernels - {flavour}", given) == f"7.2.9-1 7.2.9+deb14-{flavour} 7.2"
