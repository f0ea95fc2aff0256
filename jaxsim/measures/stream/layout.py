"""Where the rows of a frame belong: its datasets, and the strata of a layout that is the same for every frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.measures.sample import Array


@dataclass(frozen=True)
class Layout:
    """Strata of a study: C cells times S columns, the coefficients of each strategy (``s = model * T + term``).

    Attributes:
        cells: their numbers, ``[C]``, increasing.
        models, terms: labels; tables without terms have one, ``""``.
    """

    cells: Array
    models: tuple[str, ...]
    terms: tuple[str, ...] = ("",)

    @cached_property
    def columns(self) -> int:
        """Strata of a cell, S."""
        return len(self.models) * len(self.terms)

    @property
    def count(self) -> int:
        """Strata, C * S."""
        return len(self.cells) * self.columns


@dataclass(frozen=True)
class Place:
    """Where the rows of one frame belong.

    Attributes:
        layout: of the strata.
        cells: places in the layout of the cells that occur in the frame, ``[L]``.
        dataset_cell: for each dataset of the frame, which of those it is from, ``[D]``, increasing.
        dataset: of each row, from 0, ``[rows]``.
        column: of each row, from 0 to S - 1, ``[rows]``.
    """

    layout: Layout
    cells: Array
    dataset_cell: Array
    dataset: Array
    column: Array

    @property
    def datasets(self) -> int:
        """Datasets of the frame, D."""
        return len(self.dataset_cell)

    @cached_property
    def code(self) -> Array:
        """Stratum of each row among the L * S of the frame's cells, ``[rows]``."""
        return self.dataset_cell[self.dataset] * self.layout.columns + self.column

    @cached_property
    def strata(self) -> Array:
        """Places in the layout of the L * S strata of the frame's cells."""
        return (self.cells[:, None] * self.layout.columns + np.arange(self.layout.columns)).ravel()

    def spread(self, values: Array, rows: Array | slice = slice(None), fill: float | bool = False) -> Array:
        """Values of some rows as one line a dataset, ``[D, S]``, with ``fill`` where there is no row."""
        wide = np.full(self.datasets * self.layout.columns, fill, values.dtype)
        wide[self.dataset[rows] * self.layout.columns + self.column[rows]] = values
        return wide.reshape(self.datasets, self.layout.columns)


def locate(frame: pd.DataFrame, layout: Layout) -> Place:
    """Find the places of a frame's rows.

    Args:
        frame: has ``cell, replicate, model`` and, if the layout has terms, ``term``; every dataset whole.
        layout: has its cells.

    Raises:
        InputError: for a cell, model or term that the layout does not have, or a row that is there twice.
    """
    cell, replicate = frame["cell"].to_numpy(np.int64), frame["replicate"].to_numpy(np.int64)
    key = cell * (int(replicate.max(initial=0)) + 1) + replicate
    first, dataset = _numbered(key)
    cells, dataset_cell = np.unique(cell[first], return_inverse=True)
    column = _codes(frame["model"], layout.models, "model") * len(layout.terms)
    if "term" in frame.columns:
        column = column + _codes(frame["term"], layout.terms, "term")
    known = np.searchsorted(layout.cells, cells)
    if len(cells) and not np.array_equal(layout.cells[np.minimum(known, len(layout.cells) - 1)], cells):
        raise InputError(f"a table of results has cells {cells.tolist()}; this study has {layout.cells.tolist()}.")
    place = Place(layout, known, dataset_cell, dataset, column)
    if np.count_nonzero(place.spread(np.ones(len(frame), bool))) != len(frame):
        raise InputError("a table of results has some row twice; give each cell, replicate, model and term once.")
    return place


def slices(table: pd.DataFrame, datasets: int) -> Iterator[pd.DataFrame]:
    """A table in frames of so many whole datasets, by cell and replicate."""
    ordered = table.sort_values(["cell", "replicate"], kind="stable", ignore_index=True)
    key = ordered[["cell", "replicate"]].to_numpy(np.int64)
    start = np.flatnonzero(np.r_[True, (np.diff(key, axis=0) != 0).any(axis=1)]) if len(key) else np.zeros(0, int)
    cuts = [*start[::datasets], len(ordered)]
    for begin, end in itertools.pairwise(cuts):
        yield ordered.iloc[begin:end]


def _numbered(key: Array) -> tuple[Array, Array]:
    """First row of each distinct key, in the order of the keys, and each row's number among them."""
    if len(key) and (np.diff(key) >= 0).all():
        new = np.r_[True, key[1:] != key[:-1]]
        return np.flatnonzero(new), np.cumsum(new) - 1
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    return first, number


def _codes(labels: pd.Series, known: Sequence[str], what: str) -> Array:
    """Place of each label among the known ones, ``[rows]``."""
    categories = labels if isinstance(labels.dtype, pd.CategoricalDtype) else labels.astype("category")
    names = list(map(str, categories.cat.categories.tolist()))
    place = {name: i for i, name in enumerate(known)}
    codes = np.array([*(place.get(name, -1) for name in names), -1], np.int64)[categories.cat.codes.to_numpy()]
    if (codes < 0).any():
        found = labels[codes < 0].iloc[0]
        raise InputError(f"a table of results has {what} {found!r}; this study has {', '.join(map(repr, known))}.")
    return codes
