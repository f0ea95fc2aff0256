"""Which finished fits are audited: a random sample of mixed models, so many from every cell."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.estimators import LinearMixed
from jaxsim.store.coverage import nth
from jaxsim.store.entries import covered
from jaxsim.store.results import Results

# What is read: of the fits and of the estimates.
KEY = ("cell", "replicate", "model")
FIT_COLUMNS = (*KEY, "status", "singular", "criterion", "sigma")
NUMBERS = ("estimate", "std_error", "df")


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
        InputError: if the study has no strategy that lme4 can fit, or none of its fits is finished.
    """
    mixed = [strategy for strategy in results.study.estimators if isinstance(strategy, LinearMixed)]
    if not mixed:
        raise InputError(f"{results.folder.place.url}: no strategy of this study is a LinearMixed, and lme4 fits nothing else.")
    chosen = _choose(results, mixed, per_cell, seed)
    if not chosen:
        raise InputError(f"{results.folder.place.url} holds no finished mixed model yet; run the study again to complete it.")
    datasets = {(cell, replicate) for cell, replicate, _ in chosen}
    terms = results.study.process.terms
    components = dict.fromkeys(name for _, _, strategy in chosen for name in _components(strategy.random_columns(terms)))
    fits = _read(results, "fits", [*FIT_COLUMNS, *components], datasets)
    estimates = _read(results, "estimates", [*KEY, "term", *NUMBERS], datasets)
    fit_rows = dict(zip(_keys(fits), fits.to_dict("records"), strict=True))
    rows_of = estimates.groupby(list(KEY), observed=True).indices
    return [
        _finished(
            strategy, fit_rows[cell, replicate, strategy.name], estimates.iloc[rows_of[cell, replicate, strategy.name]], terms
        )
        for cell, replicate, strategy in chosen
    ]


def _choose(results: Results, mixed: Sequence[LinearMixed], per_cell: int, seed: int) -> list[tuple[int, int, LinearMixed]]:
    """Cell, replicate and strategy of each fit that is drawn, by cell and replicate; which fits there are is known without them."""
    finished, chosen = covered(results.reader.entries), []
    for place, strategy in enumerate(mixed):
        for cell in results.study.cells:
            generator = np.random.default_rng([seed, place, cell.index])
            take = np.sort(generator.permutation(finished.count(strategy.name, cell.key))[:per_cell])
            chosen += [(cell.index, r, strategy) for r in nth(finished.of(strategy.name, cell.key), take.tolist())]
    return sorted(chosen, key=lambda fit: fit[:2])


def _read(results: Results, table: str, columns: Sequence[str], datasets: Iterable[tuple[int, int]]) -> pd.DataFrame:
    """Some columns of the rows about some datasets, ``(cell, replicate)`` each; of no others are kept."""
    wanted: dict[int, set[int]] = {}
    for cell, replicate in datasets:
        wanted.setdefault(cell, set()).add(replicate)
    return pd.concat(results.reader.picked(table, columns, wanted), ignore_index=True)


def _keys(table: pd.DataFrame) -> Iterator[tuple[int, int, str]]:
    return zip(table["cell"].tolist(), table["replicate"].tolist(), table["model"].astype(str), strict=True)


def _finished(strategy: LinearMixed, row: Mapping[Hashable, Any], estimates: pd.DataFrame, terms: tuple[str, ...]) -> Finished:
    table = estimates.set_index("term").loc[list(terms)]
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


def _components(names: tuple[str, ...]) -> list[str]:
    """Columns of the fits table with the standard deviations and correlations of these random effects."""
    return [f"sd_{a}" for a in names] + [f"cor_{b}_{a}" for i, a in enumerate(names) for b in names[:i]]


def _covariance(row: Mapping[Hashable, Any], names: tuple[str, ...]) -> np.ndarray:
    """From the standard deviations and correlations of the fits table; a correlation with a zero variance is none."""
    sd = np.array([row[f"sd_{name}"] for name in names], float)
    correlation = np.eye(len(names))
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            correlation[i, j] = correlation[j, i] = np.nan_to_num(float(row[f"cor_{b}_{a}"]))
    return correlation * np.outer(sd, sd)
