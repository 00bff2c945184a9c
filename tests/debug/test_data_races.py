# SPDX-License-Identifier: GPL-2.0
"""Data races in nf_tracer, and KCSAN's finding of known ones. For 'tests/debug/run --kcsan'."""

import os
import re

import pytest

from support.debug_guest import GUEST_FAILED, MODULES, boot, succeed

ROUNDS = int(os.environ.get("NF_TRACER_ROUNDS", "12"))


def check(said: str, figures: str) -> None:
    """Checks that KCSAN has watched enough accesses."""
    match = re.search(rf"^{figures}", said, re.MULTILINE)
    watched = re.search(r"^setup_watchpoints: (\d+)$", said, re.MULTILINE)
    assert match, said
    assert watched, said
    print(match[0], watched[0], sep=", ")
    # The number of accesses that were delayed to catch a race.
    assert int(watched[1]) > 1000


def test_no_data_race_between_packets() -> None:
    printed = succeed("share", str(ROUNDS * 5))
    check(printed, r"\d+ packets seen")


def test_no_data_race_in_loads_unloads_and_all_that_uses_the_module() -> None:
    printed = succeed("race", str(ROUNDS))
    check(printed, r"\d+ loads and unloads in \d+ s, \d+ packets seen")


@pytest.mark.parametrize("function", ["add_in_c", "racer_add_in_rust"])
def test_a_data_race_is_reported(function: str) -> None:
    done = boot("insmod", MODULES / "tests/debug/modules/racer.ko", f"kind={function}")
    assert done.returncode == GUEST_FAILED, done.stderr
    assert re.search(rf"BUG: KCSAN: data-race in {function}\b", done.stderr), done.stderr


def test_marked_accesses_are_no_data_race() -> None:
    done = boot("sh", "-c", f"! insmod {MODULES / 'tests/debug/modules/racer.ko'} kind=add_marked 2>/dev/null")
    assert done.returncode == 0, done.stderr
