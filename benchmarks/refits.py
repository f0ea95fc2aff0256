"""Refits of `(Days | Subject)` to simulated responses of the sleepstudy design, beside lme4's refit() of the same responses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from stopwatch import run_seconds, timed_compile
from tiles import in_threads

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.padding import padded_groups
from jaxsim.estimators import Fit, LinearMixed
from jaxsim.sweep.shape import tile_datasets
from jaxsim.workers.cores import usable_cores

SCRIPT = Path(__file__).parent / "refit_lme4.R"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
# The design of Belenky et al. (2003) and the REML estimates of it that lme4's documentation prints.
SUBJECTS, DAYS = 18, np.arange(10.0)
FIXED, GROUP_SD, CORRELATION, RESIDUAL_SD = (251.405, 10.467), (24.741, 5.922), 0.066, 25.592
WANTED, TARGET = 10_000, 1.0
# github.com/JuliaStats/MixedModels.jl/pull/288, a comment of 2020-02-26: 10,000 refits with use_threads=true took "0:00:03".
PUBLISHED = {"software": "MixedModels.jl (published, not measured here)", "fit": "ML, no df", "cores": "threads", "wall s": 3.0}
SAME = 1e-6


class Refits(NamedTuple):
    """What was timed, one row a way of fitting; whether both agree; versions of R; what the last tile leaves to two cores.

    ``share`` is the part of one core's seconds that two cores need at best: tiles are not divided.
    """

    times: pd.DataFrame
    agreement: pd.DataFrame
    versions: str
    share: float


def measure(datasets: int, refits: int, runs: int) -> Refits:
    """Fit ``datasets`` responses with jaxsim and the first ``refits`` of them with lme4; all seconds are scaled to 10,000 fits."""
    y = responses(datasets)
    rows, fits = with_jaxsim(y, runs)
    theirs, found, versions = with_lme4(y[: refits + 1])
    published = {**PUBLISHED, "refits": WANTED}
    share = -(-len(fits) // 2) / len(fits)
    return Refits(pd.DataFrame([*rows, *theirs, published]), agreement(fits, found), versions, share)


def responses(datasets: int, seed: int = 1) -> np.ndarray:
    """Simulated reaction times, ``[datasets, subjects, days]``."""
    rng = np.random.default_rng(seed)
    covariance = np.outer(GROUP_SD, GROUP_SD) * [[1, CORRELATION], [CORRELATION, 1]]
    coefficients = rng.multivariate_normal(FIXED, covariance, (datasets, SUBJECTS))
    noise = rng.normal(0.0, RESIDUAL_SD, (datasets, SUBJECTS, len(DAYS)))
    return coefficients[..., :1] + coefficients[..., 1:] * DAYS + noise


def tiles(y: np.ndarray) -> list[CrossProducts]:
    """The responses' cross-products, padded and in tiles as a study has them, the last tile filled with empty datasets."""
    groups = padded_groups(SUBJECTS)
    size = tile_datasets(groups, 3)
    x = np.broadcast_to(np.stack([np.ones_like(DAYS), DAYS], axis=-1), (*y.shape, 2))
    columns = np.concatenate([x, y[..., None]], axis=-1)
    products = np.einsum("bgni,bgnj->bgij", columns, columns)
    sizes = np.full(y.shape[:2], len(DAYS), np.int32)
    fill = ((0, -len(y) % size), (0, groups - SUBJECTS))
    products, sizes = np.pad(products, (*fill, (0, 0), (0, 0))), np.pad(sizes, fill)
    names = ("Intercept", "Days")
    cuts = range(0, len(products), size)
    return [CrossProducts(products[i : i + size], sizes[i : i + size], names, names) for i in cuts]


def with_jaxsim(y: np.ndarray, runs: int) -> tuple[list[dict[str, object]], list[Fit]]:
    """A row for each method and number of threads; and the fits."""
    data, rows, fits = tiles(y), [], list[Fit]()
    for df, words in (("satterthwaite", "REML, Satterthwaite df"), ("residual", "REML, no df")):
        program, seconds = timed_compile(LinearMixed(df=df).fit_batch, data[0])
        for threads in sorted({1, usable_cores()}):
            taken = run_seconds(lambda program=program, threads=threads: in_threads(program, data, threads), runs)
            row = {"software": "jaxsim", "fit": words, "cores": threads, "refits": len(y), "compile s": seconds}
            rows.append({**row, "wall s": taken.wall * WANTED / len(y), "CPU s": taken.cpu * WANTED / len(y)})
        fits = fits or in_threads(program, data)
    return rows, fits


def with_lme4(y: np.ndarray) -> tuple[list[dict[str, object]], pd.DataFrame, str]:
    """A row for each way of fitting with lme4, what it found for all responses but the first, and versions."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        sys.exit("refits: Rscript was not found; install R with lme4 (scripts/install_r.sh does).")
    wide = {f"y{i + 1}": y[i].ravel() for i in range(len(y))}
    design = {"Days": np.tile(DAYS, SUBJECTS), "Subject": np.repeat(np.arange(SUBJECTS), len(DAYS)) + 1}
    with tempfile.TemporaryDirectory() as folder:
        given, written, summary = (Path(folder, name) for name in ("rows.csv", "fits.csv", "summary.csv"))
        pd.DataFrame({**design, **wide}).to_csv(given, index=False)
        command = [rscript, "--vanilla", str(SCRIPT), str(given), str(written), str(summary)]
        done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True, check=True)
        found, taken = pd.read_csv(written), pd.read_csv(summary)
    rows: list[dict[str, object]] = []
    for one in taken.to_dict("records"):
        scale = WANTED / one["refits"]
        row = {"software": f"lme4 {one['way']}", "fit": "REML, no df", "cores": 1, "refits": one["refits"]}
        rows.append({**row, "wall s": one["wall"] * scale, "CPU s": one["cpu"] * scale})
    return rows, found, done.stdout.strip()


def agreement(fits: list[Fit], theirs: pd.DataFrame) -> pd.DataFrame:
    """One row: whose criterion is the lower, and relative differences of standard errors; the REML of refit() is another."""
    take = slice(1, 1 + len(theirs))
    criterion, error = (np.concatenate([np.asarray(getattr(f, name)) for f in fits])[take] for name in ("criterion", "std_error"))
    gap = criterion - theirs["criterion"]
    apart, refitted = (np.abs(error / theirs[names].to_numpy() - 1) for names in (["se0", "se1"], ["refit0", "refit1"]))
    row = {"fits": len(theirs), "lmer()'s criterion lower": int((gap > SAME).sum()), "jaxsim's lower": int((gap < -SAME).sum())}
    row |= {"SE apart from lmer()": np.median(apart), "worst": apart.max()}
    return pd.DataFrame([{**row, "SE apart from refit()": np.median(refitted)}])
