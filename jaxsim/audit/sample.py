"""Which finished fits are audited: a random sample of mixed models, so many from every cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.estimators import LinearMixed
from jaxsim.store.results import Results


@dataclass(frozen=True)
class Finished:
    """One fit as it was stored.

    ``estimate, std_error, df`` ``[P]`` in the order of the process's terms; ``covariance`` ``[Q, Q]`` of the random effects in
    the order of ``strategy.random_columns``.
    """

    strategy: LinearMixed
    cell: int
    replicate: int
    status: str
    singular: bool
    criterion: float
    sigma: float
    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray
    covariance: np.ndarray


def draw(results: Results, per_cell: int, seed: int) -> list[Finished]:
    """Of every cell and mixed-model strategy ``per_cell`` finished fits (all, where there are fewer), whatever their status.

    Raises:
        InputError: if the study has no strategy that lme4 can fit.
    """
    mixed = [strategy for strategy in results.study.estimators if isinstance(strategy, LinearMixed)]
    if not mixed:
        raise InputError(f"{results.folder.place.url}: no strategy of this study is a LinearMixed, and lme4 fits nothing else.")
    chosen = []
    for place, strategy in enumerate(mixed):
        fits = results.fits[results.fits["model"].astype(str) == strategy.name]
        estimates = results.estimates[results.estimates["model"].astype(str) == strategy.name].set_index(["cell", "replicate"])
        for cell, rows in fits.groupby("cell"):
            generator = np.random.default_rng([seed, place, int(str(cell))])
            take = np.sort(generator.permutation(len(rows))[:per_cell])
            chosen += [_finished(results, strategy, row, estimates) for _, row in rows.iloc[take].iterrows()]
    return sorted(chosen, key=lambda fit: (fit.cell, fit.replicate))


def _finished(results: Results, strategy: LinearMixed, row: pd.Series, estimates: pd.DataFrame) -> Finished:
    terms = results.study.process.terms
    table = estimates.loc[[(row["cell"], row["replicate"])]].set_index("term").loc[list(terms)]
    return Finished(
        strategy=strategy,
        cell=int(row["cell"]),
        replicate=int(row["replicate"]),
        status=str(row["status"]),
        singular=bool(row["singular"]),
        criterion=float(row["criterion"]),
        sigma=float(row["sigma"]),
        estimate=table["estimate"].to_numpy(float),
        std_error=table["std_error"].to_numpy(float),
        df=table["df"].to_numpy(float),
        covariance=_covariance(row, strategy.random_columns(terms)),
    )


def _covariance(row: pd.Series, names: tuple[str, ...]) -> np.ndarray:
    """From the standard deviations and correlations of the fits table; a correlation with a zero variance is none."""
    sd = np.array([row[f"sd_{name}"] for name in names], float)
    correlation = np.eye(len(names))
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            correlation[i, j] = correlation[j, i] = np.nan_to_num(float(row[f"cor_{b}_{a}"]))
    return correlation * np.outer(sd, sd)
