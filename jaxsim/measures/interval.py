"""Monte Carlo intervals around a measure."""

from __future__ import annotations

import numpy as np
from scipy import special

LEVEL = 0.95
Z = float(special.ndtri((1 + LEVEL) / 2))


def normal(value: np.ndarray, mcse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% limits ``value -+ z mcse``, elementwise."""
    return value - Z * mcse, value + Z * mcse


def wilson(rate: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% score interval of a proportion (Wilson 1927), elementwise: honest at 0 and 1, where the MCSE is zero.

    Args:
        rate: observed proportion, between 0 and 1.
        n: number of independent trials (an effective number need not be whole); NaN limits where it is 0.
    """
    n = np.asarray(n, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * np.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    # Rounding may leave -1e-17 where the limit is exactly 0, or pass 1.
    low = np.where(rate <= 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(rate >= 1, 1.0, np.clip(centre + half, 0, 1))
    empty = ~(n > 0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)
