"""The table of a chunk, as Arrow: a row per dataset, strategy and term. ``estimates`` and ``fits`` are views of it.

What belongs to a whole fit stands in the row of each of its terms, so that every row can be read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from jaxsim.design import Study
from jaxsim.estimators import Fit, Strategy
from jaxsim.inference import t_table
from jaxsim.status import LABELS

KEY = "cell_key"
# Marks a column that a method added, a number for each term.
TERM_LEVEL = b"jaxsim.term"
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
    truth: np.ndarray,
    fit: Fit,
    messages: Sequence[str] | None = None,
) -> pa.Table:
    """Rows of a batch of fits by one strategy: ``n`` datasets times ``P`` terms.

    Args:
        study: whose cells these are.
        strategy: that fitted.
        cells, replicates: numbers of the datasets, ``[n]``.
        truth: fixed effects they were made with, ``[n, P]``.
        fit: arrays with a leading axis ``n``, on the host.
        messages: what other software said of each fit, empty where it said nothing; None for our own.

    Returns:
        ``cell_key`` (cells by content: their numbers change when a grid grows), the estimate columns, the fit columns, and for
        mixed models ``sd_<column>`` and ``cor_<column>_<column>`` of their random effects; last the method's own columns.
    """
    terms = study.process.terms
    n, p = len(cells), len(terms)
    distinct, place = np.unique(cells, return_inverse=True)
    columns: dict[str, Any] = {
        KEY: _labels(np.repeat(place, p).astype(np.int32), [study.cells[c].key for c in distinct]),
        "replicate": pa.array(np.repeat(replicates, p).astype(np.int32)),
        "model": _labels(np.zeros(n * p, np.int8), (strategy.name,)),
        "term": _labels(np.tile(np.arange(p, dtype=np.int8), n), terms),
    }
    columns |= {name: pa.array(value.ravel()) for name, value in _per_term(truth, fit, study.conf_level).items()}
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
    random = strategy.random_columns(terms)
    if random:
        per_fit |= _variance_components(np.asarray(fit.covariance, float), random)
    every = pa.array(np.repeat(np.arange(n), p))
    columns |= {name: values.take(every) for name, values in per_fit.items()}
    own = {name: pa.array(np.asarray(v, float).ravel()) for name, v in fit.extra.items() if np.ndim(v) == 2}
    table = pa.table(columns | own)
    fields = [f.with_metadata({TERM_LEVEL: b"1"}) if f.name in own else f for f in table.schema]
    return table.cast(pa.schema(fields))


def term_level(schema: pa.Schema) -> tuple[str, ...]:
    """Columns that a method added for each coefficient: they belong to the estimates, its others to the fits."""
    return tuple(f.name for f in schema if f.metadata and TERM_LEVEL in f.metadata)


def _per_term(truth: np.ndarray, fit: Fit, conf_level: float) -> dict[str, np.ndarray]:
    """Numbers of each coefficient, ``[n, P]``."""
    estimate, error, df = (np.asarray(a, float) for a in (fit.estimate, fit.std_error, fit.df))
    statistic, p_value, low, high = t_table(estimate, error, df, conf_level)
    if fit.p_value.shape == fit.estimate.shape:  # the method's own inference
        p_value, low, high = (np.asarray(a, float) for a in (fit.p_value, fit.conf_low, fit.conf_high))
    return {
        "truth": np.asarray(truth, float), "estimate": estimate, "std_error": error, "statistic": statistic, "df": df,
        "p_value": p_value, "conf_low": low, "conf_high": high,
    }  # fmt: skip


def _variance_components(covariance: np.ndarray, names: tuple[str, ...]) -> dict[str, pa.Array]:
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    columns = {f"sd_{name}": pa.array(sd[:, i]) for i, name in enumerate(names)}
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            product = sd[:, i] * sd[:, j]
            cor = np.divide(covariance[:, i, j], product, out=np.full(len(sd), np.nan), where=product > 0)
            columns[f"cor_{b}_{a}"] = pa.array(cor)
    return columns


def _labels(codes: np.ndarray, names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(names)))
