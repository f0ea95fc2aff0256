"""The statistics of a row: what is known of each estimate, its standard error, its test and its interval."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from jaxsim.measures.sample import Array, Rows

Statistic = Callable[[Rows], Array]
# A p value that is alpha but for rounding is alpha.
ROUNDING = 1e-12


def statistics(alpha: float, conf_level: float) -> dict[str, Statistic]:
    """Every statistic of a row of the estimates table, by name.

    The truth may differ from dataset to dataset. ``covers`` says whether the interval contains it; ``rejects`` whether
    ``p <= alpha`` (resampled p values may be equal to it, and their intervals then exclude zero); ``significant`` the same of
    coefficients that are not zero, 0 of the others. What a strategy does not give (limits, a p value), or a process does not
    tell (the truth), is NaN, and so is what follows from it.

    Args:
        alpha: level of the tests.
        conf_level: of the intervals.
    """
    return {
        "error": lambda rows: rows["estimate"] - rows["truth"],
        "absolute_error": lambda rows: np.abs(rows["error"]),
        "squared_error": lambda rows: rows["error"] ** 2,
        "variance": lambda rows: rows["std_error"] ** 2,
        "width": lambda rows: rows["conf_high"] - rows["conf_low"],
        "covers": lambda rows: contains(rows, rows["truth"]),
        "rejects": partial(_rejects, alpha=alpha),
        "null": lambda rows: _known((rows["truth"] == 0).astype(float), np.isnan(rows["truth"])),
        "interval_score": partial(_interval_score, penalty=2 / round(1 - conf_level, 12)),
        "significant": lambda rows: _known(np.where(rows["truth"] != 0, rows["rejects"], 0.0), np.isnan(rows["truth"])),
        "wrong_sign": lambda rows: rows["significant"] * (np.sign(rows["estimate"]) != np.sign(rows["truth"])),
        "significant_estimate": lambda rows: rows["significant"] * np.abs(rows["estimate"]),
        "significant_truth": lambda rows: rows["significant"] * np.abs(rows["truth"]),
    }


def contains(rows: Rows, value: Array) -> Array:
    """Whether each interval contains a value, 0 or 1, ``[rows]``; NaN where a limit or the value is."""
    low, high = rows["conf_low"], rows["conf_high"]
    lacking = np.isnan(low) | np.isnan(high) | np.isnan(value)
    return _known(((low <= value) & (value <= high)).astype(float), lacking)


def _rejects(rows: Rows, alpha: float) -> Array:
    p_value = rows["p_value"]
    return _known((p_value <= alpha + ROUNDING).astype(float), np.isnan(p_value))


def _interval_score(rows: Rows, penalty: float) -> Array:
    below, above = rows["conf_low"] - rows["truth"], rows["truth"] - rows["conf_high"]
    return rows["width"] + penalty * (np.maximum(below, 0) + np.maximum(above, 0))


def _known(values: Array, lacking: Array) -> Array:
    return np.where(lacking, np.nan, values) if lacking.any() else values
