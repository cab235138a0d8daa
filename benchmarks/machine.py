"""How much of the machine a benchmark takes."""

import itertools
import os
import time

__all__ = ["measure", "use"]


def use(threads):
    """Sets the CPUs of this process; before a backend starts its threads."""
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))[:threads]
        os.sched_setaffinity(0, processors)


def measure(runs, rounds):
    """Milliseconds of functions that run in turn, after a round that compiles.

    Args:
        runs: functions of nothing.
        rounds: int.

    Returns:
        List of rounds, each a list of the milliseconds of each function.
    """
    for run in runs:
        run()
    times = []
    for _ in range(rounds):
        marks = [time.perf_counter()]
        for run in runs:
            run()
            marks.append(time.perf_counter())
        times.append([1000 * (b - a) for a, b in itertools.pairwise(marks)])
    return times
