"""What float32 loses and gains: strategies in closed form on the same cross-products in float32 and in float64.

    python benchmarks/screening.py     # a minute on two cores

Datasets are drawn in float64; their cross-products are rounded to float32 and fitted in it, so that both precisions see the same
data. (A float32 study also draws in float32, which gives other datasets of the same law.)
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import table
from stopwatch import run_seconds
from throughput import STRATEGIES
from tiles import Bench, wanted

from jaxsim import GaussianMultilevel, Grid, Study
from jaxsim.data.cross_products import CrossProducts
from jaxsim.estimators import Estimator, Fit
from jaxsim.status import USABLE
from jaxsim.sweep.compile import compile_program, precision
from jaxsim.sweep.shape import Tile

CLOSED = tuple(s for s in STRATEGIES if s.closed_form)
SINGLE = "float32"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    losses, speeds = [], []
    for groups in options.groups:
        found = measure(groups, options)
        losses += found[0]
        speeds += found[1]
    loss, fast = pd.DataFrame(losses), pd.DataFrame(speeds)
    notes = [
        f"{options.datasets:,} datasets a cell of {options.obs} rows per group and {options.columns} columns. Differences of "
        "float32 from float64 over datasets and coefficients: of estimates relative to themselves and to their standard error, of "
        "standard errors relative to themselves. `status` counts fits that only one of both calls usable.",
        f"**In standard errors, the worst estimate is off by {loss['estimate / SE, worst'].max():.1g}; the worst standard error by "
        f"{loss['SE, worst'].max():.1g} of itself. float32 takes {fast['float32 / float64'].min():.2f} to "
        f"{fast['float32 / float64'].max():.2f} of the CPU time.**",
    ]
    tables = {"What is lost": loss, "CPU seconds": fast}
    table.write(options.out, "screening", "float32 for screening", head, tables, notes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=10_000, help="datasets of each cell (default: 10,000)")
    parser.add_argument("--groups", nargs="+", type=int, default=[10, 100], help="default: 10 100")
    parser.add_argument("--sds", nargs="+", type=float, default=[0.1, 1.0, 4.0], help="between-group SDs (default: .1 1 4)")
    parser.add_argument("--obs", type=int, default=25, help="rows per group (default: 25)")
    parser.add_argument("--columns", type=int, default=4, help="fixed effects, intercept counted (default: 4)")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is reported (default: 3)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def measure(groups: int, options: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of both tables for one number of groups."""
    process = GaussianMultilevel(n_groups=groups, n_obs=options.obs, n_predictors=options.columns - 1)
    study = Study(process, Grid(group_sd=options.sds), CLOSED, options.datasets)
    bench = Bench(study)
    tiles = bench.tiles()
    example = bench.programs.simulate(tiles[0]).data
    programs = [in_single(strategy, rounded(example)) for strategy in CLOSED]

    def both(tile: Tile) -> list[np.ndarray]:
        """Numbers of each strategy in float64 and in float32, ``[2, n, 3, P]``; the data are not kept."""
        simulated = bench.programs.simulate(tile)
        data = simulated.data
        single = rounded(data)
        fits = [(bench.programs.fit(tile, i, simulated), program(single)) for i, program in enumerate(programs)]
        return [np.stack([_numbers(tile, fit) for fit in pair]) for pair in fits]

    found = [np.concatenate(parts, axis=1) for parts in zip(*bench.beside(both, tiles), strict=True)]
    cells = np.concatenate([tile.cells for tile in tiles])
    losses = [
        {"groups": groups, **dict(cell.conditions), "strategy": strategy.name, **lost(*numbers[:, cells == cell.index])}
        for strategy, numbers in zip(CLOSED, found, strict=True)
        for cell in study.cells
    ]
    return losses, [{"groups": groups, **row} for row in _times(bench, programs, options.runs)]


def _times(bench: Bench, programs: Sequence[Callable[[CrossProducts], Fit]], runs: int) -> Iterator[dict[str, Any]]:
    """CPU seconds of full tiles, one for each thread, in both precisions; ``programs`` are the fits in float32."""
    cell = bench.study.cells[0]
    coarse = Bench(dataclasses.replace(bench.study, dtype=SINGLE))
    tiles, coarse_tiles = bench.full(cell, bench.threads), coarse.full(cell, bench.threads)
    draws = bench.simulate(tiles)
    single = [rounded(draw.data) for draw in draws]
    calls = {"simulate": (lambda: bench.simulate(tiles), lambda: coarse.simulate(coarse_tiles))}
    for i, (strategy, program) in enumerate(zip(CLOSED, programs, strict=True)):
        calls[strategy.name] = (partial(bench.fit, i, tiles, draws), partial(bench.beside, program, single))
    for name, pair in calls.items():
        us = [1e6 * run_seconds(call, runs).cpu / sum(map(len, tiles)) for call in pair]
        yield {"program": name, "float64: CPU us": us[0], "float32: CPU us": us[1], "float32 / float64": us[1] / us[0]}


def rounded(data: CrossProducts) -> CrossProducts:
    """The same data in float32."""
    return dataclasses.replace(data, products=np.asarray(data.products, np.float32), sizes=np.asarray(data.sizes))


def in_single(strategy: Estimator, example: CrossProducts) -> Callable[[CrossProducts], Fit]:
    """A strategy compiled in float32."""
    with precision(SINGLE):
        program = compile_program(strategy.fit_batch, example)

    def call(data: CrossProducts) -> Fit:
        with precision(SINGLE):
            return jax.block_until_ready(program(data))

    return call


def _numbers(tile: Tile, fit: Fit) -> np.ndarray:
    """Estimates, standard errors and usability of a tile's datasets, ``[n, 3, P]``."""
    estimate, error = wanted(tile, fit.estimate).astype(float), wanted(tile, fit.std_error).astype(float)
    usable = np.isin(wanted(tile, fit.status), USABLE)
    return np.stack([estimate, error, np.broadcast_to(usable[:, None], estimate.shape)], axis=1)


def lost(double: np.ndarray, single: np.ndarray) -> dict[str, float]:
    """Median and worst differences."""
    both = (double[:, 2] * single[:, 2] > 0).all(axis=1)
    (estimate, error), (estimate32, error32) = (np.moveaxis(x[both, :2], 1, 0) for x in (double, single))
    apart = {
        "estimate": np.abs(estimate32 / estimate - 1),
        "estimate / SE": np.abs(estimate32 - estimate) / error,
        "SE": np.abs(error32 / error - 1),
    }
    found = {}
    for name, values in apart.items():
        found |= {f"{name}, median": float(np.median(values)), f"{name}, worst": float(values.max())}
    return {**found, "status": int((double[:, 2, 0] != single[:, 2, 0]).sum())}


if __name__ == "__main__":
    main()
