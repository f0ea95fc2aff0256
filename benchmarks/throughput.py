"""Fits per second of every strategy, and datasets per second of the simulator.

    python benchmarks/throughput.py               # strategies x groups x columns, about three minutes on two cores
    python benchmarks/throughput.py --seed-grid   # the 2019 study's 2,250 datasets, by phase

The programs are those that a study runs: padded as it pads, compiled as it compiles. Run times are hot (median of three
after one that does not count); compile times have their own column. Runs on CPU and GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import runpy
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import table
from stopwatch import megabytes, run_seconds

from jaxsim.design import Cell, Grid, Study
from jaxsim.estimators import ClusterRobust, Estimator, LinearMixed, PooledOLS, TwoStage
from jaxsim.processes import GaussianMultilevel
from jaxsim.sweep.compile import Programs
from jaxsim.sweep.plan import Batch, Chunk, padded_groups, plan

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
        notes = [f"{total:,} datasets, each fitted by every strategy; hot, the results on the host."]
        table.write(options.out, "seed-grid", "The seed grid by phase", head, {"Seconds by phase": frame}, notes)
        return
    frame = strategies_by_size(options)
    notes = [
        f"{N_OBS} rows per group; cost does not depend on it. `columns` counts the fixed effects, `padded` the groups of the "
        "compiled program. One program serves 10 and 30 groups, so they share its compile seconds and memory. "
        "`fits/s` of `simulate` are datasets per second."
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
    parser.add_argument("--batch", type=int, default=512, help="datasets at a time (default: 512); half beyond 32 padded groups")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is reported (default: 3)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def strategies_by_size(options: argparse.Namespace) -> pd.DataFrame:
    """One row per columns x groups x program."""
    strategies = tuple(s for s in STRATEGIES if s.name in options.strategies)
    rows = []
    for columns in options.columns:
        study = Study(GaussianMultilevel(n_obs=N_OBS, n_predictors=columns - 1), Grid(n_groups=options.groups), strategies, 1)
        compiler = Compiler(study)
        for cell in study.cells:
            chunk = _chunk(study, cell, options.batch)
            for row in _measure(study, chunk, compiler, options.runs):
                rows.append({"columns": columns, "groups": cell.process.max_groups, "padded": chunk.batch.groups, **row})
                print("  ".join(f"{key}={table.shown(value)}" for key, value in rows[-1].items()), flush=True)
    return pd.DataFrame(rows)


def _chunk(study: Study, cell: Cell, datasets: int) -> Chunk:
    """A full batch of one cell; cells that share a program share the batch, as in a study."""
    groups = padded_groups(cell.process.max_groups)
    program = cell.process.program(groups)
    example = next(c for c in study.cells if c.process.program(padded_groups(c.process.max_groups)) == program)
    datasets = max(1, datasets if groups <= 32 else datasets // 2)
    return Chunk(cell.index, Batch(program, groups, datasets, example), np.full(datasets, cell.index), np.arange(datasets))


class Compiler:
    """A study's programs, compiled one after the other on one thread so that each has its own seconds."""

    def __init__(self, study: Study) -> None:
        self.programs = Programs(study, ThreadPoolExecutor(1))
        self.seconds: dict[Batch, dict[str, float]] = {}

    def prepare(self, chunk: Chunk) -> dict[str, float]:
        """Compile what the chunk needs; seconds by program, those of the first time if it was compiled before."""
        if chunk.batch not in self.seconds:
            mark = time.perf_counter()
            self.programs.prepare(chunk)
            estimators = self.programs.study.estimators
            futures = [self.programs.simulators[chunk.batch], *(self.programs.fits[chunk.batch, i] for i in range(len(estimators)))]
            seconds = {}
            for name, future in zip(["simulate", *(e.name for e in estimators)], futures, strict=True):
                future.result()
                seconds[name], mark = time.perf_counter() - mark, time.perf_counter()
            self.seconds[chunk.batch] = seconds
        return self.seconds[chunk.batch]


def _measure(study: Study, chunk: Chunk, compiler: Compiler, runs: int) -> list[dict[str, object]]:
    """The simulator's row, then one per strategy."""
    compile_seconds = compiler.prepare(chunk)
    programs, batch = compiler.programs, chunk.batch
    data = programs.simulate(chunk).data
    jobs = [("simulate", programs.simulators[batch].result(), lambda: programs.simulate(chunk))]
    for i, estimator in enumerate(study.estimators):
        program = programs.fits[batch, i].result()
        jobs.append((estimator.name, program, lambda program=program: program(data)))
    rows: list[dict[str, object]] = []
    for name, program, call in jobs:
        seconds = run_seconds(call, runs)
        rows.append(
            {
                "strategy": name,
                "datasets": batch.datasets,
                "compile s": compile_seconds[name],
                "run s": seconds.wall,
                "fits/s": batch.datasets / seconds.wall,
                "CPU ms/fit": 1e3 * seconds.cpu / batch.datasets,
                "MB": megabytes(program),
            }
        )
    return rows


def seed_grid(replicates: int, runs: int) -> tuple[pd.DataFrame, int]:
    """Seconds by phase of the seed grid, hot, and the number of datasets."""
    study = dataclasses.replace(runpy.run_path(str(SEED_GRID))["study"], replicates=replicates)
    chunks = plan(study)
    programs = Programs(study)
    begin = time.perf_counter()
    for chunk in chunks:
        programs.prepare(chunk)
    draws = [programs.simulate(chunk) for chunk in chunks]
    for future in programs.fits.values():
        future.result()
    compiling = time.perf_counter() - begin
    total = sum(len(chunk) for chunk in chunks)
    phases = {"simulate": run_seconds(lambda: [programs.simulate(chunk) for chunk in chunks], runs)}
    for i, estimator in enumerate(study.estimators):
        phases[estimator.name] = run_seconds(
            lambda i=i: [programs.fit(chunk, i, draw.data) for chunk, draw in zip(chunks, draws, strict=True)], runs
        )
    rows = [{"phase": n, "wall s": s.wall, "CPU s": s.cpu, "datasets/s": total / s.wall} for n, s in phases.items()]
    wall, cpu = sum(s.wall for s in phases.values()), sum(s.cpu for s in phases.values())
    rows += [{"phase": "all of these", "wall s": wall, "CPU s": cpu, "datasets/s": total / wall}]
    rows += [{"phase": "compiling, once, two at a time", "wall s": compiling, "CPU s": np.nan, "datasets/s": np.nan}]
    return pd.DataFrame(rows), total


if __name__ == "__main__":
    jax.config.update("jax_enable_compilation_cache", False)  # a program found in a cache has no compile time
    main()
