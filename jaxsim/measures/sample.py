"""What measures are computed from: the usable rows of every group at once, and sums over groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Groups:
    """Rows assigned to groups, to datasets and to the cells the datasets were drawn in; all codes are integers from 0.

    A group is one line of a table of measures. Datasets are independent draws within a fixed cell; rows of one dataset (its
    terms) are not independent of each other. ``count`` is the number of groups, K; every other array is ``[rows]``.
    """

    code: Array
    dataset: Array
    cell: Array
    count: int

    @cached_property
    def size(self) -> Array:
        """Rows of each group, ``[K]``."""
        return np.bincount(self.code, minlength=self.count)

    @cached_property
    def is_plain(self) -> Array:
        """Whether a group's rows are one per dataset, all from one cell, ``[K]``: the textbook Monte Carlo errors then hold."""
        members = _distinct(self.code, self.dataset, self.count)
        cells = _distinct(self.code, self.cell, self.count)
        return (members == self.size) & (cells <= 1)

    def mean(self, values: Array) -> Array:
        """Mean of each group, ``[K]``; NaN for an empty one."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.bincount(self.code, values, self.count) / self.size

    def variance(self, values: Array) -> Array:
        """Sample variance of each group (divisor n - 1), ``[K]``; NaN with fewer than two rows."""
        deviation = values - self.mean(values)[self.code]
        with np.errstate(invalid="ignore", divide="ignore"):
            total = np.bincount(self.code, deviation**2, self.count)
            return np.where(self.size > 1, total / (self.size - 1), np.nan)

    def error_of_mean(self, influence: Array) -> Array:
        """Monte Carlo standard error of a statistic with this influence function, ``[K]``.

        ``influence`` ``[rows]`` is what each row adds to the mean that the statistic is (or, by the delta method, is close to).
        Rows of one dataset are added up first, and datasets compared within their cell only: cells are fixed by design, so
        differences between them are no Monte Carlo error. With one row per dataset and one cell this is ``sd / sqrt(n)``.
        """
        per_dataset, first = _collapse(self.code, self.dataset, influence)
        code, cell = self.code[first], self.cell[first]
        stratum = _pair_code(code, cell)
        n = np.bincount(stratum)
        mean = np.bincount(stratum, per_dataset) / np.maximum(n, 1)
        inside = np.bincount(stratum, (per_dataset - mean[stratum]) ** 2)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.where(n > 1, inside * n / (n - 1), np.nan)
        group_of = np.zeros(len(n), int)
        group_of[stratum] = code
        total = np.bincount(group_of, variance, self.count) if len(n) else np.zeros(self.count)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.size > 0, np.sqrt(total) / self.size, np.nan)


@dataclass(frozen=True)
class Sample:
    """Usable rows of an estimates table, ``[rows]`` each, with their groups; ``alpha`` is the level of the tests."""

    groups: Groups
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
    """One measure in every group: ``value`` and ``mcse`` ``[K]``. ``is_rate`` asks for Wilson intervals."""

    value: Array
    mcse: Array
    is_rate: bool = False


def _pair_code(a: Array, b: Array) -> Array:
    """One integer code, from 0 without gaps, for each distinct pair."""
    if not len(a):
        return np.zeros(0, int)
    return np.unique(a.astype(np.int64) * (int(b.max()) + 1) + b, return_inverse=True)[1]


def _distinct(code: Array, other: Array, count: int) -> Array:
    """How many distinct values of ``other`` each group has, ``[K]``."""
    if not len(code):
        return np.zeros(count, int)
    _, first = np.unique(code.astype(np.int64) * (int(other.max()) + 1) + other, return_index=True)
    return np.bincount(code[first], minlength=count)


def _collapse(code: Array, dataset: Array, values: Array) -> tuple[Array, Array]:
    """Sums over the rows of each (group, dataset), and one row number of each."""
    pair = _pair_code(code, dataset)
    first = np.unique(pair, return_index=True)[1]
    return np.bincount(pair, values), first
