"""Fits per second of every strategy, and datasets per second of the simulator.

    python benchmarks/throughput.py               # strategies x groups x columns, about three minutes on two cores
    python benchmarks/throughput.py --seed-grid   # the 2019 study's 2,250 datasets, by phase

The programs are those that a study runs: padded as it pads, in tiles as large as it takes, as many beside each other as there are
cores. Run times are hot (median of three after one that does not count); compile times have their own columns. Runs on CPU and
GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import table
from stopwatch import Seconds, megabytes, run_seconds
from tiles import Bench

from jaxsim.estimators import ClusterRobust, Estimator, LinearMixed, PooledOLS, TwoStage
from jaxsim.processes import GaussianMultilevel
from jaxsim.study.grid import Grid
from jaxsim.study.study import Cell, Study
from jaxsim.sweep.shape import Tile
from jaxsim.workers.cores import usable_cores

N_OBS = 25
STRATEGIES: tuple[Estimator, ...] = (
    PooledOLS(label="ols"),
    ClusterRobust(label="lm"),
    TwoStage(label="lm2"),
    LinearMixed(label="lmer"),
    LinearMixed(covariance="diagonal", label="lmer||"),
    LinearMixed(random=("Intercept",), label="lmer(1|g)"),
)
SEED_GRID = Path(__file__).parents[1] / "experiments" / "seed_grid.py"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    if options.seed_grid:
        frame, total = seed_grid(options.replicates, options.runs)
        notes = [f"{total:,} datasets, each fitted by every strategy; hot; tiles beside each other on all cores."]
        table.write(options.out, "seed-grid", "The seed grid by phase", head, {"Seconds by phase": frame}, notes)
        return
    frame = strategies_by_size(options)
    notes = [
        f"{N_OBS} rows per group; cost does not depend on it. `columns` counts the fixed effects, `padded` the groups of the "
        f"compiled program, `datasets` those of {options.tiles} full tiles for each of {options.threads} threads. `fits/s` is on "
        "the clock with all threads, `fits/CPU s` what a second of one core gives. Of `simulate` they are datasets."
    ]
    table.write(options.out, "throughput", "Throughput by strategy", head, {"Fits per second": frame}, notes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [strategy.name for strategy in STRATEGIES]
    parser.add_argument("--seed-grid", action="store_true", help="time the 2019 study by phase instead")
    parser.add_argument("--replicates", type=int, default=50, help="datasets per cell of the seed grid (default: 50)")
    parser.add_argument(
        "--strategies", nargs="+", choices=names, default=names, metavar="NAME", help=f"some of: {', '.join(names)}"
    )
    parser.add_argument("--groups", nargs="+", type=int, default=[10, 30, 100], help="numbers of groups (default: 10 30 100)")
    parser.add_argument(
        "--columns", nargs="+", type=int, default=[2, 4, 6], help="fixed effects, intercept counted (default: 2 4 6)"
    )
    parser.add_argument("--threads", type=int, default=usable_cores(), help="tiles beside each other (default: one per core)")
    parser.add_argument("--tiles", type=int, default=1, help="full tiles for each thread (default: 1)")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is reported (default: 3)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def strategies_by_size(options: argparse.Namespace) -> pd.DataFrame:
    """One row per columns x groups x program."""
    strategies = tuple(s for s in STRATEGIES if s.name in options.strategies)
    rows = []
    for columns in options.columns:
        study = Study(GaussianMultilevel(n_obs=N_OBS, n_predictors=columns - 1), Grid(n_groups=options.groups), strategies, 1)
        bench = Bench(study, options.threads)
        for cell in study.cells:
            tiles = bench.full(cell, options.threads * options.tiles)
            for row in _measure(bench, cell, tiles, options.runs):
                rows.append({"columns": columns, "groups": cell.process.max_groups, "padded": tiles[0].shape.groups, **row})
                print("  ".join(f"{key}={table.shown(value)}" for key, value in rows[-1].items()), flush=True)
    return pd.DataFrame(rows)


def _measure(bench: Bench, cell: Cell, tiles: list[Tile], runs: int) -> list[dict[str, object]]:
    """The simulator's row, then one per strategy."""
    shape, programs, draws = tiles[0].shape, bench.programs, bench.simulate(tiles)
    jobs = [("simulate", programs.simulator_program(shape), lambda: bench.simulate(tiles))]
    for i, estimator in enumerate(bench.study.estimators):
        jobs.append((estimator.name, programs.fit_program(shape, i), lambda i=i: bench.fit(i, tiles, draws)))
    rows: list[dict[str, object]] = []
    datasets = len(tiles) * shape.tile
    for name, program, call in jobs:
        taken, (compile_wall, compile_cpu) = run_seconds(call, runs), bench.compile(shape, cell)[name]
        row = {"strategy": name, "datasets": datasets, "compile s": compile_wall, "compile CPU s": compile_cpu, "run s": taken.wall}
        row |= {"fits/s": datasets / taken.wall, "fits/CPU s": datasets / taken.cpu, "CPU ms/fit": 1e3 * taken.cpu / datasets}
        rows.append({**row, "MB": megabytes(program)})
    return rows


def seed_grid(replicates: int, runs: int) -> tuple[pd.DataFrame, int]:
    """Seconds by phase of the seed grid, hot, and the number of datasets."""
    study = dataclasses.replace(runpy.run_path(str(SEED_GRID))["study"], replicates=replicates)
    bench = Bench(study)
    tiles = bench.tiles()
    draws = bench.simulate(tiles)
    total = sum(map(len, tiles))
    phases = {"simulate": run_seconds(lambda: bench.simulate(tiles), runs)}
    for i, estimator in enumerate(study.estimators):
        phases[estimator.name] = run_seconds(lambda i=i: bench.fit(i, tiles, draws), runs)
    rows = [_phase(name, taken, total) for name, taken in phases.items()]
    together = Seconds(sum(s.wall for s in phases.values()), sum(s.cpu for s in phases.values()))
    compiled = np.sum([taken for found in bench.compiled.values() for taken in found.values()], axis=0)
    rows += [_phase("all of these", together, total), _phase("compiling, once, one after the other", Seconds(*compiled), np.nan)]
    return pd.DataFrame(rows), total


def _phase(name: str, taken: Seconds, total: float) -> dict[str, object]:
    rates = {"datasets/s": total / taken.wall, "datasets/CPU s": total / taken.cpu}
    return {"phase": name, "wall s": taken.wall, "CPU s": taken.cpu, **rates}


if __name__ == "__main__":
    jax.config.update("jax_enable_compilation_cache", False)  # a program found in a cache has no compile time
    main()
