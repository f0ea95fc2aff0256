"""Results folders with made-up numbers, for tests of the report, and what is read off its figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from jaxsim import GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, TwoStage, Uniform, load
from jaxsim.status import LABELS, USABLE_LABELS
from jaxsim.store.folder import Folder

MODELS = (PooledOLS(label="ols"), TwoStage(label="lm2"), LinearMixed(label="lmer"))
POST_GRID = {"n_groups": [10, 30], "n_obs": [5, 25], "group_sd": [0.1, 1, 4]}


def tables(study: Study, status) -> tuple[pa.Table, pa.Table]:
    """Made-up estimates and fits of every dataset; ``status(model, cell, replicate)`` names how a fit ended."""
    rng = np.random.default_rng(1)
    estimates, fits = [], []
    terms = study.process.terms
    for cell in study.cells:
        for replicate in range(study.replicates):
            given = cell.process.fixed_effects
            truth = rng.uniform(size=len(terms)) if isinstance(given, Uniform) else np.asarray(given, float)
            for estimator in study.estimators:
                label = status(estimator.name, cell.index, replicate)
                usable = label in USABLE_LABELS
                key = {"cell": cell.index, "replicate": replicate, "model": estimator.name}
                mixed = isinstance(estimator, LinearMixed)
                fits.append(
                    {
                        **key,
                        "status": label,
                        "converged": usable,
                        "singular": label == "singular",
                        "sigma": 1.0 if mixed else np.nan,
                    }
                )
                numbers = np.stack([truth + rng.normal(0, 0.3, len(terms)), rng.uniform(0.2, 0.4, len(terms))])
                for term, true, (estimate, error) in zip(
                    terms, truth, numbers.T if usable else np.full((len(terms), 2), np.nan), strict=True
                ):
                    z = estimate / error
                    estimates.append(
                        {
                            **key, "term": term, "truth": true, "estimate": estimate, "std_error": error, "statistic": z,
                            "df": 20.0 if usable else np.nan, "p_value": 2 * stats.norm.sf(abs(z)),
                            "conf_low": estimate - 1.96 * error, "conf_high": estimate + 1.96 * error, "status": label,
                        }
                    )  # fmt: skip
    return arrow(estimates, terms), arrow(fits, terms)


def arrow(rows: list[dict], terms: tuple[str, ...]) -> pa.Table:
    frame = pd.DataFrame(rows).astype({"cell": "int32", "replicate": "int32", "model": "category"})
    frame["status"] = pd.Categorical(frame["status"], LABELS)
    if "term" in frame:
        frame["term"] = pd.Categorical(frame["term"], terms)
    return pa.Table.from_pandas(frame, preserve_index=False)


def results_of(folder, grid=None, estimators=MODELS, replicates=6, status=None, process=None):
    """A results folder with made-up numbers, read back."""
    grid = grid if isinstance(grid, Grid) else Grid(**(grid or {}))
    study = Study(process or GaussianMultilevel(n_predictors=2), grid, estimators, replicates, seed=3)
    place = Folder(folder)
    place.claim(study, "a plan")
    made, fits = tables(study, status or (lambda model, cell, replicate: "ok"))
    place.write(0, [made], [fits], len(study.cells) * study.replicates)
    return load(folder)


def segments(figure) -> np.ndarray:
    """Lower and upper ends of all Monte Carlo intervals of a figure, ``[n, 2]``, sorted."""
    found = [
        segment[:, 1]
        for ax in figure.axes
        for collection in ax.collections
        if str(collection.get_label()).startswith("interval of")
        for segment in collection.get_segments()
    ]
    return np.array(sorted(map(tuple, found)))
