"""What a performance measure is: a value with its Monte Carlo error, and what every dataset contributed to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from jaxsim.measures.needs import Needs
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary

# What is left of a variance by rounding where everything in it cancels.
ROUNDING = 1e-13


class Measure(ABC):
    """One measure. Its author says what it needs, how it follows from a summary of the rows, and each row's influence on it."""

    is_rate: ClassVar[bool] = False

    @property
    @abstractmethod
    def needs(self) -> Needs:
        """The statistics that the summary must have."""

    @abstractmethod
    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and Monte Carlo error by the published formula, ``[K]`` each."""

    @abstractmethod
    def influence(self, rows: Rows, summary: Summary) -> Array:
        """What each row contributes, ``[rows]``, centred in its stratum and scaled so that the error is about its ``sd / sqrt(n)``.

        Averages over strata need it, because their rows may come from the same datasets.
        """

    def trials(self, summary: Summary) -> Array:
        """Independent trials that a proportion is of, ``[K]``: Wilson's limits depend on them."""
        return summary.size


@dataclass(frozen=True)
class Mean(Measure):
    """A measure that is a plain mean of a statistic; error ``sd / sqrt(n)``."""

    statistic: str

    @property
    def needs(self) -> Needs:
        """The mean and the spread of the statistic."""
        return Needs((self.statistic,), ((self.statistic, self.statistic),))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Mean and error."""
        return summary.mean(self.statistic), summary.error_of_mean(self.statistic)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """The statistic, centred."""
        return summary.centred(self.statistic, rows)


@dataclass(frozen=True)
class Rate(Mean):
    """A measure that is a proportion; error ``sqrt(p (1 - p) / n)``."""

    is_rate: ClassVar[bool] = True

    @property
    def needs(self) -> Needs:
        """The mean of the statistic."""
        return Needs((self.statistic,))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Proportion and error."""
        rate = summary.mean(self.statistic)
        with np.errstate(invalid="ignore", divide="ignore"):
            # A mean of ones that were merged from parts may pass 1 by a rounding.
            return rate, np.sqrt(np.clip(rate * (1 - rate), 0, None) / summary.size)


@dataclass(frozen=True)
class Ratio(Measure):
    """A measure that is a ratio of two means, ``r = mean(a) / mean(b)``; NaN where ``mean(b)`` is zero.

    Error by the delta method, ``sqrt(var(a - r b) / n) / |mean(b)|``.
    """

    numerator: str
    denominator: str

    @property
    def needs(self) -> Needs:
        """Means, spreads and covariance of the two."""
        a, b = self.numerator, self.denominator
        return Needs((a, b), ((a, a), (a, b), (b, b)))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Ratio and error."""
        a, b = self.numerator, self.denominator
        ratio, divisor = self._parts(summary)
        above, below = summary.covariance(a, a), ratio**2 * summary.covariance(b, b)
        spread = above - 2 * ratio * summary.covariance(a, b) + below
        spread = np.where(spread < ROUNDING * (above + below), 0, spread)
        with np.errstate(invalid="ignore", divide="ignore"):
            return ratio, np.sqrt(np.clip(spread, 0, None) / summary.size) / np.abs(divisor)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """``a - r b``, centred, over ``mean(b)``."""
        ratio, divisor = self._parts(summary)
        rest = summary.centred(self.numerator, rows) - ratio[rows.code] * summary.centred(self.denominator, rows)
        return rest / divisor[rows.code]

    def _parts(self, summary: Summary) -> tuple[Array, Array]:
        below = summary.mean(self.denominator)
        divisor = np.where(below == 0, np.nan, below)
        return summary.mean(self.numerator) / divisor, divisor


@dataclass(frozen=True)
class Proportion(Ratio):
    """A ratio that is a proportion of some of the rows: both statistics are 0 or 1, the first only where the second is 1."""

    is_rate: ClassVar[bool] = True

    def trials(self, summary: Summary) -> Array:
        """The rows that the second statistic chooses."""
        return np.rint(np.where(summary.size > 0, summary.mean(self.denominator), 0) * summary.size)
