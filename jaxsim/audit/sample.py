"""Which finished fits are audited: a random sample of mixed models, so many from every cell."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.data.names import Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError
from jaxsim.estimators import LinearMixed
from jaxsim.results import Results
from jaxsim.store.coverage import nth
from jaxsim.store.entries import covered

# What is read: of the fits and of the estimates.
KEY = ("cell", "replicate", "model")
FIT_COLUMNS = (*KEY, "status", "singular", "criterion", "sigma")
NUMBERS = ("estimate", "std_error", "df")


@dataclass(frozen=True)
class Finished:
    """One fit as it was stored.

    ``terms`` are the strategy's coefficients, and ``estimate, std_error, df`` ``[P]`` in their order; ``covariance`` ``[Q, Q]`` is
    of the random ``effects`` of each grouping factor.
    """

    strategy: LinearMixed
    terms: tuple[str, ...]
    response: str
    effects: tuple[RandomEffects, ...]
    cell: int
    replicate: int
    status: str
    singular: bool
    criterion: float
    sigma: float
    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray
    covariance: tuple[np.ndarray, ...]


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
    names = results.study.names
    there = {column for entry in results.reader.entries for column in entry.about.columns}
    parts = [part for _, _, strategy in chosen for part in strategy.random_effects(names)]
    components = dict.fromkeys(name for part in parts for name in _components(part, there).values())
    fits = _read(results, "fits", [*FIT_COLUMNS, *components], datasets)
    estimates = _read(results, "estimates", [*KEY, "term", *NUMBERS], datasets)
    fit_rows = dict(zip(_keys(fits), fits.to_dict("records"), strict=True))
    rows_of = estimates.groupby(list(KEY), observed=True).indices
    return [
        _finished(
            strategy, fit_rows[cell, replicate, strategy.name], estimates.iloc[rows_of[cell, replicate, strategy.name]], names
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


def _finished(strategy: LinearMixed, row: Mapping[Hashable, Any], estimates: pd.DataFrame, names: Names) -> Finished:
    terms = strategy.coefficients(names)
    effects = strategy.random_effects(names)
    table = estimates.set_index("term").loc[list(terms)]
    return Finished(
        strategy=strategy,
        terms=terms,
        response=strategy.response(names),
        effects=effects,
        cell=int(row["cell"]),
        replicate=int(row["replicate"]),
        status=str(row["status"]),
        singular=bool(row["singular"]),
        criterion=float(row["criterion"]),
        sigma=float(row["sigma"]),
        estimate=table["estimate"].to_numpy(float),
        std_error=table["std_error"].to_numpy(float),
        df=table["df"].to_numpy(float),
        covariance=tuple(_covariance(row, part) for part in effects),
    )


def _components(effects: RandomEffects, there: Collection[str]) -> dict[tuple[str, ...], str]:
    """Columns of the fits table with the standard deviations ``(a,)`` and correlations ``(b, a)`` of these random effects.

    Results of jaxsim 0.3 do not name the factor.
    """
    columns = effects.columns
    pairs: list[tuple[str, ...]] = [(a,) for a in columns] + [(b, a) for i, a in enumerate(columns) for b in columns[:i]]
    found = {}
    for pair in pairs:
        kind, names = ("sd", "cor")[len(pair) - 1], "_".join(pair)
        new = f"{kind}_{effects.factor}_{names}"
        found[pair] = new if new in there else f"{kind}_{names}"
    return found


def _covariance(row: Mapping[Hashable, Any], effects: RandomEffects) -> np.ndarray:
    """From the standard deviations and correlations of the fits table; a correlation with a zero variance is none."""
    columns, stored = effects.columns, _components(effects, set(map(str, row)))
    sd = np.array([row[stored[name,]] for name in columns], float)
    correlation = np.eye(len(columns))
    for i, a in enumerate(columns):
        for j, b in enumerate(columns[:i]):
            correlation[i, j] = correlation[j, i] = np.nan_to_num(float(row[stored[b, a]]))
    return correlation * np.outer(sd, sd)
