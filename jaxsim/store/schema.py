"""The two result tables, as Arrow: ``estimates`` (one row per dataset, strategy and term) and ``fits`` (one per fit)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from jaxsim.estimators import Fit, Strategy
from jaxsim.inference import t_table
from jaxsim.status import LABELS

ESTIMATE_COLUMNS: tuple[str, ...] = (
    "cell", "replicate", "model", "term", "truth", "estimate", "std_error", "statistic", "df", "p_value",
    "conf_low", "conf_high", "status",
)  # fmt: skip
FIT_COLUMNS: tuple[str, ...] = (
    "cell", "replicate", "model", "status", "converged", "singular", "criterion", "sigma", "iterations", "message",
)  # fmt: skip


def estimates_table(
    cells: np.ndarray, replicates: np.ndarray, model: str, terms: tuple[str, ...], truth: np.ndarray, fit: Fit, conf_level: float
) -> pa.Table:
    """Long table of a batch of fits: ``n`` datasets times ``P`` terms (a padded batch is cut to ``n``)."""
    n, p = len(cells), len(terms)
    estimate, error, df = (np.asarray(a[:n]) for a in (fit.estimate, fit.std_error, fit.df))
    statistic, p_value, low, high = t_table(estimate, error, df, conf_level)
    if fit.p_value.shape == fit.estimate.shape:  # the method's own inference
        p_value, low, high = (np.asarray(a[:n]) for a in (fit.p_value, fit.conf_low, fit.conf_high))
    columns: dict[str, Any] = {
        "cell": pa.array(np.repeat(cells, p).astype(np.int32)),
        "replicate": pa.array(np.repeat(replicates, p).astype(np.int32)),
        "model": _labels(np.zeros(n * p, np.int8), (model,)),
        "term": _labels(np.tile(np.arange(p, dtype=np.int8), n), terms),
    }
    numbers = {
        "truth": truth[:n], "estimate": estimate, "std_error": error, "statistic": statistic, "df": df,
        "p_value": p_value, "conf_low": low, "conf_high": high,
    }  # fmt: skip
    columns |= {name: pa.array(np.asarray(value, float).ravel()) for name, value in numbers.items()}
    columns["status"] = _labels(np.repeat(np.asarray(fit.status[:n]), p).astype(np.int8), LABELS)
    return pa.table(columns)


def fits_table(
    cells: np.ndarray,
    replicates: np.ndarray,
    strategy: Strategy,
    terms: tuple[str, ...],
    fit: Fit,
    messages: Sequence[str] | None = None,
) -> pa.Table:
    """One row a fit; mixed models add ``sd_<column>`` and ``cor_<column>_<column>`` of their random effects.

    ``messages`` are what other software said of each fit, empty where it said nothing; null for our own.
    """
    n = len(cells)
    columns: dict[str, Any] = {
        "cell": pa.array(cells.astype(np.int32)),
        "replicate": pa.array(replicates.astype(np.int32)),
        "model": _labels(np.zeros(n, np.int8), (strategy.name,)),
        "status": _labels(np.asarray(fit.status[:n], np.int8), LABELS),
        "converged": pa.array(np.asarray(fit.converged[:n])),
        "singular": pa.array(np.asarray(fit.singular[:n])),
        "criterion": pa.array(np.asarray(fit.criterion[:n], float)),
        "sigma": pa.array(np.asarray(fit.sigma[:n], float)),
        "iterations": pa.array(np.asarray(fit.iterations[:n], np.int32)),
        "message": pa.array([None] * n if messages is None else list(messages), pa.string()),
    }
    random = strategy.random_columns(terms)
    if random:
        columns |= _variance_components(np.asarray(fit.covariance[:n]), random)
    return pa.table(columns)


def _variance_components(covariance: np.ndarray, names: tuple[str, ...]) -> dict[str, pa.Array]:
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    columns = {f"sd_{name}": pa.array(sd[:, i]) for i, name in enumerate(names)}
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            product = sd[:, i] * sd[:, j]
            cor = np.divide(covariance[:, i, j], product, out=np.full(len(sd), np.nan), where=product > 0)
            columns[f"cor_{b}_{a}"] = pa.array(cor)
    return columns


def _labels(codes: np.ndarray, names: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(names)))
