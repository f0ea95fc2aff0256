"""Seconds of compiling and of running a program, and the memory it needs."""

from __future__ import annotations

import math
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxsim.sweep.compile import compile_program

# A run repeats the call until it has lasted this long, so that the clock and the dispatch of one call do not matter.
SHORTEST_RUN = 0.05


class Seconds(NamedTuple):
    """Seconds per call, medians over runs: ``wall`` on the clock, ``cpu`` user + system of all threads of this process."""

    wall: float
    cpu: float


def run_seconds(call: Callable[[], Any], runs: int = 3) -> Seconds:
    """Median over ``runs`` runs of the seconds per call, after a warm-up that does not count; waits for the device."""
    jax.block_until_ready(call())
    first = _one_run(call, 1)
    calls = math.ceil(SHORTEST_RUN / max(first.wall, 1e-6))
    taken = [first] if calls == 1 else []
    taken += [_one_run(call, calls) for _ in range(runs - len(taken))]
    return Seconds(statistics.median(s.wall for s in taken), statistics.median(s.cpu for s in taken))


def _one_run(call: Callable[[], Any], calls: int) -> Seconds:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        jax.block_until_ready(call())
    return Seconds((time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls)


def peak_bytes() -> int:
    """Highest resident memory of this process so far.

    Linux counts a child's ``ru_maxrss`` from its parent's, so the program's own mark is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        marks = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if marks:
            return int(marks[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def megabytes(program: Any) -> float:
    """Memory of one call of a compiled program: arguments, results and temporaries, in 10^6 bytes; NaN where it is not known."""
    analysis = program.memory_analysis()
    if analysis is None:
        return float("nan")
    return (analysis.argument_size_in_bytes + analysis.output_size_in_bytes + analysis.temp_size_in_bytes) / 1e6


def timed_compile(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """The program for these arguments, compiled as a study compiles, and the seconds that tracing and compiling took."""
    begin = time.perf_counter()
    return compile_program(function, *arguments), time.perf_counter() - begin
