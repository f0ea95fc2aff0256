"""Adjustments of p values and confidence limits for a family of comparisons, as emmeans and R's ``p.adjust`` make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from jaxsim.inference import chi_square_point, f_tail, t_point, t_tail

ADJUSTMENTS: tuple[str, ...] = ("none", "tukey", "dunnettx", "bonferroni", "holm", "sidak", "scheffe", "fdr")


@dataclass(frozen=True)
class Family:
    """Comparisons that are made together: how many, among how many means, and the rank of their coefficients."""

    size: int
    means: int
    rank: int


def adjusted(p_value: np.ndarray, statistic: np.ndarray, df: np.ndarray, family: Family, method: str) -> np.ndarray:
    """P values of t statistics for the whole family, ``[K]``; NaN stays NaN.

    ``tukey`` refers ``sqrt(2) |t|`` to the studentised range of the means, ``dunnettx`` ``|t|`` to emmeans' approximation to
    Dunnett's distribution, ``scheffe`` ``t^2 / rank`` to F; ``holm`` is step-down Bonferroni and ``fdr`` that of Benjamini and
    Hochberg.
    """
    match method:
        case "none":
            found = p_value
        case "tukey":
            found = _studentised_range_tail(np.sqrt(2) * np.abs(statistic), family.means, df)
        case "dunnettx":
            found = _dunnett_tail(np.abs(statistic), family.size, df)
        case "scheffe":
            found = f_tail(statistic**2 / family.rank, family.rank, df)
        case "bonferroni":
            found = np.minimum(1.0, family.size * p_value)
        case "sidak":
            found = -np.expm1(family.size * np.log1p(-p_value))
        case _:
            found = _stepwise(p_value, family.size, method)
    return found


def multiplier(level: float, df: np.ndarray, family: Family, method: str) -> np.ndarray:
    """Standard errors from the estimate to a limit, ``[K]``, so that all intervals hold at once with probability ``level``.

    ``holm`` and ``fdr`` have no intervals of their own: theirs are Bonferroni's, as in emmeans.
    """
    match method:
        case "none":
            return t_point((1 + level) / 2, df)
        case "tukey":
            return _each(lambda one: _studentised_range().ppf(level, family.means, one), df) / np.sqrt(2)
        case "dunnettx":
            return _each(lambda one: _dunnett_point(level, family.size, one), df)
        case "scheffe":
            endless = np.isinf(df)
            finite = special.fdtri(family.rank, np.where(endless, 1.0, df), level) * family.rank
            return np.sqrt(np.where(endless, chi_square_point(level, family.rank), finite))
        case "sidak":
            return t_point((1 + level ** (1 / family.size)) / 2, df)
        case _:
            return t_point(1 - (1 - level) / (2 * family.size), df)


def _dunnett_tail(value: np.ndarray, size: int, df: np.ndarray) -> np.ndarray:
    """Probability that the largest of ``size`` |t| with correlations of 1/2 exceeds a value, as emmeans approximates it: that of
    the range of so many means as have ``size`` pairs, mixed with 1 part in ``size`` of that of independent statistics."""
    of_range = _studentised_range_tail(np.sqrt(2) * value, (1 + np.sqrt(1 + 8 * size)) / 2, df)
    with np.errstate(divide="ignore"):  # at zero
        independent = -np.expm1(size * np.log1p(-2 * t_tail(value, df)))
    return of_range + (independent - of_range) / size


def _dunnett_point(level: float, size: int, df: float) -> float:
    """Where that probability is one less the level."""
    from scipy import optimize  # noqa: PLC0415 - slow to import

    one = np.array([df])
    highest = float(t_point(1 - (1 - level) / (4 * size), df))
    return float(optimize.brentq(lambda t: _dunnett_tail(np.array([t]), size, one)[0] - (1 - level), 0.0, highest, xtol=1e-9))


def _studentised_range() -> Any:
    """SciPy's distribution, whose module takes half a second to import."""
    from scipy import stats  # noqa: PLC0415

    return stats.studentized_range


def _studentised_range_tail(value: np.ndarray, means: float, df: np.ndarray) -> np.ndarray:
    found = [_studentised_range().sf(v, means, d) if np.isfinite(v) else np.nan for v, d in zip(value, df, strict=True)]
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
