# SPDX-License-Identifier: GPL-2.0
"""Measures a packet's cost on each CPU while others process packets, too: equal, if no written memory is shared."""

import multiprocessing
import os
import statistics
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import driver
from hooks import on_the_hook
from inside import Options
from rows import Row

CASES = {
    "C hook that accepts": Row("", "C", module="c_accept"),
    "C hook that counts in one place for all": Row("", "C", module="c_shared"),
    "nf_tracer, no match": Row("", "nf_tracer", module="nf_tracer proto=udp"),
    "nf_tracer, line suppressed": Row("", "nf_tracer", module="nf_tracer rate=1 burst=1"),
}
CALLS = 2000


CONTEXT = multiprocessing.get_context("fork")


def on_cpu(cpu: int, all_there: Barrier, batches: int, results: SimpleQueue) -> None:
    os.sched_setaffinity(0, {cpu})
    driver.call(calls=CALLS, batches=2)
    all_there.wait()
    times = driver.call(calls=CALLS, batches=batches)
    results.put(statistics.median(times))


def together(number: int, batches: int) -> float:
    all_there = CONTEXT.Barrier(number)
    results = CONTEXT.SimpleQueue()
    processes = [CONTEXT.Process(target=on_cpu, args=(cpu, all_there, batches, results)) for cpu in range(number)]
    for process in processes:
        process.start()
    times = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return statistics.mean(times)


def measure(options: Options) -> dict[str, dict[int, float]]:
    """Returns the time of a call, the mean over all CPUs, for each number of CPUs."""
    numbers = [number for number in (1, 2, 4) if number <= len(os.sched_getaffinity(0))]
    curves: dict[str, dict[int, float]] = {case: {} for case in CASES}

    for case, row in CASES.items():
        with on_the_hook(row, options.modules):
            for number in numbers:
                rounds = [together(number, options.batches) for _ in range(options.rounds)]
                curves[case][number] = statistics.median(rounds)
    return curves
