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
    half = t_point((1 + conf_level) / 2, df) * std_error
    return InferenceTable(statistic, 2 * t_tail(np.abs(statistic), df), estimate - half, estimate + half)


def t_tail(t: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Probability that a t variable exceeds ``t``, elementwise; ``df`` may be infinite. NaN in gives NaN out."""
    normal = np.isinf(df)
    return np.where(normal, special.ndtr(-t), special.stdtr(np.where(normal, 1.0, df), -t))


def t_point(probability: np.ndarray | float, df: np.ndarray | float) -> np.ndarray:
    """What a t variable is below with this probability, elementwise; ``df`` may be infinite. NaN in gives NaN out."""
    normal = np.isinf(df)
    return np.where(normal, special.ndtri(probability), special.stdtrit(np.where(normal, 1.0, df), probability))


def chi_square_point(probability: np.ndarray | float, df: np.ndarray | float) -> np.ndarray:
    """What a chi-square variable is below with this probability, elementwise."""
    return 2 * special.gammaincinv(np.asarray(df, float) / 2, probability)


def f_tail(f: np.ndarray | float, num_df: np.ndarray | float, den_df: np.ndarray | float) -> np.ndarray:
    """Probability that an F variable exceeds ``f``, elementwise; ``den_df`` may be infinite. NaN in gives NaN out."""
    f, num_df, den_df = np.broadcast_arrays(np.asarray(f, float), np.asarray(num_df, float), np.asarray(den_df, float))
    endless = np.isinf(den_df)
    return np.where(endless, special.chdtrc(num_df, num_df * f), special.fdtrc(num_df, np.where(endless, 1.0, den_df), f))
