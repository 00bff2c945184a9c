# SPDX-License-Identifier: GPL-2.0
"""Conditions against nft and sockets, by random datagrams, under KASAN."""

import os
import re
import subprocess

from support.debug_guest import MODULES, succeed
from support.paths import PYTHON

# By default as many as take a minute.
DATAGRAMS = int(os.environ.get("NF_TRACER_PACKETS", "4000"))
SEED = os.environ.get("NF_TRACER_SEED", "1")
# Beyond that, packets are sent again, under other conditions.
DIFFERENT = min(DATAGRAMS, 100_000)


def test_conditions_choose_what_nft_matches_and_sockets_get() -> None:
    file = MODULES / "datagrams"
    subprocess.run([PYTHON, "-m", "support.differential_packets", str(DIFFERENT), SEED, file], check=True)
    # A difference is printed with its bytes and the conditions.
    printed = succeed("differ", str(file), str(DATAGRAMS), SEED)
    match = re.search(r"^differential: chosen (\d+), matched (\d+), delivered (\d+)$", printed, re.MULTILINE)
    assert match, printed[-2000:]
    print(f"{DATAGRAMS} datagrams, seed {SEED}: {match[0]}")
    chosen, matched, delivered = (int(number) for number in match.groups())
    assert matched > DATAGRAMS // 10
    assert chosen >= matched
    assert delivered > DATAGRAMS // 1000
