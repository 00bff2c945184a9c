# SPDX-License-Identifier: GPL-2.0
"""The loaded module's parameters and counts."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support import kmsg, module

FOLDER = Path("/sys/module", module.NAME, "parameters")
# Some of enum nf_ip_hook_priorities in linux/netfilter_ipv4.h.
_PRIORITIES = {"first": -(2**31), "raw": -300, "conntrack": -200, "filter": 0, "last": 2**31 - 1}


@contextlib.contextmanager
def loaded(parameters: str) -> Iterator[None]:
    """Loads the module, and unloads it afterwards."""
    module.load(parameters)
    try:
        yield
    finally:
        module.unload()


def put(name: str, value: str | bytes) -> None:
    """Writes a value by one write, as echo does. Raises OSError if it is refused."""
    with (FOLDER / name).open("wb", buffering=0) as file:
        # Without the newline, an empty value would not reach the module.
        file.write((value.encode() if isinstance(value, str) else value) + b"\n")


def get(name: str) -> str:
    return (FOLDER / name).read_text().removesuffix("\n")


def _priority() -> int:
    """Returns the number of the priority, which may be a name with an offset."""
    match = re.fullmatch(r"([a-z_]*)([+-]?\d+)?", get("priority"))
    assert match, get("priority")
    name, offset = match.groups()
    return (_PRIORITIES[name] if name else 0) + int(offset or 0)


def hooked_in() -> list[str]:
    """Returns the hooks that the parameters imply, in the form of module.hooks()."""
    hooks = get("hooks").split(",")
    families = {"ipv4": ["ip"], "ipv6": ["ip6"], "inet": ["ip", "ip6"]}[get("family")]
    return sorted(f"{family} {hook} {_priority()}" for family in families for hook in hooks)


def counts(sink: str = "log") -> dict[str, kmsg.Summary]:
    """Returns the counts of a sink by 'hook family', and checks that they add up."""
    points = {}
    for line in get("counts").splitlines():
        # Namespaces that are left out.
        if line.startswith("netns "):
            continue
        hook, family, of, _, rest = line.split(" ", 4)
        summary = kmsg.parse_summary(rest)
        if of == sink:
            points[f"{hook} {family}"] = summary
    return points


def total(sink: str = "log") -> kmsg.Summary:
    return kmsg.Summary(*(sum(column) for column in zip(kmsg.Summary(), *counts(sink).values(), strict=True)))


def bpf(expression: str) -> str:
    """Compiles a tcpdump expression into the parameter's form."""
    command = ["tcpdump", "-y", "RAW", "-ddd", expression]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.replace("\n", ",")
