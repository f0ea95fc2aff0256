"""Fits of `(1 | g)` by the search in their one variance ratio and by the general Newton kernel, in the same process.

    JAXSIM_CACHE=off python benchmarks/one_variance.py     # a minute on one core

Whole fits (standardising, searching, standard errors, degrees of freedom, statuses) of full tiles with three predictors, compiled
as a study's programs are. Runs of both take turns; CPU microseconds a fit are medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import table
from stopwatch import run_seconds

from jaxsim.data.cross_products import CrossProducts
from jaxsim.estimators import LinearMixed
from jaxsim.estimators.linear_mixed import _fit_batch
from jaxsim.sweep.compile import compile_program
from jaxsim.sweep.shape import tile_datasets

COLUMNS = ("Intercept", "IV1", "IV2", "IV3")
SIZES = {"25 rows a group": (25, 25), "5 to 25 rows": (5, 25)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--groups", nargs="+", type=int, default=[16, 32, 128], help="padded numbers of groups (default: 16 32 128)"
    )
    parser.add_argument("--runs", type=int, default=5, help="runs whose median is reported (default: 5)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    options = parser.parse_args(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    rows = [measure(groups, name, options.runs) for groups in options.groups for name in SIZES]
    notes = [
        "`us` are CPU microseconds of a whole fit, `compile s` CPU seconds of tracing and compiling (with JAXSIM_CACHE=off); "
        "`above` is the largest criterion of the search less that of the general kernel."
    ]
    table.write(options.out, "one-variance", "Models with one random effect", head, {"Whole fits": pd.DataFrame(rows)}, notes)


def measure(groups: int, sizes: str, runs: int) -> dict[str, object]:
    """Both kernels on one tile."""
    data, model = tile(groups, *SIZES[sizes]), LinearMixed(random=("Intercept",))
    kernels: dict[str, Callable[[CrossProducts], Any]] = {
        "search": model.fit_batch,
        "general": lambda batch: _fit_batch(model, batch),
    }
    count, programs, compiling = len(data.sizes), {}, {}
    for name, kernel in kernels.items():
        begin = time.process_time()
        programs[name] = compile_program(kernel, data)
        compiling[name] = time.process_time() - begin
    seconds: dict[str, list[float]] = {name: [] for name in kernels}
    for _ in range(runs):
        for name, program in programs.items():
            seconds[name].append(run_seconds(lambda program=program: program(data), 1).cpu)
    micros = {name: 1e6 * statistics.median(taken) / count for name, taken in seconds.items()}
    fits = {name: program(data) for name, program in programs.items()}
    above = float((fits["search"].criterion - fits["general"].criterion).max())
    return {
        "padded groups": groups,
        "sizes": sizes,
        "datasets": count,
        "us": micros["search"],
        "us, general": micros["general"],
        "times": micros["general"] / micros["search"],
        "compile s": compiling["search"],
        "compile s, general": compiling["general"],
        "evaluations": float(fits["search"].iterations.mean()),
        "above": above,
    }


def tile(groups: int, fewest: int, most: int, group_sd: float = 0.5) -> CrossProducts:
    """A full tile of datasets with normal predictors."""
    rng = np.random.default_rng(1)
    count = tile_datasets(groups, len(COLUMNS) + 1)
    sizes = rng.integers(fewest, most + 1, (count, groups))
    rows = rng.normal(size=(count, groups, most, len(COLUMNS) + 1))
    rows[..., 0] = 1.0
    rows[..., -1] += rows[..., :-1].sum(-1) + group_sd * rng.normal(size=(count, groups, 1))
    rows *= (np.arange(most) < sizes[..., None])[..., None]
    products = np.swapaxes(rows, 2, 3) @ rows
    return CrossProducts(jnp.asarray(products), jnp.asarray(sizes, jnp.int32), COLUMNS, COLUMNS)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
