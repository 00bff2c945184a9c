# SPDX-License-Identifier: GPL-2.0
"""The rows of the table: what is on the hook when it is measured."""

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent

# As many prefixes as a parameter takes, none of which has an address of the driver's packets.
PREFIXES = ",".join(f"172.16.{number * 2}.0/24" for number in range(64))
# The driver's packets do not match it.
BPF_EXPRESSION = "port 9"


@dataclass(frozen=True)
class Row:
    what: str
    group: str
    module: str = ""
    nft: str = ""
    iptables: str = ""
    bpf: bool = False
    listener: str = ""
    traced: bool = False
    needs: str = ""
    family: int = 4
    calls: int = 2000


def all_rows(file: str = "rows.toml") -> list[Row]:
    return [Row(**row) for row in tomllib.loads((HERE / file).read_text())["row"]]


def load(parameters: dict[str, str], file: str = "rows.toml") -> list[Row]:
    """Returns the rows that an nf_tracer with these parameters can do."""
    return [row for row in all_rows(file) if not row.needs or is_there(row.needs, parameters)]


def is_there(needs: str, parameters: dict[str, str]) -> bool:
    name, *words = needs.split()
    return name in parameters and all(word in parameters[name] for word in words)


def parameters_of(module: Path) -> dict[str, str]:
    """Returns the parameters of a module, with their descriptions."""
    info = subprocess.run(["modinfo", "-F", "parm", module], check=True, capture_output=True, text=True)
    return dict(re.findall(r"^(\w+):(.*)$", info.stdout, re.MULTILINE))


def bpf_program(separator: str = ",") -> str:
    made = subprocess.run(["tcpdump", "-y", "RAW", "-ddd", BPF_EXPRESSION], check=True, capture_output=True, text=True)
    return separator.join(made.stdout.split("\n")).rstrip(separator)


def fill_in(text: str) -> str:
    if "$" not in text:
        return text
    return Template(text).substitute(prefixes=PREFIXES, bpf=f'"{bpf_program()}"')
