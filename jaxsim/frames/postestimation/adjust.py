"""Adjustments of p values and confidence limits for a family of comparisons, as emmeans and R's ``p.adjust`` make them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from jaxsim.inference import f_tail

ADJUSTMENTS: tuple[str, ...] = ("none", "tukey", "bonferroni", "holm", "sidak", "scheffe", "fdr")


@dataclass(frozen=True)
class Family:
    """Comparisons that are made together: how many, among how many means, and the rank of their coefficients."""

    size: int
    means: int
    rank: int


def adjusted(p_value: np.ndarray, statistic: np.ndarray, df: np.ndarray, family: Family, method: str) -> np.ndarray:
    """P values of t statistics for the whole family, ``[K]``; NaN stays NaN.

    ``tukey`` refers ``sqrt(2) |t|`` to the studentised range of the means, ``scheffe`` ``t^2 / rank`` to F; ``holm`` is step-down
    Bonferroni and ``fdr`` that of Benjamini and Hochberg.
    """
    match method:
        case "none":
            return p_value
        case "tukey":
            return _studentised_range_tail(np.sqrt(2) * np.abs(statistic), family.means, df)
        case "scheffe":
            return f_tail(statistic**2 / family.rank, family.rank, df)
        case "bonferroni":
            return np.minimum(1.0, family.size * p_value)
        case "sidak":
            return -np.expm1(family.size * np.log1p(-p_value))
        case _:
            return _stepwise(p_value, family.size, method)


def multiplier(level: float, df: np.ndarray, family: Family, method: str) -> np.ndarray:
    """Standard errors from the estimate to a limit, ``[K]``, so that all intervals hold at once with probability ``level``.

    ``holm`` and ``fdr`` have no intervals of their own: theirs are Bonferroni's, as in emmeans.
    """
    match method:
        case "none":
            return stats.t.ppf((1 + level) / 2, df)
        case "tukey":
            return _each(lambda one: stats.studentized_range.ppf(level, family.means, one), df) / np.sqrt(2)
        case "scheffe":
            endless = np.isinf(df)
            finite = stats.f.ppf(level, family.rank, np.where(endless, 1.0, df)) * family.rank
            return np.sqrt(np.where(endless, stats.chi2.ppf(level, family.rank), finite))
        case "sidak":
            return stats.t.ppf((1 + level ** (1 / family.size)) / 2, df)
        case _:
            return stats.t.ppf(1 - (1 - level) / (2 * family.size), df)


def _studentised_range_tail(value: np.ndarray, means: int, df: np.ndarray) -> np.ndarray:
    found = [stats.studentized_range.sf(v, means, d) if np.isfinite(v) else np.nan for v, d in zip(value, df, strict=True)]
    return np.clip(np.array(found, float), 0.0, 1.0)


def _each(function, values: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """A slow function once for every different value; NaN stays NaN."""
    different = {value: function(value) for value in np.unique(values[~np.isnan(values)])}
    return np.array([different.get(value, np.nan) for value in values], float)


def _stepwise(p_value: np.ndarray, size: int, method: str) -> np.ndarray:
    found = np.full(len(p_value), np.nan)
    known = np.flatnonzero(~np.isnan(p_value))
    order = known[np.argsort(p_value[known], kind="stable")]
    ranks = np.arange(len(order))
    if method == "holm":
        found[order] = np.minimum(1.0, np.maximum.accumulate((size - ranks) * p_value[order]))
    else:
        scaled = size / (ranks + 1) * p_value[order]
        found[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return found
