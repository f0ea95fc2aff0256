"""What Kenward-Roger inference costs beside the REML fit it belongs to.

    python benchmarks/kenward_roger.py     # two minutes on two cores

The same 10,000 datasets, in the tiles of a study and on all cores, with each of the mixed model's methods for degrees of freedom;
`residual` is the fit alone. The target is three times its cost at most.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import table
from stopwatch import run_seconds, timed_compile
from tiles import Bench, wanted

from jaxsim import GaussianMultilevel, Grid, LinearMixed, Study
from jaxsim.estimators import Fit
from jaxsim.status import Status

FIT_ALONE = "residual"
METHODS = (FIT_ALONE, "satterthwaite", "kenward-roger", "kenward-roger-observed")
TARGET = 3.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the table."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    frame = measure(options)
    ratios = frame.set_index("df")["x fit alone"]
    notes = [
        f"{options.datasets:,} datasets of {options.groups} groups x {options.obs} rows with {options.columns} fixed effects, "
        "all random. Hot: compiled, the median of the runs. `x fit alone` compares CPU seconds of the same run.",
        f"**Kenward-Roger inference costs {ratios['kenward-roger']:.2f} times the fit alone (target: at most {TARGET:g} times).**",
    ]
    table.write(options.out, "kenward-roger", "The cost of Kenward-Roger inference", head, {"By method": frame}, notes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=10_000, help="default: 10,000")
    parser.add_argument("--groups", type=int, default=30, help="default: 30")
    parser.add_argument("--obs", type=int, default=25, help="rows per group (default: 25)")
    parser.add_argument("--columns", type=int, default=4, help="fixed effects, intercept counted (default: 4)")
    parser.add_argument("--sd", type=float, default=1.0, help="between-group SD (default: 1)")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is reported (default: 3)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """One row a method. The methods share the data and take turns, so that a slow spell of the machine hits all of them."""
    process = GaussianMultilevel(n_groups=options.groups, n_obs=options.obs, n_predictors=options.columns - 1, group_sd=options.sd)
    study = Study(process, Grid(), LinearMixed(df=FIT_ALONE), options.datasets)
    bench = Bench(study)
    tiles = bench.tiles()
    data = [draw.data for draw in bench.simulate(tiles)]
    compiled = {method: timed_compile(LinearMixed(df=method).fit_batch, data[0]) for method in METHODS}

    def everything(method: str) -> list[Fit]:
        return bench.beside(compiled[method][0], data)

    rounds = [{method: run_seconds(partial(everything, method), 1) for method in METHODS} for _ in range(options.runs)]
    rows = []
    for method in METHODS:
        wall = statistics.median(taken[method].wall for taken in rounds)
        cpu = statistics.median(taken[method].cpu for taken in rounds)
        status = np.concatenate([wanted(tile, fit.status) for tile, fit in zip(tiles, everything(method), strict=True)])
        rows.append(
            {
                "df": method,
                "compile s": compiled[method][1],
                "run s": wall,
                "fits/s": options.datasets / wall,
                "fits/CPU s": options.datasets / cpu,
                "CPU ms/fit": 1e3 * cpu / options.datasets,
                "x fit alone": statistics.median(taken[method].cpu / taken[FIT_ALONE].cpu for taken in rounds),
                "singular": int((status == Status.SINGULAR).sum()),
                "no answer": int((status > Status.SINGULAR).sum()),
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    jax.config.update("jax_enable_compilation_cache", False)  # a program found in a cache has no compile time
    main()
