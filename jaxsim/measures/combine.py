"""From strata to the lines of a table: a line that spans several cells, coefficients or strategies shows their average.

Measures are averaged, not rows: an RMSE of a whole grid is the mean of its cells' RMSEs, and a bias in one cell is not
mistaken for spread in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from jaxsim.measures.part import Part, part_of
from jaxsim.measures.policy import dataset_code
from jaxsim.measures.recipe import Measured
from jaxsim.measures.sample import Strata
from jaxsim.measures.summary import Units

# Columns of tables that are no factors of the grid.
NO_FACTORS = ("cell", "model", "term")


@dataclass(frozen=True)
class Lines:
    """Lines of a table and the strata they average.

    Attributes:
        table: one row per line: its values of ``by``.
        strata: of the rows, with codes ``[rows]``.
        line: of each stratum, ``[K]``.
        dataset, cell: of each row, ``[rows]``.
    """

    table: pd.DataFrame
    strata: Strata
    line: np.ndarray
    dataset: np.ndarray
    cell: np.ndarray
    _pairings: dict[bytes, Pairing] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def count(self) -> int:
        """Lines."""
        return len(self.table)

    def per_line(self, mask: np.ndarray | None = None) -> np.ndarray:
        """Rows of each line (for which ``mask`` holds), ``[lines]``."""
        row_line = self.line[self.strata.code]
        return np.bincount(row_line if mask is None else row_line[mask], minlength=self.count)

    def keep(self, mask: np.ndarray) -> Lines:
        """The same lines and strata with only some of the rows."""
        return Lines(self.table, Strata(self.strata.code[mask], self.strata.count), self.line, self.dataset[mask], self.cell[mask])

    def of_units(self, units: Units) -> Lines:
        """The same lines and strata with blocks of datasets in place of the rows."""
        cell_of = np.zeros(self.strata.count, np.int64)
        cell_of[self.strata.code] = self.cell
        cell = cell_of[units.code]
        dataset = cell * (int(units.number.max(initial=0)) + 1) + units.number
        return Lines(self.table, Strata(units.code, self.strata.count), self.line, dataset, cell)

    def pairing(self, has_value: np.ndarray) -> Pairing:
        """Rows of the strata that have a value, bool ``[K]``, by dataset; kept, because most measures have one in all of them."""
        key = has_value.tobytes()
        if key not in self._pairings:
            rows = has_value[self.strata.code]
            code, dataset, cell = self.strata.code[rows], self.dataset[rows], self.cell[rows]
            pair, first = _pairs(self.line[code], dataset)
            line = self.line[code][first]
            block, first_of_block = _pairs(line, cell[first])
            self._pairings[key] = Pairing(rows, code, pair, line, block, first_of_block)
        return self._pairings[key]


@dataclass(frozen=True)
class Pairing:
    """Some rows, and what they are pooled by: a pair is a dataset in a line, a block those of one cell.

    Attributes:
        rows: which these are, bool.
        code: stratum of each of them.
        pair: of each of them.
        line, block: of each pair.
        first: a pair of each block.
    """

    rows: np.ndarray
    code: np.ndarray
    pair: np.ndarray
    line: np.ndarray
    block: np.ndarray
    first: np.ndarray


def lines_of(table: pd.DataFrame, by: Sequence[str], within: Sequence[str]) -> Lines:
    """Lines by the columns ``by``, in the order of :func:`codes_of`; strata by those and ``within`` (what must not be mixed)."""
    line_of_row, first = codes_of(table, list(by))
    found = table[list(by)].iloc[first].reset_index(drop=True) if by else pd.DataFrame(index=range(min(len(table), 1)))
    every = list(dict.fromkeys((*by, *within)))
    code, first_of_stratum = codes_of(table, every)
    strata = Strata(code, len(first_of_stratum))
    return Lines(found, strata, line_of_row[first_of_stratum], dataset_code(table), table["cell"].to_numpy(np.int64))


def tabulate(lines: Lines, name: str, measured: Measured) -> Part:
    """One measure in every line, with ``n_used``."""
    return part_of(name, average(lines, measured), measured.is_rate).with_more(n_used=lines.per_line())


def average(lines: Lines, measured: Measured) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value and Monte Carlo error of each line, and how many independent trials its rate is worth, ``[lines]`` each.

    The average is over the strata that have a value; one that is infinite (the width of unbounded intervals) makes it so. Its
    error adds up, over the rows of each dataset, their shares of the influence (datasets of a cell are independent, rows of a
    dataset are not) and then the cells (fixed by design).
    """
    has_value = ~np.isnan(measured.value)
    members = np.bincount(lines.line[has_value], minlength=lines.count)
    total = np.bincount(lines.line[has_value], measured.value[has_value], lines.count)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = total / members
    plain = np.full(lines.count, np.nan)
    plain[lines.line[has_value]] = measured.mcse[has_value]
    trials = np.zeros(lines.count)
    trials[lines.line[has_value]] = measured.trials[has_value]
    most = np.bincount(lines.line[has_value], measured.trials[has_value], lines.count)
    if (members <= 1).all():
        return value, plain, trials
    units = lines if measured.units is None else lines.of_units(measured.units)
    pooled, datasets = _pooled_error(units, measured.influence, has_value, members)
    mcse = np.where(members == 1, plain, pooled)
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = np.where(mcse > 0, value * (1 - value) / mcse**2, np.minimum(datasets, most))
    return value, mcse, np.where(members == 1, trials, effective)


