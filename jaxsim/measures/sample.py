"""What measures are computed from: usable rows in strata, one estimate per dataset in each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Strata:
    """Rows assigned to strata: one strategy's estimates of one coefficient in one cell, one row per dataset.

    Rows of a stratum are independent draws, so the textbook Monte Carlo errors hold in it. ``code`` is the stratum of each row,
    ``[rows]``, from 0; ``count`` the number of strata, K.
    """

    code: Array
    count: int

    @cached_property
    def size(self) -> Array:
        """Rows of each stratum, ``[K]``."""
        return np.bincount(self.code, minlength=self.count)

    def mean(self, values: Array) -> Array:
        """Mean of each stratum, ``[K]``; NaN for an empty one."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.bincount(self.code, values, self.count) / self.size

    def centred(self, values: Array) -> Array:
        """Values less the mean of their stratum, ``[rows]``."""
        with np.errstate(invalid="ignore"):  # infinite limits of intervals have an infinite mean, and no spread
            return values - self.mean(values)[self.code]

    def sd(self, values: Array) -> Array:
        """Sample standard deviation (divisor n - 1), ``[K]``; NaN with fewer than two rows."""
        total = np.bincount(self.code, self.centred(values) ** 2, self.count)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.size > 1, np.sqrt(total / (self.size - 1)), np.nan)

    def error_of_mean(self, values: Array) -> Array:
        """Monte Carlo standard error of the mean, ``sd / sqrt(n)``, ``[K]``."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sd(values) / np.sqrt(self.size)


@dataclass(frozen=True)
class Sample:
    """Usable rows of an estimates table, ``[rows]`` each, with their strata; ``alpha`` is the level of the tests."""

    strata: Strata
    estimate: Array
    truth: Array
    std_error: Array
    p_value: Array
    conf_low: Array
    conf_high: Array
    alpha: float

    @cached_property
    def error(self) -> Array:
        """Estimate less truth; the truth may differ from dataset to dataset."""
        return self.estimate - self.truth


@dataclass(frozen=True)
class Measured:
    """One measure in every stratum.

    Attributes:
        value, mcse: ``[K]``; the error by the published formula.
        influence: what each row contributes, ``[rows]``, centred in its stratum and scaled so that the error is about its
            ``sd / sqrt(n)``: what averages over strata need, because their datasets may be the same.
        is_rate: asks for Wilson intervals.
    """

    value: Array
    mcse: Array
    influence: Array
    is_rate: bool = False


def mean_of(strata: Strata, values: Array) -> Measured:
    """A measure that is a plain mean."""
    return Measured(strata.mean(values), strata.error_of_mean(values), strata.centred(values))


def rate_of(strata: Strata, event: Array) -> Measured:
    """A measure that is a proportion; error ``sqrt(p (1 - p) / n)``."""
    rate = strata.mean(event.astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        mcse = np.sqrt(rate * (1 - rate) / strata.size)
    return Measured(rate, mcse, strata.centred(event.astype(float)), is_rate=True)
