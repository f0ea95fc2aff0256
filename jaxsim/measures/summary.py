"""Means and centred sums of products of row statistics in every stratum: what a measure's value and error are made of.

Summaries of disjoint rows merge by the formula of Chan, Golub & LeVeque (1983), which is stable where sums of squares are not and
does not depend on the order of the rows but for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from jaxsim.measures.middle import Middle
from jaxsim.measures.sample import Array, Rows

Pair = tuple[str, str]


@dataclass(frozen=True)
class Units:
    """What the influences on a measure belong to, where it is not the rows: blocks of datasets.

    Attributes:
        code: stratum of each unit, ``[units]``.
        number: of each unit in its cell, ``[units]``: the same datasets have the same number in every stratum.
    """

    code: Array
    number: Array


@dataclass(frozen=True)
class Whole:
    """A function of all rows of each of K strata.

    Attributes:
        value, mcse: ``[K]`` each.
        influence: of each row, ``[rows]``, or of each unit, ``[units]``; None once it has been summed up.
        units: that the influences belong to; the rows when None.
    """

    value: Array
    mcse: Array
    influence: Array | None = None
    units: Units | None = None


@dataclass(frozen=True)
class Summary:
    """Statistics of K strata.

    Attributes:
        size: rows that count, ``[K]``.
        means: by name of the statistic, ``[K]`` each; NaN in an empty stratum.
        products: ``sum((a - mean(a)) (b - mean(b)))`` by pair of names, ``[K]`` each; NaN where a mean is not finite.
        middle: of the absolute errors, if measures need it.
        whole: functions of all rows, by name of the measure.
    """

    size: Array
    means: Mapping[str, Array]
    products: Mapping[Pair, Array]
    middle: Middle | None = None
    whole: Mapping[str, Whole] = field(default_factory=dict)

    def mean(self, name: str) -> Array:
        """Mean of a statistic, ``[K]``."""
        return self.means[name]

    def covariance(self, a: str, b: str) -> Array:
        """Sample covariance (divisor n - 1), ``[K]``; NaN with fewer than two rows."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.size > 1, self.products[a, b] / (self.size - 1.0), np.nan)

    def sd(self, name: str) -> Array:
        """Sample standard deviation (divisor n - 1), ``[K]``; NaN with fewer than two rows."""
        return np.sqrt(self.covariance(name, name))

    def error_of_mean(self, name: str) -> Array:
        """Monte Carlo standard error of the mean, ``sd / sqrt(n)``, ``[K]``."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sd(name) / np.sqrt(self.size)

    def centred(self, name: str, rows: Rows) -> Array:
        """A statistic of some rows less the mean of their stratum, ``[rows]``."""
        with np.errstate(invalid="ignore"):  # infinite limits of intervals have an infinite mean, and no spread
            return rows[name] - self.means[name][rows.code]

    def with_more(self, other: Summary) -> Summary:
        """The same rows with the statistics of another summary of them added."""
        return replace(self, means={**self.means, **other.means}, products={**self.products, **other.products})

    def at(self, place: Array) -> Summary:
        """Some of the strata."""
        return Summary(
            self.size[place], {k: v[place] for k, v in self.means.items()}, {k: v[place] for k, v in self.products.items()}
        )


def empty(count: int, names: Sequence[str], pairs: Sequence[Pair]) -> Summary:
    """No rows yet: merging with it changes nothing."""
    means = {name: np.full(count, np.nan) for name in names}
    return Summary(np.zeros(count, np.int64), means, {pair: np.zeros(count) for pair in pairs})


def summary_of(rows: Rows, count: int, names: Sequence[str], pairs: Sequence[Pair]) -> Summary:
    """Means of ``names`` and centred products of ``pairs`` in ``count`` strata."""
    size = np.bincount(rows.code, minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {name: np.bincount(rows.code, rows[name], count) / size for name in names}
        centred = {name: rows[name] - means[name][rows.code] for name in {name for pair in pairs for name in pair}}
        products = {(a, b): np.bincount(rows.code, centred[a] * centred[b], count) for a, b in pairs}
    return Summary(size, means, products)


def merge(one: Summary, other: Summary) -> Summary:
    """The summary of the rows of both, which must be disjoint; strata and names are the same."""
    size = one.size + other.size
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(size > 0, other.size / size, 0.0)
        shift = {name: _shift(one, other, name) for name in one.means}
        means = {name: np.where(one.size > 0, one.means[name], other.means[name]) + weight * shift[name] for name in shift}
        means = {name: np.where(np.isnan(mean) & (size > 0), _unbounded(one, other, name), mean) for name, mean in means.items()}
        products = {
            (a, b): one.products[a, b] + other.products[a, b] + shift[a] * shift[b] * weight * one.size for a, b in one.products
        }
        finite = {pair: np.isfinite(means[pair[0]]) & np.isfinite(means[pair[1]]) | (size == 0) for pair in products}
    return Summary(size, means, {pair: np.where(finite[pair], product, np.nan) for pair, product in products.items()})


def _shift(one: Summary, other: Summary, name: str) -> Array:
    """Difference of the two means, ``[K]``; 0 where one of the two has no rows."""
    return np.where((one.size > 0) & (other.size > 0), other.means[name] - one.means[name], 0.0)


def _unbounded(one: Summary, other: Summary, name: str) -> Array:
    """The mean where the difference of means is not finite: infinite if one of them is, NaN if both are with other signs."""
    parts = [np.where(part.size > 0, part.means[name], 0) for part in (one, other)]
    return parts[0] + parts[1]
