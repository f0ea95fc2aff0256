"""Many small chunks, and many cells with a dataset each: seconds to plan, to run and to summarise a study.

    python benchmarks/many_chunks.py                                  # two minutes on two idle cores
    python benchmarks/many_chunks.py --cases 625x5/1 64x3125/64       # cells x replicates / datasets of a chunk at most

Two strategies in closed form, so that little of the time is statistics. Programs are compiled by a small run before the clock
starts.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import table

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study, TwoStage, load
from jaxsim.measures.overview import overview
from jaxsim.store.folder import CHUNKS
from jaxsim.sweep.plan import CHUNK_DATASETS, plan

CASES = ("125x5/1", "64x100/64", "10000x1")
# Seconds for a study of 10,000 cells with a replicate each, from the plan to the summary.
TARGET = 15


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the table."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    with tempfile.TemporaryDirectory() as folder:
        study(4, 2).run(Path(folder, "warm"), progress=False)
        rows = [measure(Path(folder, str(number)), *case) for number, case in enumerate(options.cases)]
    note = (
        f"Seconds on the clock, and CPU seconds of all threads. Target: {TARGET} s for the plan, the run and the summary of 10,000 "
        "cells with a replicate each. `summary` is what `jaxsim summary` does with a folder."
    )
    table.write(options.out, "many-chunks", "Many small chunks", head, {"By study": pd.DataFrame(rows)}, [note])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cases", type=_case, nargs="+", default=[_case(text) for text in CASES], help=f"default: {' '.join(CASES)}"
    )
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def _case(text: str) -> tuple[int, int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)(?:/(\d+))?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: give CELLSxREPLICATES, or CELLSxREPLICATES/DATASETS, such as 625x5/1")
    return int(found[1]), int(found[2]), int(found[3] or CHUNK_DATASETS)


def study(cells: int, replicates: int) -> Study:
    """So many cells of one shape, that differ in the spread of the groups."""
    process = GaussianMultilevel(n_groups=6, n_obs=4, n_predictors=1)
    return Study(process, Grid(group_sd=np.linspace(0, 2, cells).tolist()), (PooledOLS(), TwoStage()), replicates, seed=3)


def measure(out: Path, cells: int, replicates: int, batch: int) -> dict[str, Any]:
    """One row: a study from its plan to its summary."""
    seconds: dict[str, tuple[float, float]] = {}

    def timed(what: str, work: Callable[[], Any]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        seconds[what] = time.perf_counter() - wall, time.process_time() - cpu

    def summarise() -> str:
        results = load(out)
        return overview(results.performance, results.progress[1], results.study.caveats())

    timed("plan", lambda: plan(study(cells, replicates), limit=batch))
    timed("run", lambda: study(cells, replicates).run(out, progress=False, batch=batch))
    timed("summary", summarise)
    about = {"cells": cells, "replicates": replicates, "chunks": len(list((out / CHUNKS).iterdir()))}
    spent = {f"{what} {unit}": taken[i] for what, taken in seconds.items() for i, unit in enumerate(("s", "CPU s"))}
    return {**about, **spent, "together s": sum(wall for wall, _ in seconds.values())}


if __name__ == "__main__":
    main()
