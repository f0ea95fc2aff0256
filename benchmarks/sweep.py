"""A sweep's speed: whole runs by what they depend on, simulation, and refits beside lme4's and MixedModels.jl's; and a picture.

    python benchmarks/sweep.py                     # some six minutes on two idle cores; needs R with lme4, and Dask
    python benchmarks/sweep.py --parts long --long 1000000 --strategies ols lm lm2 lmer 'lmer(1|g)'     # an hour or more

Whole runs simulate, fit and write, each in a process of its own; programs are compiled before the clock starts (runs share a
cache of them, so that only the first of a shape compiles in earnest). The page and the picture show the parts that were asked for.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import refits
import simulation
import sweep_plot
import table
from throughput import STRATEGIES
from whole_runs import Run, in_a_process

PARTS = ("runs", "long", "simulation", "refits")
# The seed's smallest shape.
SMALLEST = dict(groups=10, obs=5, columns=4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, draw, and write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    tables: dict[str, pd.DataFrame] = {}
    notes = ["`CPU s` are user + system seconds of all threads and processes: they do not count waiting for a busy machine."]
    with tempfile.TemporaryDirectory() as cache:
        if "refits" in options.parts:
            found = refits.measure(options.refits, options.r_refits, options.runs)
            tables |= {"Refits: seconds for 10,000 fits": found.times, "Refits: agreement": found.agreement}
            head["R"] = found.versions
            notes.append(_refit_note(found))
        if "runs" in options.parts:
            tables["Whole runs"] = pd.DataFrame(list(vary(options, cache)))
        if "long" in options.parts:
            base = Run(**SMALLEST, strategies=tuple(options.strategies))
            rows = [{"datasets": n, **_chosen(in_a_process(replace(base, datasets=n), cache))} for n in options.long]
            tables["Long runs of the seed's smallest shape"] = pd.DataFrame(rows)
            notes.append(_long_note(tables["Long runs of the seed's smallest shape"]))
    if "simulation" in options.parts:
        by_rows = simulation.by_rows(30, options.columns, options.turns)
        shares = [simulation.shares(groups, 4, 25, options.runs) for groups in options.groups]
        tables |= {"Simulation by rows per group": by_rows, "Simulation by piece": pd.concat(shares)}
        notes.append(_simulation_note(by_rows))
    head["load at the end"] = f"{os.getloadavg()[0]:.1f}"
    table.write(
        options.out, "sweep", "The speed of a sweep", head, tables, notes, csv="Whole runs" if "runs" in options.parts else None
    )
    sweep_plot.draw(tables, head, options.out)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [s.name for s in STRATEGIES]
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--datasets", type=int, default=8192, help="datasets of a whole run (default: 8,192)")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[256, 1024, 4096], help="datasets of a chunk (default: 256 1024 4096)"
    )
    parser.add_argument("--groups", type=int, nargs="+", default=[10, 30, 100], help="default: 10 30 100")
    parser.add_argument("--columns", type=int, nargs="+", default=[2, 4, 6], help="fixed effects (default: 2 4 6)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2], help="forced host devices (default: 1 2)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="Dask worker processes (default: 1 2)")
    parser.add_argument("--long", type=int, nargs="+", default=[20_000, 60_000], help="datasets of the long runs")
    kept = list(Run().strategies)
    parser.add_argument("--strategies", nargs="+", choices=names, default=kept, help=f"of whole runs (default: {' '.join(kept)})")
    parser.add_argument("--refits", type=int, default=10_000, help="responses that jaxsim fits (default: 10,000)")
    parser.add_argument("--r-refits", type=int, default=300, help="of those, fits in R (default: 300), scaled to 10,000")
    parser.add_argument("--turns", type=int, default=9, help="turns of the comparison of rows per group (default: 9)")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is reported, but for whole runs (default: 3)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def vary(options: argparse.Namespace, cache: str) -> Iterator[dict[str, Any]]:
    """One row a run: one thing is varied at a time; a run that two of them share is made once."""
    base = Run(datasets=options.datasets, strategies=tuple(options.strategies))
    levels = {"batch": options.batches, "groups": options.groups, "columns": options.columns}
    levels |= {"threads": options.threads, "devices": options.devices, "workers": options.workers}
    made: dict[Run, dict[str, Any]] = {}
    for name, values in levels.items():
        for value in values:
            run = replace(base, **{name: value})
            if name == "workers":  # enough chunks for every worker
                run = replace(run, batch=min(1024, run.batch))
            if run not in made:
                made[run] = _chosen(in_a_process(run, cache))
            yield {"varied": name, "level": value, "batch": run.batch, **made[run]}
            print(name, value, f"{made[run]['datasets/CPU s']:,.0f} datasets/CPU s", flush=True)


def _chosen(found: dict[str, Any]) -> dict[str, Any]:
    names = (
        "compile s",
        "run s",
        "CPU s",
        "datasets/s",
        "datasets/CPU s",
        "summarise CPU s",
        "first chunks",
        "last chunks",
        "peak MB",
    )
    return {name: found.get(name, float("nan")) for name in names} | {"summarised": found.get("peak MB, summarised", float("nan"))}


def _refit_note(found: refits.Refits) -> str:
    """The finding of the refits in words."""
    times = found.times
    ours, theirs = times[times["fit"].str.contains("Satterthwaite")], times[times["software"] == "lme4 refit()"]
    wall, cpu = ours["wall s"].iloc[-1], ours["CPU s"].iloc[0]
    return (
        f"**10,000 REML fits of `(Days | Subject)` to 18 x 10 responses, with Satterthwaite df, once compiled: {cpu:.2f} CPU s "
        f"on one thread, so {cpu * found.share:.2f} s on two idle cores (target: {refits.TARGET:g} s); {wall:.2f} s on the clock "
        "with all cores under the load given above. lme4's refit() takes "
        f"{theirs['CPU s'].iloc[0] / cpu:,.0f} times the CPU seconds for the same responses in the same run.** Its standard errors "
        "differ, for in this version it counts one fixed effect whatever the model has; those of lmer() agree. The mark of "
        "MixedModels.jl is what its authors published (pull request 288: ML, threads, their machine), not measured here."
    )


def _long_note(rows: pd.DataFrame) -> str:
    first, last = rows.iloc[0], rows.iloc[-1]
    change = last["last chunks"] / last["first chunks"]
    return (
        f"**{last['datasets']:,.0f} datasets: the last chunks ran at {change:.2f} times the rate of the first (per CPU second); "
        f"peak memory with the measures {last['summarised']:.0f} MB beyond imports and JAX's start, {first['summarised']:.0f} MB "
        f"with {first['datasets']:,.0f} datasets.** `first chunks` and `last chunks`: datasets per CPU second, medians of a "
        "quarter each."
    )


def _simulation_note(rows: pd.DataFrame) -> str:
    worst = rows.loc[(rows["ratio"] - 1).abs().idxmax(), "ratio"]
    return (
        f"**Simulating {simulation.MANY} rows per group costs {worst:.2f} times what {simulation.FEW} rows do, where they differ "
        f"most (target: within {100 * simulation.TARGET:.0f}%).**"
    )


if __name__ == "__main__":
    main()
