"""Speed of mixed models of subjects crossed with items against R's lmerTest: the same datasets, models and inference, in one run.

    python benchmarks/crossed.py     # some minutes on two cores; needs R with lme4 and lmerTest

CPU seconds of all threads are compared (R on one), so neither waiting nor a second core counts; starting up and compiling do not
either. Every subject meets every item once, with a predictor that is drawn for every row; or half of the items, drawn anew; or
every item in both conditions of a planned experiment, whose levels all meet alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import table
from against_lme4 import lmertest
from stopwatch import run_seconds
from tiles import Bench

from jaxsim import Design, Grid, LinearMixed, Normal, Study, covariate, sampled, within

FORMULAS = {"intercepts": "DV ~ x + (1 | subject) + (1 | item)", "slopes": "DV ~ x + (x | subject) + (x | item)"}
# Times lmerTest::lmer and its summary that are aimed at; of planned experiments one for all.
PREDICTORS = {"drawn": covariate("row", Normal(0.5, 1)), "half met": covariate("row", Normal(0.5, 1)), "planned": within(-0.5, 0.5)}
# None was set for half of the pairs.
TARGETS = {("intercepts", 30): 500, ("slopes", 30): 150, ("intercepts", 60): 250, ("slopes", 60): 100}
PLANNED_TARGET = 1000
# Criteria that differ by less count as equal: the optimiser of lme4 stops at about that.
SAME_CRITERION = 1e-6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["30x20", "60x40"], help="subjects x items (default: 30x20 60x40)")
    parser.add_argument("--datasets", type=int, default=8, help="of each size that R fits (default: 8)")
    parser.add_argument("--batch", type=int, default=256, help="datasets of each size that jaxsim fits (default: 256)")
    parser.add_argument("--runs", type=int, default=9, help="jaxsim runs whose median is reported (default: 9)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    options = parser.parse_args(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    jax.config.update("jax_enable_compilation_cache", False)  # a program found in a cache has no compile time
    rows, versions = [], ""
    for size in options.sizes:
        subjects, items = map(int, size.split("x"))
        for name in PREDICTORS:
            study = study_of(name, subjects, items, options.batch)
            theirs, versions = lmertest(study, FORMULAS, options.datasets)
            rows += [{"design": name, **row} for row in measured(study, theirs, options)]
            targets = {"planned": PLANNED_TARGET, "half met": np.nan}
            rows[-2:] = [{**row, "target": targets[name]} if name in targets else row for row in rows[-2:]]
    notes = [
        f"CPU milliseconds a fit; datasets of each size: {options.datasets} in R, {options.batch} in jaxsim, the same ones first. "
        "R's are those of `lmer` and `summary` (Satterthwaite df, which jaxsim's fit reports too). `apart`: the largest relative "
        "difference of estimates, standard errors and df where neither criterion is lower by more than 1e-6."
    ]
    table.write(options.out, "crossed", "Subjects crossed with items", {**head, "R": versions}, {"Fits": pd.DataFrame(rows)}, notes)


def study_of(name: str, subjects: int, items: int, batch: int) -> Study:
    """One cell of a design, one of :data:`PREDICTORS`, in which both models have something to find."""
    design = Design(
        "DV ~ x + (x | subject) + (x | item)",
        units={"subject": subjects, "item": items},
        meets=sampled(items // 2) if name == "half met" else "all",
        variables={"x": PREDICTORS[name]},
        effects={"Intercept": 2.0, "x": 0.5},
        sd={"subject": {"Intercept": 1.0, "x": 0.5}, "item": {"Intercept": 1.0, "x": 0.5}},
    )
    estimators = tuple(LinearMixed(formula, label=name) for name, formula in FORMULAS.items())
    return Study(design, Grid(), estimators, batch, seed=1)


def measured(study: Study, theirs: pd.DataFrame, options: argparse.Namespace) -> list[dict[str, object]]:
    """A row for each model."""
    bench, rows = Bench(study, threads=1), []
    tiles = bench.tiles()
    draws = bench.simulate(tiles)
    units = study.process.values["units"]
    for number, estimator in enumerate(study.estimators):
        compiling = [times[estimator.name] for times in bench.compiled.values()]
        taken = run_seconds(partial(bench.fit, number, tiles, draws), options.runs)
        fits = [jax.device_get(fit) for fit in bench.fit(number, tiles, draws)]
        evaluations = np.concatenate([fit.iterations for fit in fits])[: options.batch]
        own = theirs[theirs["model"] == estimator.name]
        ours = 1e3 * taken.cpu / options.batch
        per_fit = 1e3 * own[["fit_seconds", "summary_seconds"]].sum(axis=1).mean()
        rows.append(
            {"subjects": units["subject"], "items": units["item"], "model": estimator.name, "jaxsim ms": ours}
            | {
                "evaluations": evaluations.mean(),
                "compile s": sum(wall for wall, _ in compiling),
                "compile CPU s": sum(cpu for _, cpu in compiling),
            }
            | {"R lmer ms": 1e3 * own["fit_seconds"].mean()}
            | {"R ms": per_fit, "ratio": per_fit / ours, "target": TARGETS.get((estimator.name, units["subject"]), np.nan)}
            | agreement(fits[0], own)
        )
    return rows


def agreement(fit, own: pd.DataFrame) -> dict[str, float]:
    """How far both are apart on the datasets that both fitted."""
    count = len(own)
    higher = np.asarray(fit.criterion)[:count] - own["criterion"].to_numpy()
    same = np.abs(higher) < SAME_CRITERION
    apart = {}
    for what, values in {"estimate": fit.estimate, "se": fit.std_error, "df": fit.df}.items():
        reference = own[[name for name in own if name.startswith(f"{what}.")]].to_numpy()
        apart[f"{what} apart"] = float(np.abs(np.asarray(values)[:count][same] / reference[same] - 1).max(initial=0.0))
    return {
        "R's criterion lower": int((higher > SAME_CRITERION).sum()),
        "jaxsim's lower": int((higher < -SAME_CRITERION).sum()),
    } | apart


if __name__ == "__main__":
    main()