def _pooled_error(lines: Lines, influence: np.ndarray, has_value: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Monte Carlo error of each line's average, and its number of datasets, ``[lines]`` each."""
    found = lines.pairing(has_value)
    share = influence[found.rows] / lines.strata.size[found.code] / members[lines.line[found.code]]
    per_dataset = np.bincount(found.pair, share)
    n = np.bincount(found.block)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(n > 1, np.bincount(found.block, per_dataset**2) * n / (n - 1), np.nan)
    error = np.sqrt(np.bincount(found.line[found.first], variance, lines.count))
    return np.where(members > 0, error, np.nan), np.bincount(found.line, minlength=lines.count).astype(float)


def codes_of(table: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Code of each row by the values of some columns, and the first row of each code: levels of factors in the order of the cells
    (the grid's), strategies and coefficients in that of their labels.

    Args:
        table: has ``cell`` and these columns.
        columns: by which rows are told apart.
    """
    if not columns:
        return np.zeros(len(table), int), np.zeros(min(len(table), 1), int)
    keys = [table[name] if name in NO_FACTORS else _in_order(table[name], table["cell"]) for name in columns]
    code = (
        pd.DataFrame(dict(enumerate(keys)))
        .groupby(list(range(len(keys))), observed=True, sort=True, dropna=False)
        .ngroup()
        .to_numpy()
    )
    return code, np.unique(code, return_index=True)[1]


def _in_order(levels: pd.Series, cell: pd.Series) -> np.ndarray:
    """Levels as numbers in the order of the first cells that have them, ``[rows]``."""
    code, distinct = pd.factorize(levels, use_na_sentinel=False)
    first = np.full(len(distinct), np.iinfo(np.int64).max)
    np.minimum.at(first, code, cell.to_numpy(np.int64))
    place = np.empty(len(distinct), np.int64)
    place[np.argsort(first, kind="stable")] = np.arange(len(distinct))
    return place[code]


def _pairs(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One code, from 0 without gaps, for each distinct pair, ``[rows]``, and the first row of each."""
    if not len(a):
        return np.zeros(0, int), np.zeros(0, int)
    _, first, code = np.unique(a.astype(np.int64) * (int(b.max()) + 1) + b, return_index=True, return_inverse=True)
    return code, first
