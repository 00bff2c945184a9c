# SPDX-License-Identifier: GPL-2.0
"""tshark's fields of captured packets."""

from collections.abc import Iterable
from pathlib import Path

from support.netns import run


def read_fields(file: Path, names: Iterable[str], *options: str, occurrences: str = "f") -> list[dict[str, str]]:
    """Returns some fields of each packet; those that it does not have are empty.

    `occurrences` is 'f' for the first of each field, or 'a' for all, separated by semicolons.
    """
    names = list(names)
    command = ["tshark", "-r", str(file), *options, "-T", "fields", "-E", f"occurrence={occurrences}"]
    command += ["-E", "aggregator=;", *(argument for name in names for argument in ("-e", name))]
    return [dict(zip(names, row.split("\t"), strict=True)) for row in run(*command).splitlines()]


def without(*preferences: str) -> list[str]:
    """Returns the options that switch preferences off."""
    return [argument for preference in preferences for argument in ("-o", f"{preference}:FALSE")]
