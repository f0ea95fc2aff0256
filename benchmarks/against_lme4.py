"""Speed against R's lmerTest: the same datasets, the same model, the same inference, in the same run.

    python benchmarks/against_lme4.py     # about three minutes on two cores; needs R with lme4 and lmerTest

Of each of the seed grid's 45 cells some datasets are handed to `lmerTest::lmer` + `summary` as ordinary rows
(`Study.dataset`), in one R process on one thread. jaxsim fits the whole grid, those datasets among them, as a study does, as many
tiles beside each other as there are cores. CPU seconds of all threads are compared, so neither waiting nor a second core counts;
starting up and compiling do not either.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import table
from stopwatch import run_seconds
from tiles import Bench, wanted

from jaxsim.estimators import Fit
from jaxsim.study.grid import Grid
from jaxsim.study.study import Study
from jaxsim.sweep.shape import Tile

HERE = Path(__file__).parent
SEED_GRID = HERE.parent / "experiments" / "seed_grid.py"
# The seed grid's strategies by their labels, as R writes them.
FORMULAS = {"lmer": "DV ~ IV1 + IV2 + IV3 + (IV1 + IV2 + IV3 | Group)", "lmer_mis": "DV ~ IV1 + IV2 + IV3 + (1 | Group)"}
TARGET = 900
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
# Criteria that differ by less count as equal: the optimiser of lme4 stops at about that.
SAME_CRITERION = 1e-6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both and write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    study = seed_grid(options)
    ours = fit_with_jaxsim(study, options.runs)
    theirs, versions = fit_with_r(study, options.datasets)
    cells = by_cell(study, ours, theirs)
    tables = {
        "Over the grid": over_grid(cells),
        "By cell": cells,
        "jaxsim by padded shape": by_shape(ours),
        "Agreement on the datasets that both fitted": agreement(ours, theirs),
    }
    clock = "" if jax.default_backend() == "cpu" else " (jaxsim: seconds on the clock, for a device has no CPU seconds)"
    notes = [
        f"CPU seconds per fit{clock}; datasets of each cell: {options.datasets} in R, {study.replicates} in jaxsim. R's are those "
        "of `lmer` and `summary` (Satterthwaite df, which jaxsim's fit reports too) on one thread. jaxsim fits the cells of one "
        "padded shape together; the seconds of a shape are shared out by evaluations of the criterion. R's cost grows with the "
        "rows, jaxsim's does not: hence the spread of the ratios.",
        *(f"**{row.model}: {row.ratio:,.0f} times** (target: {TARGET})" for row in tables["Over the grid"].itertuples()),
    ]
    table.write(options.out, "against-lme4", "Speed against lmerTest", {**head, "R": versions}, tables, notes, csv="By cell")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=2, help="datasets per cell that R fits (default: 2)")
    parser.add_argument(
        "--replicates", type=int, default=273, help="datasets per cell that jaxsim fits (default: 273, two tiles of each shape)"
    )
    parser.add_argument("--models", nargs="+", choices=list(FORMULAS), default=list(FORMULAS), help="default: both")
    parser.add_argument("--groups", nargs="+", type=int, help="numbers of groups (default: the seed grid's)")
    parser.add_argument("--obs", nargs="+", type=int, help="rows per group (default: the seed grid's)")
    parser.add_argument("--sds", nargs="+", type=float, help="between-group SDs (default: the seed grid's)")
    parser.add_argument("--runs", type=int, default=3, help="jaxsim runs whose median is reported (default: 3)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    options = parser.parse_args(arguments)
    if not 1 <= options.datasets <= options.replicates:
        parser.error(f"--datasets {options.datasets}: give 1 to {options.replicates}, the number of replicates.")
    return options


def seed_grid(options: argparse.Namespace) -> Study:
    """The 2019 study with the two mixed models alone, perhaps on fewer levels."""
    study: Study = runpy.run_path(str(SEED_GRID))["study"]
    levels = dict(study.grid.factors)
    given = {"n_groups": options.groups, "n_obs": options.obs, "group_sd": options.sds}
    grid = Grid(**{name: given.get(name) or levels[name] for name in levels})
    estimators = tuple(e for e in study.estimators if e.name in options.models)
    return dataclasses.replace(study, grid=grid, estimators=estimators, replicates=options.replicates)


def fit_with_jaxsim(study: Study, runs: int) -> pd.DataFrame:
    """One row per dataset and model: CPU ``seconds`` (hot), what was estimated, and the padded shape it was computed in."""
    bench = Bench(study)
    by_groups: dict[int, list[Tile]] = {}
    for tile in bench.tiles():
        by_groups.setdefault(tile.shape.groups, []).append(tile)
    frames = []
    for groups, tiles in by_groups.items():
        draws = bench.simulate(tiles)
        for i, estimator in enumerate(study.estimators):
            taken = run_seconds(partial(bench.fit, i, tiles, draws), runs)
            seconds = taken.cpu if jax.default_backend() == "cpu" else taken.wall
            found = zip(tiles, bench.fit(i, tiles, draws), strict=True)
            fits = pd.concat([_fit_frame(tile, fit, study.process.terms) for tile, fit in found])
            fits["seconds"] = seconds * fits["evaluations"] / fits["evaluations"].sum()
            frames.append(fits.assign(model=estimator.name, padded=groups))
    return pd.concat(frames, ignore_index=True)


def _fit_frame(tile: Tile, fit: Fit, terms: tuple[str, ...]) -> pd.DataFrame:
    columns = {"cell": tile.cells, "replicate": tile.replicates, "evaluations": wanted(tile, fit.iterations)}
    columns |= {"criterion": wanted(tile, fit.criterion), "singular": wanted(tile, fit.singular)}
    for j, term in enumerate(terms):
        of_term = {"estimate": fit.estimate, "se": fit.std_error, "df": fit.df}
        columns |= {f"{what}.{term}": wanted(tile, values)[:, j] for what, values in of_term.items()}
    return pd.DataFrame(columns)


def fit_with_r(study: Study, datasets: int) -> tuple[pd.DataFrame, str]:
    """One row per dataset and model from R, with CPU ``seconds``; and the versions of R and its packages."""
    models = {estimator.name: FORMULAS[estimator.name] for estimator in study.estimators}
    fits, versions = lmertest(study, models, datasets)
    fits["cell"], fits["replicate"] = np.divmod(fits["dataset"], datasets)
    fits["seconds"] = fits["fit_seconds"] + fits["summary_seconds"]
    return fits, versions


def lmertest(study: Study, models: Mapping[str, str], datasets: int) -> tuple[pd.DataFrame, str]:
    """What `fit_lmertest.R` writes of so many datasets of each cell, numbered in turn, with the versions that it used."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        sys.exit("Rscript was not found; install R with lme4 and lmerTest (scripts/install_r.sh does).")
    rows = [
        study.dataset(cell.index, replicate).assign(dataset=cell.index * datasets + replicate)
        for cell in study.cells
        for replicate in range(datasets)
    ]
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder, "rows.csv"), Path(folder, "fits.csv")
        pd.concat(rows).to_csv(given, index=False)
        named = [f"{name}={formula}" for name, formula in models.items()]
        done = subprocess.run(
            [rscript, "--vanilla", str(HERE / "fit_lmertest.R"), str(given), str(written), *named],
            env={**os.environ, **ONE_THREAD},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit("R failed; its message is above. scripts/install_r.sh installs what it needs.")
        fits = pd.read_csv(written).rename(columns=lambda name: name.replace("(Intercept)", "Intercept"))
    return fits, done.stdout.strip()


def by_cell(study: Study, ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds per fit of each model in each cell, and how many times faster jaxsim is."""
    keys = ["model", "cell"]
    frame = theirs.groupby(keys)[["fit_seconds", "summary_seconds", "seconds"]].mean().mul(1e3)
    frame.columns = pd.Index(["R lmer ms", "R summary ms", "R ms"])
    frame["jaxsim ms"] = ours.groupby(keys)["seconds"].mean() * 1e3
    frame["ratio"] = frame["R ms"] / frame["jaxsim ms"]
    return study.cell_table().merge(frame.reset_index(), on="cell").sort_values(["model", "cell"]).drop(columns="cell")


def over_grid(cells: pd.DataFrame) -> pd.DataFrame:
    """Total CPU seconds in R over total CPU seconds in jaxsim, every cell with the same number of fits."""
    rows = []
    for model, part in cells.groupby("model"):
        mean = part[["R ms", "jaxsim ms"]].mean()
        ratio = mean["R ms"] / mean["jaxsim ms"]
        rows.append({"model": model, **mean, "ratio": ratio, "target": TARGET, "ratio / target": ratio / TARGET})
        rows[-1] |= {"smallest": part["ratio"].min(), "median": part["ratio"].median(), "largest": part["ratio"].max()}
    return pd.DataFrame(rows)


def by_shape(ours: pd.DataFrame) -> pd.DataFrame:
    """What jaxsim's fits cost by model and padded number of groups."""
    parts = ours.groupby(["model", "padded"])
    frame = parts.agg(fits=("cell", "size"), seconds=("seconds", "sum"), evaluations=("evaluations", "mean")).reset_index()
    frame["CPU ms/fit"] = 1e3 * frame["seconds"] / frame["fits"]
    return frame.rename(columns={"seconds": "CPU s", "evaluations": "evaluations/fit"})


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Do both report the same?

    ``apart`` (median) and ``worst`` are relative differences over the coefficients of fits that neither calls singular.
    """
    both = ours.merge(theirs, on=["model", "cell", "replicate"], suffixes=("", "_r"))
    rows = []
    for model, part in both.groupby("model"):
        higher = part["criterion"] - part["criterion_r"]
        regular = part[~part["singular"] & ~part["singular_r"].astype(bool)]
        row = {"model": model, "datasets": len(part), "neither singular": len(regular)}
        row |= {"R's criterion lower": (higher > SAME_CRITERION).sum(), "jaxsim's lower": (higher < -SAME_CRITERION).sum()}
        for what in ("se", "df"):
            names = [name for name in part.columns if name.startswith(f"{what}.") and not name.endswith("_r")]
            values, reference = regular[names].to_numpy(), regular[[f"{name}_r" for name in names]].to_numpy()
            apart = np.abs(values / reference - 1).ravel()
            row |= {f"{what} apart": np.median(apart) if apart.size else np.nan, f"{what} worst": apart.max(initial=0.0)}
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
