"""From moments to the lines of a table: averages over strata and their Monte Carlo errors, as in :mod:`jaxsim.measures.combine`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from jaxsim.measures.combine import codes_of
from jaxsim.measures.measure import Measure
from jaxsim.measures.part import Part, part_of
from jaxsim.measures.sample import Array
from jaxsim.measures.stream.layout import Layout
from jaxsim.measures.stream.moments import Moments, Spread


@dataclass(frozen=True)
class Strata:
    """The strata that a table is about, in the lines that average them.

    Attributes:
        table: one row a line: its values of ``by``.
        line: of each stratum, ``[C, S]``; -1 for those that are in none.
        groups: which strata of a cell are in the same line, 0 or 1, ``[S, groups]``: the same for every cell.
    """

    table: pd.DataFrame
    line: Array
    groups: Array

    @property
    def count(self) -> int:
        """Lines."""
        return len(self.table)

    @property
    def here(self) -> Array:
        """Whether each stratum is in a line, bool ``[C, S]``."""
        return self.line >= 0

    @property
    def is_pooled(self) -> bool:
        """Whether some line spans several strata."""
        return bool((self.sum(np.ones(self.line.shape)) > 1).any())

    @cached_property
    def group_line(self) -> Array:
        """Line of each group of each cell, ``[C, groups]``; -1 where none of its strata is there."""
        inside = self.groups.T[None] > 0
        return np.where(inside, self.line[:, None, :], -1).max(axis=2)

    def only(self, shown: Array) -> Strata:
        """The same lines with some of the strata, bool ``[C, S]``."""
        return Strata(self.table, np.where(shown, self.line, -1), self.groups)

    def sum(self, values: Array) -> Array:
        """Sum over the strata of each line, ``[lines]``."""
        return np.bincount(self.line[self.here], values[self.here], self.count)

    def sum_groups(self, values: Array) -> Array:
        """Sum over the groups of each line, ``[lines]``, of ``[C, groups]``."""
        there = self.group_line >= 0
        return np.bincount(self.group_line[there], values[there], self.count)


def strata_of(layout: Layout, cells: pd.DataFrame, chosen: Array, by: Sequence[str]) -> Strata:
    """Put strata into lines.

    Args:
        layout: of the strata.
        cells: one row a cell of the layout, in its order: ``cell`` and its conditions.
        chosen: which strata are shown, bool ``[C, S]``.
        by: columns that define the lines, of ``cells`` or ``model`` or ``term``.
    """
    cell, column = np.nonzero(chosen)
    model, term = np.divmod(column, len(layout.terms))
    table = cells.iloc[cell].reset_index(drop=True)
    table["model"] = labelled(model, layout.models)
    table["term"] = labelled(term, layout.terms)
    line = np.full(chosen.shape, -1)
    line[cell, column], first = codes_of(table, list(by))
    found = table[list(by)].iloc[first].reset_index(drop=True)
    return Strata(found, line, _groups(layout, by))


def labelled(codes: Array, names: Sequence[str]) -> pd.Categorical[str]:
    """Names by their place, as a column."""
    return pd.Categorical.from_codes(codes.astype(np.int64), pd.Index(list(names)))


def measure_lines(name: str, measure: Measure, moments: Moments, strata: Strata) -> Part:
    """One measure in every line."""
    return part_of(name, _average(name, measure, moments, strata), measure.is_rate)


def _average(name: str, measure: Measure, moments: Moments, strata: Strata) -> tuple[Array, Array, Array]:
    """Value, Monte Carlo error and number of independent trials of each line, ``[lines]`` each."""
    found = (*measure.of(moments.summary), measure.trials(moments.summary))
    value, mcse, trials = (a.reshape(strata.line.shape) for a in found)
    has_value = ~np.isnan(value) & strata.here
    members = strata.sum(has_value)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = strata.sum(np.where(has_value, value, 0)) / members
    plain, trials = (strata.sum(np.where(has_value, a, 0)) for a in (mcse, trials))
    if not strata.is_pooled:
        return mean, np.where(members == 1, plain, np.nan), trials
    spread = moments.spread(name)
    datasets = spread.patterns.datasets_with_any(has_value, strata.groups)
    pooled = np.sqrt(strata.sum_groups(_variances(spread, strata, has_value, members, datasets)))
    error = np.select([members == 1, members > 0], [plain, pooled], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = np.where(error > 0, mean * (1 - mean) / error**2, np.minimum(strata.sum_groups(datasets), trials))
    return mean, error, np.where(members == 1, trials, effective)


def _variances(spread: Spread, strata: Strata, has_value: Array, members: Array, datasets: Array) -> Array:
    """What each group of strata of each cell adds to the variance of its line, ``[C, groups]``.

    The influence of a dataset on the line is the sum of its rows' influences, each over the size of its stratum and the number of
    strata; its variance over ``n`` datasets is the sum of squares times ``n / (n - 1)``.
    """
    products, size = spread.products, spread.size
    unknown = has_value & ~np.isfinite(np.diagonal(products, axis1=1, axis2=2))
    usable = has_value & ~unknown
    clean = np.where(usable[:, :, None] & usable[:, None, :], products, 0)
    share = np.where(usable, 1 / np.maximum(size, 1) / np.maximum(members, 1)[strata.line], 0)
    weights = share[:, :, None] * strata.groups
    total = (weights * np.matmul(clean, weights)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(datasets == 1, np.nan, np.clip(total, 0, None) * datasets / (datasets - 1))
    return np.where(unknown.astype(float) @ strata.groups > 0, np.nan, np.where(datasets > 0, variance, 0))


def _groups(layout: Layout, by: Sequence[str]) -> Array:
    column = np.arange(layout.columns)
    model, term = np.divmod(column, len(layout.terms))
    key = (model if "model" in by else 0) * len(layout.terms) + (term if "term" in by else 0) + 0 * column
    return (key[:, None] == np.unique(key)[None]).astype(float)
