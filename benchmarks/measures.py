"""Datasets per second and peak memory of performance measures that stream, beside the same in memory.

    python benchmarks/measures.py     # some minutes on two cores

Made-up estimates of 5 strategies and 4 coefficients, 1% of the fits failed, in frames of 4,096 datasets. A report needs three
looks at the frames: sums and counts (any number of plain tables), medians and coverage without bias (with more than some 10^5
datasets in a cell a fourth, which divides the bins), and the products of influences (averages over strata). Every size is measured
in a process of its own, so its peak memory is its own; the frames are the same few again and again under new numbers, so making
them takes no time and no memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import table

from jaxsim import measures
from jaxsim.measures.stream import Performance
from jaxsim.status import LABELS

MODELS, TERMS = ("ols", "lm", "lm2", "lmer", "lmer_mis"), ("Intercept", "IV1", "IV2", "IV3")
FRAME, MADE, FAILED = 4096, 4, 0.01
TARGET = 50_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    jobs = [(cells, n, False) for cells, n in [(1, n) for n in options.datasets] + [(1000, max(options.datasets))]]
    jobs.append((1, min(options.datasets), True))
    rows = []
    for job in jobs:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure, job))
    frame = pd.DataFrame(rows)
    slowest = frame["datasets/s"][:-1].min()
    small, large = (frame["peak MB"][i] for i in (0, len(options.datasets) - 1))
    note = (
        f"**All tables of a report, the looks together: at least {slowest:,.0f} datasets/s (target: {TARGET:,}). Peak memory with "
        f"{options.datasets[0]:,} and {options.datasets[-1]:,} datasets of one cell: {small:.0f} and {large:.0f} MB.**"
    )
    explained = (
        "Seconds are CPU seconds of the process: neighbours do not count. `look` 1, 2, 3: datasets/s of each alone. `peak MB`: "
        "highest resident memory less that after the imports and the few frames that are repeated."
    )
    table.write(options.out, "measures", "Performance measures at scale", head, {"By source": frame}, [explained, note])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, nargs="+", default=[100_000, 1_000_000], help="default: 100,000 and 1,000,000")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def measure(cells: int, datasets: int, in_memory: bool) -> dict[str, object]:
    """One row: a source of so many cells and datasets."""
    made = [_frame(i) for i in range(MADE)]
    list(_frames(made, cells, FRAME))
    before = _peak()

    def frames(name: str, columns: Sequence[str], where: object = None) -> Iterator[pd.DataFrame]:
        return (frame[list(columns)] for frame in _frames(made, cells, datasets))

    whole = pd.concat(_frames(made, cells, datasets), ignore_index=True) if in_memory else None
    source = Performance(frames, pd.DataFrame({"cell": range(cells)}), MODELS, TERMS)
    if whole is None:
        looks = [
            _seconds(lambda: source.measures(["cell", "model", "term"], measures=["bias"])),
            _seconds(lambda: source.measures(["cell", "model", "term"])),
            _seconds(lambda: source.measures(["model"])),
        ]
    else:
        looks = [_seconds(lambda: measures.summarise(whole, ["model"]))]
    rates = dict(zip(("look 1", "look 2", "look 3"), [datasets / s for s in looks], strict=False)) if len(looks) > 1 else {}
    peak = (_peak() - before) / 1e6
    kind = "in memory, one table" if in_memory else "streamed, all tables"
    return {"source": kind, "cells": cells, "datasets": datasets, "datasets/s": datasets / sum(looks), **rates, "peak MB": peak}


def _frames(made: list[pd.DataFrame], cells: int, datasets: int) -> Iterator[pd.DataFrame]:
    """So many datasets, a cell after the other."""
    per_cell = -(-datasets // cells)
    for begin in range(0, datasets, FRAME):
        frame = made[begin // FRAME % len(made)].copy(deep=False)
        number = begin + np.repeat(np.arange(FRAME), len(MODELS) * len(TERMS))
        frame["cell"], frame["replicate"] = number // per_cell, number % per_cell
        yield frame[: (datasets - begin) * len(MODELS) * len(TERMS)]


def _frame(seed: int) -> pd.DataFrame:
    """Estimates of one frame's datasets."""
    rng, p = np.random.default_rng(seed), len(TERMS)
    fits = FRAME * len(MODELS)
    error, std_error = rng.normal(size=fits * p), rng.uniform(0.8, 1.2, fits * p)
    failed = np.repeat(rng.random(fits) < FAILED, p)
    numbers = {
        "truth": np.full(fits * p, 0.3),
        "estimate": 0.3 + error,
        "std_error": std_error,
        "p_value": rng.random(fits * p),
        "conf_low": 0.3 + error - 2 * std_error,
        "conf_high": 0.3 + error + 2 * std_error,
    }
    missing = {name: np.where(failed, np.nan, values) for name, values in numbers.items() if name != "truth"}
    model = np.tile(np.repeat(np.arange(len(MODELS)), p), FRAME)
    labels = {
        "model": pd.Categorical.from_codes(model, list(MODELS)),
        "term": pd.Categorical.from_codes(np.tile(np.arange(p), fits), list(TERMS)),
        "status": pd.Categorical.from_codes(np.where(failed, 2, 0), list(LABELS)),
    }
    return pd.DataFrame({**labels, **numbers, **missing})


def _seconds(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def _peak() -> int:
    """Highest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
