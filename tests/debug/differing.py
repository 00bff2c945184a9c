# SPDX-License-Identifier: GPL-2.0
"""Compares the conditions with nft's matches and sockets' datagrams. Runs in the debug kernel."""

import os
import random
from pathlib import Path

from helpers import load, unload

from support.differential import MODULE_PARAMETERS, Conditions, Differential
from support.differential_packets import read
from support.frames import DESTINATION, PROTO_UDP
from support.tap import tapped

# Datagrams under the same conditions.
_SHARE = 100
_MOBILITY = 135
_SOCKETS = [(PROTO_UDP, 53), (PROTO_UDP, 8080), (PROTO_UDP, 0), (DESTINATION, 0), (_MOBILITY, 0)]


def differ(modules: Path, file: str, wanted: str, seed: str) -> None:
    """Sends the datagrams of a file, again and again if there are not enough, each time under other conditions."""
    rng = random.Random(int(seed))  # noqa: S311
    groups = read(Path(file))
    error = load(modules / "nf_tracer.ko", MODULE_PARAMETERS)
    assert error == 0, os.strerror(error)
    delivered = 0
    with tapped() as tap:
        differential = Differential(tap)
        for number in range(int(wanted) // _SHARE):
            start = number * _SHARE % len(groups)
            some = groups[start : start + _SHARE]
            if number % 6:
                differential.check(some, Conditions.at_random(rng))
            else:
                delivered += differential.check_delivered(some, *rng.choice(_SOCKETS))
        differential.close()
    unload("nf_tracer")
    seen = differential.seen
    print(f"differential: chosen {seen['chosen']}, matched {seen['matched']}, delivered {delivered}", flush=True)
