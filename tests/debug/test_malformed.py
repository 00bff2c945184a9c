# SPDX-License-Identifier: GPL-2.0
"""Malformed packets through every hook, under KASAN."""

import json
import os
import subprocess
from collections import Counter

from support.debug_guest import MODULES, python
from support.kernel import HOOKS
from support.paths import PYTHON, TOP

# By default as many as take a minute.
PACKETS = int(os.environ.get("NF_TRACER_PACKETS", "4000"))
SEED = os.environ.get("NF_TRACER_SEED", "1")
# Beyond that, packets are sent again, to other filters.
DIFFERENT = min(PACKETS, 100_000)


def test_malformed_packets_are_all_counted_and_harm_nothing() -> None:
    packets = MODULES / "packets"
    generator = TOP / "tests/debug/malformed_packets.py"
    subprocess.run([PYTHON, generator, str(DIFFERENT), SEED, packets], check=True)
    done = python("malformed_inside.py", MODULES / "real/nf_tracer.ko", packets, PACKETS)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    figures = json.loads(done.stdout, object_hook=Counter)
    print(done.stderr, json.dumps(figures, indent=2), sep="\n")

    # The guest has compared the counts; here they are checked to be large enough.
    figures["sent"].pop("refused")
    assert figures["sent"].total() > PACKETS * 0.6
    for point in (f"{hook} {family}" for hook in HOOKS for family in ("ipv4", "ipv6")):
        assert figures["seen"][point] > PACKETS * 0.05, point
    for outcome in ("emitted", "suppressed", "not_matched"):
        assert figures["log"][outcome] > PACKETS * 0.01, outcome
    # Those whose lines are suppressed are counted as that.
    for outcome in ("truncated", "invalid"):
        assert figures["log"][outcome] > PACKETS * 0.004, outcome
    for kind, number in figures["events"].items():
        assert number > 0, kind
