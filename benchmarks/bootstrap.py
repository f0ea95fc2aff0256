"""`fit.bootstrap(1000)` of sleepstudy's maximal model (REML), beside lme4's bootMer in the same run.

    python benchmarks/bootstrap.py     # a minute on two cores, most of it R's

Target: within one CPU second once compiled. The parametric bootstrap simulates responses, refits, and returns fixed effects,
standard deviations, correlation and residual standard deviation, on both sides. jaxsim's first call compiles its program, timed
apart with an empty cache of programs; the median of the others counts. Both sets of refits are of the same fit but of other random
numbers: their standard deviations agree up to Monte Carlo error.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import table
from refits import ONE_THREAD
from stopwatch import run_seconds

import jaxsim

SCRIPT = Path(__file__).parent / "bootstrap_lme4.R"
FORMULA, TARGET = "Reaction ~ Days + (Days | Subject)", 1.0
# The data of Belenky et al. (2003).
ROWS = Path(__file__).parents[1] / "tests" / "reference" / "data" / "sleepstudy.csv"
OURS = ("(Intercept)", "Days", "sd_Subject_(Intercept)", "sd_Subject_Days", "cor_Subject_(Intercept)_Days", "sigma")
THEIRS = ("(Intercept)", "Days", "sd0", "sd1", "correlation", "sigma")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    ours, found = with_jaxsim(options.draws, options.runs)
    theirs, other, versions = with_lme4(options.lme4_draws)
    head["R"] = versions
    frame = pd.DataFrame([ours, *theirs])
    frame["CPU s for the draws of jaxsim"] = frame["CPU s"] / frame["draws"] * options.draws
    frame["x jaxsim"] = frame["CPU s for the draws of jaxsim"] / ours["CPU s"]
    notes = [
        f"**{options.draws:,} refits in {ours['CPU s']:.2f} CPU seconds once compiled (target {TARGET:g}); compiling takes "
        f"{ours['compile s']:.1f}. bootMer needs {frame['x jaxsim'].iloc[1]:.0f} times as many CPU seconds, and "
        f"{frame['x jaxsim'].iloc[2]:.0f} times without its check of derivatives.**",
        "CPU seconds are user + system of all threads. Neither side's fit of the data themselves counts.",
    ]
    tables = {"Seconds": frame, "Standard deviations of the refits": spreads(found, other)}
    table.write(options.out, "bootstrap", "A thousand refits", head, tables, notes)


def with_jaxsim(draws: int, runs: int) -> tuple[dict[str, object], pd.DataFrame]:
    """Seconds of the bootstrap, and its refits."""
    fit = jaxsim.lmer(FORMULA, pd.read_csv(ROWS))
    kept = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    begin = time.process_time()
    found = fit.bootstrap(draws, seed=1)
    first = time.process_time() - begin
    jax.config.update("jax_enable_compilation_cache", kept)
    taken = run_seconds(lambda: fit.bootstrap(draws, seed=1), runs)
    row = {"software": "jaxsim", "draws": draws, "compile s": first - taken.cpu, "wall s": taken.wall, "CPU s": taken.cpu}
    return row, found


def with_lme4(draws: int) -> tuple[list[dict[str, object]], pd.DataFrame, str]:
    """A row for each way of calling bootMer, its refits, and versions."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        sys.exit("bootstrap: Rscript was not found; install R with lme4 (scripts/install_r.sh does).")
    with tempfile.TemporaryDirectory() as folder:
        refits, summary = Path(folder, "refits.csv"), Path(folder, "summary.csv")
        command = [rscript, "--vanilla", str(SCRIPT), str(ROWS), str(draws), str(refits), str(summary)]
        done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True, check=True)
        found, taken = pd.read_csv(refits), pd.read_csv(summary)
    rows: list[dict[str, object]] = [
        {"software": f"lme4 {one['way']}", "draws": one["refits"], "wall s": one["wall"], "CPU s": one["cpu"]}
        for one in taken.to_dict("records")
    ]
    return rows, found, done.stdout.strip()


def spreads(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Standard deviations of both sides' refits, and how far apart in Monte Carlo standard errors of normal refits."""
    first, second = ours[list(OURS)].std().to_numpy(), theirs[list(THEIRS)].std().to_numpy()
    error = np.sqrt(first**2 / (2 * len(ours)) + second**2 / (2 * len(theirs)))
    return pd.DataFrame({"parameter": OURS, "jaxsim": first, "lme4": second, "apart (standard errors)": (first - second) / error})


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A parametric bootstrap of sleepstudy by jaxsim and by lme4's bootMer.")
    parser.add_argument("--draws", type=int, default=1000, help="refits by jaxsim (1000)")
    parser.add_argument("--lme4-draws", type=int, default=500, help="refits by each way of calling bootMer (500)")
    parser.add_argument("--runs", type=int, default=5, help="runs of which the median counts (5)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
