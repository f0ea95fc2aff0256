"""Which factor of the grid goes where: the horizontal axis, the columns and the rows of panels; the others are averaged over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from jaxsim.errors import InputError
from jaxsim.report.figures.style import factor_label

# More panels than this in one direction would be too small to read at page width.
MOST_PANELS = 5
# The column of tables, and the place in a layout, of coefficients that are not averaged because they are not exchangeable.
COEFFICIENT = "term"


@dataclass(frozen=True)
class Layout:
    """Places of the factors; None where a study has too few of them. ``levels`` are in the order of the grid."""

    x: str | None
    columns: str | None
    rows: str | None
    pooled: tuple[str, ...]
    levels: Mapping[str, tuple[Any, ...]]

    @property
    def by(self) -> list[str]:
        """The factors that are told apart."""
        return [name for name in (self.x, self.columns, self.rows) if name is not None]

    @property
    def x_levels(self) -> tuple[Any, ...]:
        """Levels along the horizontal axis; one nameless level without a factor."""
        return self.levels_of(self.x)

    @property
    def x_is_numeric(self) -> bool:
        """Whether lines between levels mean anything."""
        return is_numeric(self.x_levels)

    @property
    def x_label(self) -> str:
        """Label of the horizontal axis."""
        return factor_label(self.x) if self.x is not None else ""

    def levels_of(self, name: str | None) -> tuple[Any, ...]:
        """Levels of a factor in grid order; ``(None,)`` without one."""
        return (None,) if name is None else self.levels[name]

    def panels(self, table: pd.DataFrame) -> Iterator[tuple[int, int, pd.DataFrame]]:
        """Row and column number of each panel, and its lines of a table that has the factors as columns."""
        for i, row in enumerate(self.levels_of(self.rows)):
            for j, column in enumerate(self.levels_of(self.columns)):
                yield i, j, where(table, {self.rows: row, self.columns: column})

    def positions(self, table: pd.DataFrame) -> list[int]:
        """Place of each line of a table on the horizontal axis: the number of its level."""
        if self.x is None:
            return [0] * len(table)
        place = {level: k for k, level in enumerate(self.x_levels)}
        return [place[level] for level in table[self.x].astype(object)]

    def note(self) -> str:
        """What a reader must know about pooled factors; empty if there are none."""
        if not self.pooled:
            return ""
        return f"All levels of {enumeration(self.pooled)} are averaged."


def with_coefficients(found: Layout, labels: Sequence[str], given: bool = False) -> Layout:
    """The same with panels for each of several coefficients: in columns where no factor is, else in rows, whose factor is pooled.

    Args:
        found: where the factors go.
        labels: of the coefficients; with a single one the layout stays as it is.
        given: whether the factors were asked for, so that none may be pooled.

    Raises:
        InputError: if there is no place left.
    """
    if len(labels) < 2:
        return found
    levels = {**found.levels, COEFFICIENT: tuple(labels)}
    if found.columns is None and len(labels) <= MOST_PANELS:
        return replace(found, columns=COEFFICIENT, levels=levels)
    if given and found.rows is not None:
        raise InputError(
            f"by: there are panels for each of {', '.join(labels)}, whose measures are not averaged; leave out {found.rows!r}, or "
            "name one coefficient in terms."
        )
    pooled = (*found.pooled, *([found.rows] if found.rows is not None else []))
    return replace(found, rows=COEFFICIENT, pooled=pooled, levels=levels)


def enumeration(factors: Sequence[str]) -> str:
    """Factors in words: ``a, b and c``."""
    names = [factor_label(name) for name in factors]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def where(table: pd.DataFrame, conditions: Mapping[str | None, Any]) -> pd.DataFrame:
    """Lines of a table that have these levels; a condition on None holds always."""
    for name, level in conditions.items():
        if name is not None:
            table = table[table[name] == level]
    return table


def choose_layout(
    cells: pd.DataFrame,
    factors: Sequence[str],
    apart: Sequence[str] = (),
    last: Sequence[str] = (),
    by: Sequence[str] | None = None,
) -> Layout:
    """Put the numeric factor with most levels along the axis, the next two as columns and rows, and pool the others.

    A factor with one level tells nothing apart and is left out; one with more than ``MOST_PANELS`` levels is never a row or
    a column.

    Args:
        cells: one row a cell with a column per factor.
        factors: the grid's factors, in its order.
        apart: factors that are not pooled while there is any place for them: columns and rows before others, and the axis if they
            have too many levels for that.
        last: factors that are pooled before others.
        by: the factors along the axis, as columns and as rows, up to three of them; all others are pooled. Chosen as above when
            None.
    """
    levels = {name: tuple(pd.unique(cells[name].astype(object))) for name in factors}
    varied = [name for name in factors if len(levels[name]) > 1]
    if by is not None:
        x, first, second = [*by, None, None, None][:3]
        return Layout(x, first, second, tuple(name for name in varied if name not in by), levels)
    long = [name for name in varied if name in apart and len(levels[name]) > MOST_PANELS]
    numeric = [name for name in varied if is_numeric(levels[name])]
    x = max(long or numeric or varied, key=lambda name: len(levels[name]), default=None)
    free = [name for name in varied if name != x and len(levels[name]) <= MOST_PANELS]
    columns, rows = [*sorted(free, key=lambda name: (name not in apart, name in last)), None, None][:2]
    pooled = tuple(sorted((name for name in varied if name not in (x, columns, rows)), key=lambda name: name in last))
    return Layout(x, columns, rows, pooled, levels)


def is_numeric(levels: Sequence[Any]) -> bool:
    """Whether all levels are numbers."""
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
