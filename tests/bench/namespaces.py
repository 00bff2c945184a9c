# SPDX-License-Identifier: GPL-2.0
"""Measures loading and unloading with netns=all and many network namespaces."""

import statistics
import subprocess
import time

from inside import Options

from support.netns import more

NUMBERS = [1, 100, 300, 1000]
QUICK_NUMBERS = [1, 100]


def seconds(*command: str) -> float:
    start = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - start


def measure(options: Options) -> dict[str, dict[int, float]]:
    """Returns the seconds that insmod and rmmod take for each number of namespaces."""
    module = str(options.modules / "nf_tracer.ko")
    loading: dict[int, float] = {}
    unloading: dict[int, float] = {}

    for number in QUICK_NUMBERS if options.quick else NUMBERS:
        loads, unloads = [], []
        with more(number - 1):
            for _ in range(max(3, options.rounds)):
                loads.append(seconds("insmod", module, "netns=all", "proto=udp"))
                unloads.append(seconds("rmmod", "nf_tracer"))
        loading[number] = statistics.median(loads)
        unloading[number] = statistics.median(unloads)
    return {"insmod netns=all": loading, "rmmod": unloading}
