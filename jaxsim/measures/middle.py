"""The median of a statistic in every stratum, with the order statistics that bound a 95% interval of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxsim.measures.interval import Z
from jaxsim.measures.sample import Array


@dataclass(frozen=True)
class Middle:
    """Order statistics of K strata, ``[K]`` each; NaN for an empty one.

    Attributes:
        median: mean of the two middle values, or the middle one.
        low, high: the ``c``-th smallest and the ``c``-th largest, with ``c`` of :func:`ranks`.
        lean: mean over the values of -1 below, 0 at and 1 above the median: not 0 where values are tied with it.
    """

    median: Array
    low: Array
    high: Array
    lean: Array

    def at(self, place: Array) -> Middle:
        """Some of the strata."""
        return Middle(self.median[place], self.low[place], self.high[place], self.lean[place])


def ranks(size: Array) -> tuple[Array, Array, Array, Array]:
    """Ranks, from 1, of ``low``, of the two middle values and of ``high`` among ``size`` values, ``[K]`` each.

    ``c = (n + 1) / 2 - z sqrt(n / 4)`` rounded: the binomial interval of the median's rank, normal approximation.
    """
    low = np.clip(np.round((size + 1) / 2 - Z * np.sqrt(size / 4)), 1, None).astype(np.int64)
    return low, (size + 1) // 2, size // 2 + 1, size + 1 - low


def middle_of(values: Array, code: Array, size: Array, below: Array | None = None) -> Middle:
    """Of the values in hand.

    Args:
        values, code: ``[rows]``, in any order; those of each stratum are consecutive in rank.
        size: values of each stratum, in hand or not, ``[K]``.
        below: how many values of each stratum are smaller than those in hand and not among them, ``[K]``; none when None.
    """
    ordered = values[np.lexsort((values, code))]
    held = np.bincount(code, minlength=len(size))
    start = np.concatenate([[0], np.cumsum(held)[:-1]]) - (0 if below is None else below)

    def at(rank: Array) -> Array:
        """The values of these ranks."""
        if not len(ordered):
            return np.full(len(size), np.nan)
        return np.where(size > 0, ordered[np.clip(start + rank - 1, 0, len(ordered) - 1)], np.nan)

    low, first, second, high = (at(rank) for rank in ranks(size))
    median = (first + second) / 2
    side = np.bincount(code, np.sign(values - median[code]), len(size))
    above = size - held if below is None else size - held - below
    with np.errstate(invalid="ignore", divide="ignore"):
        lean = (side + above - (0 if below is None else below)) / size
    return Middle(median, low, high, lean)
