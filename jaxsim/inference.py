"""From an estimate, its standard error and its degrees of freedom to t statistic, p value and confidence limits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special


class InferenceTable(NamedTuple):
    """Arrays of the shape of the estimates."""

    statistic: np.ndarray
    p_value: np.ndarray
    conf_low: np.ndarray
    conf_high: np.ndarray


def t_table(estimate: np.ndarray, std_error: np.ndarray, df: np.ndarray, conf_level: float = 0.95) -> InferenceTable:
    """Two-sided t inference, elementwise.

    Args:
        estimate, std_error, df: arrays of one shape; ``df`` may be infinite (normal inference). NaN in gives NaN out.
        conf_level: of the equal-tailed interval, between 0 and 1.
    """
    estimate, std_error = np.asarray(estimate, float), np.asarray(std_error, float)
    df = np.broadcast_to(np.asarray(df, float), estimate.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    tail = (1 + conf_level) / 2
    normal = np.isinf(df)
    finite = np.where(normal, 1.0, df)
    below = np.where(normal, special.ndtr(-np.abs(statistic)), special.stdtr(finite, -np.abs(statistic)))
    half = np.where(normal, special.ndtri(tail), special.stdtrit(finite, tail)) * std_error
    return InferenceTable(statistic, 2 * below, estimate - half, estimate + half)


def f_tail(f: np.ndarray | float, num_df: np.ndarray | float, den_df: np.ndarray | float) -> np.ndarray:
    """Probability that an F variable exceeds ``f``, elementwise; ``den_df`` may be infinite. NaN in gives NaN out."""
    f, num_df, den_df = np.broadcast_arrays(np.asarray(f, float), np.asarray(num_df, float), np.asarray(den_df, float))
    endless = np.isinf(den_df)
    return np.where(endless, special.chdtrc(num_df, num_df * f), special.fdtrc(num_df, np.where(endless, 1.0, den_df), f))
