"""The table of a chunk, as Arrow: a row per dataset, strategy and term. ``estimates`` and ``fits`` are views of it.

What belongs to a whole fit stands in the row of each of its terms, so that every row can be read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from jaxsim.data.draw import Truth
from jaxsim.data.fit import Fit
from jaxsim.data.names import Names
from jaxsim.estimators.strategy import Strategy
from jaxsim.inference import t_table
from jaxsim.status import LABELS
from jaxsim.study.study import Study

KEY = "cell_key"
# Marks a column that a method added, a number for each term.
TERM_LEVEL = b"jaxsim.term"
# Begins the names of the true values of variance components.
TRUE = "true_"
ESTIMATE_COLUMNS: tuple[str, ...] = (
    "cell", "replicate", "model", "term", "truth", "estimate", "std_error", "statistic", "df", "p_value",
    "conf_low", "conf_high", "status",
)  # fmt: skip
FIT_COLUMNS: tuple[str, ...] = (
    "cell", "replicate", "model", "status", "converged", "singular", "criterion", "sigma", "iterations", "message",
)  # fmt: skip


def chunk_table(
    study: Study,
    strategy: Strategy,
    cells: np.ndarray,
    replicates: np.ndarray,
    truth: Truth,
    fit: Fit,
    messages: Sequence[str | None] | None = None,
) -> pa.Table:
    """Rows of a batch of fits by one strategy: ``n`` datasets times its ``K`` coefficients.

    Args:
        study: whose cells these are.
        strategy: that fitted.
        cells, replicates: numbers of the datasets, ``[n]``.
        truth: what they were made with; arrays with a leading axis ``n``, on the host.
        fit: arrays with a leading axis ``n``, on the host.
        messages: what other software said of each fit, empty where it said nothing; None for our own.

    Returns:
        ``cell_key`` (cells by content: their numbers change when a grid grows), the estimate columns, the fit columns, and for
        mixed models ``sd_<factor>_<term>`` and ``cor_<factor>_<term>_<term>`` of their random effects, each with its truth as
        ``true_sd_..`` and so on where the process tells it; last the method's own columns.
    """
    terms = strategy.coefficients(study.names)
    n, p = len(cells), len(terms)
    distinct, place = np.unique(cells, return_inverse=True)
    order = np.array([study.terms.index(term) for term in terms], np.int8 if len(study.terms) < 128 else np.int32)
    columns: dict[str, Any] = {
        KEY: _labels(np.repeat(place, p).astype(np.int32), [study.cells[c].key for c in distinct]),
        "replicate": pa.array(np.repeat(replicates, p).astype(np.int32)),
        "model": _labels(np.zeros(n * p, np.int8), (strategy.name,)),
        "term": _labels(np.tile(order, n), study.terms),
    }
    true = compared_truth(study.names, strategy, truth)
    columns |= {name: pa.array(value.ravel()) for name, value in _per_term(true, fit, study.conf_level).items()}
    per_fit = {
        "status": _labels(np.asarray(fit.status, np.int8), LABELS),
        "converged": pa.array(np.asarray(fit.converged)),
        "singular": pa.array(np.asarray(fit.singular)),
        "criterion": pa.array(np.asarray(fit.criterion, float)),
        "sigma": pa.array(np.asarray(fit.sigma, float)),
        "iterations": pa.array(np.asarray(fit.iterations, np.int32)),
        "message": pa.array([None] * n if messages is None else list(messages), pa.string()),
    }
    per_fit |= {name: pa.array(np.asarray(value)) for name, value in fit.extra.items() if np.ndim(value) == 1}
    per_fit |= {name: pa.array(values) for name, values in components(study.names, strategy, truth, fit).items()}
    every = pa.array(np.repeat(np.arange(n), p))
    columns |= {name: values.take(every) for name, values in per_fit.items()}
    own = {name: pa.array(np.asarray(v, float).ravel()) for name, v in fit.extra.items() if np.ndim(v) == 2}
    table = pa.table(columns | own)
    fields = [f.with_metadata({TERM_LEVEL: b"1"}) if f.name in own else f for f in table.schema]
    return table.cast(pa.schema(fields))


def compared_truth(names: Names, strategy: Strategy, truth: Truth) -> np.ndarray:
    """What each coefficient of a strategy is compared with, ``[n, K]``; NaN where the process tells no true value."""
    fixed = np.asarray(truth.fixed, float)
    terms = strategy.coefficients(names)
    if terms == names.fixed and not strategy.compared:
        return fixed
    nothing = np.full(len(fixed), np.nan)
    found = []
    for term in terms:
        name = strategy.compared.get(term, term)
        at = names.fixed.index(name) if name in names.fixed else -1
        estimand = truth.estimands.get(name) if term in strategy.compared else None
        found.append(np.asarray(estimand, float) if estimand is not None else fixed[:, at] if at >= 0 else nothing)
    return np.stack(found, axis=1)


def term_level(schema: pa.Schema) -> tuple[str, ...]:
    """Columns that a method added for each coefficient: they belong to the estimates, its others to the fits."""
    return tuple(f.name for f in schema if f.metadata and TERM_LEVEL in f.metadata)


def _per_term(truth: np.ndarray, fit: Fit, conf_level: float) -> dict[str, np.ndarray]:
    """Numbers of each coefficient, ``[n, P]``."""
    estimate, error, df = (np.asarray(a, float) for a in (fit.estimate, fit.std_error, fit.df))
    statistic, p_value, low, high = t_table(estimate, error, df, conf_level)
    by_t = {"p_value": p_value, "conf_low": low, "conf_high": high}
    given = {name: np.asarray(getattr(fit, name), float) for name in by_t}
    own = {name: value for name, value in given.items() if value.shape == estimate.shape}  # the method's own inference
    return {
        "truth": np.asarray(truth, float), "estimate": estimate, "std_error": error, "statistic": statistic, "df": df,
        **by_t, **own,
    }  # fmt: skip


def component_names(names: Names, strategy: Strategy) -> tuple[str, ...]:
    """Columns of a strategy's variance components that a process may tell the true values of; none without random effects."""
    found = [name for part in strategy.random_effects(names) for name in _component_names(part.columns, part.factor)]
    return (*found, "sigma") if found else ()


def components(names: Names, strategy: Strategy, truth: Truth, fit: Fit) -> dict[str, np.ndarray]:
    """Variance components of a strategy's random effects, ``[n]`` each, with their truths where the process tells them."""
    effects = strategy.random_effects(names)
    found: dict[str, np.ndarray] = {}
    told = dict(names.components)
    for part in effects:
        matrix = np.asarray(fit.covariance[part.factor], float)
        found |= _spread(matrix, part.columns, part.factor)
        known = tuple(name for name in part.columns if name in told.get(part.factor, ()))
        if part.factor in truth.covariance and known:
            index = [told[part.factor].index(name) for name in known]
            true = np.asarray(truth.covariance[part.factor], float)[:, index][:, :, index]
            found |= {f"{TRUE}{name}": value for name, value in _spread(true, known, part.factor).items()}
    if effects and truth.sigma is not None:
        found[f"{TRUE}sigma"] = np.asarray(truth.sigma, float)
    return found


def _spread(covariance: np.ndarray, columns: tuple[str, ...], factor: str) -> dict[str, np.ndarray]:
    """Standard deviations and correlations of ``[n, Q, Q]`` by name."""
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    found = [sd[:, i] for i in range(len(columns))]
    for i in range(len(columns)):
        for j in range(i):
            product = sd[:, i] * sd[:, j]
            found.append(np.divide(covariance[:, i, j], product, out=np.full(len(sd), np.nan), where=product > 0))
    return dict(zip(_component_names(columns, factor), found, strict=True))


def _component_names(columns: tuple[str, ...], factor: str) -> list[str]:
    pairs = [f"cor_{factor}_{b}_{a}" for i, a in enumerate(columns) for b in columns[:i]]
    return [*(f"sd_{factor}_{name}" for name in columns), *pairs]


def _labels(codes: np.ndarray, names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(names)))
