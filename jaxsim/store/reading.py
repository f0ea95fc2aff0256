"""Reading finished chunks: as one table, or in frames that hold every dataset whole, so that memory stays bounded."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxsim.errors import InputError, choose
from jaxsim.store import chunk as chunks
from jaxsim.store.coverage import Interval, Intervals
from jaxsim.store.entries import Entry
from jaxsim.store.folder import Folder
from jaxsim.store.schema import ESTIMATE_COLUMNS, FIT_COLUMNS, KEY, term_level
from jaxsim.study.study import Study

TABLES: tuple[str, ...] = ("estimates", "fits")
# What rows are put in order by, and told apart.
ORDER = ("cell", "replicate", "model", "term")


@dataclass(frozen=True)
class Window:
    """What is read together: some cells, by their keys, a stretch of replicates, and the chunks that hold any of it."""

    cells: Mapping[str, int]
    replicates: Interval
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Reader:
    """Reads some finished chunks.

    Args:
        folder: of the results.
        study: whose they are; numbers of cells are its.
        entries: the chunks. What a run adds later is not seen: all looks at the results are at the same datasets.
    """

    folder: Folder
    study: Study
    entries: tuple[Entry, ...]

    def frames(
        self, table: str, columns: Sequence[str] | None, cells: Iterable[int] | None, replicates: Interval | None, datasets: int
    ) -> Iterator[pd.DataFrame]:
        """Rows in parts, every dataset whole in one of them, sorted by cell and replicate within a part.

        Args:
            table: ``estimates`` or ``fits``.
            columns: that are wanted, those of ``ORDER`` first; all when None.
            cells: numbers of those that are wanted; all when None.
            replicates: first and end of those that are wanted; all when None.
            datasets: of a part at most.

        Raises:
            InputError: for an unknown table or column.
            StorageError: for a damaged chunk.
        """
        choose("table", table, TABLES)
        self._check(columns, table)
        wanted = {c.key: c.index for c in self.study.cells} if cells is None else {self.study.cells[i].key: i for i in cells}
        for window in self._windows(wanted, replicates):
            frame = self.read(window, table, columns)
            if len(frame):
                yield from _slices(frame, datasets)

    def picked(self, table: str, columns: Sequence[str], wanted: Mapping[int, Collection[int]]) -> Iterator[pd.DataFrame]:
        """Rows about some replicates of some cells, sorted within a part; only chunks that hold any of them are read.

        Args:
            table, columns: as for :meth:`frames`.
            wanted: replicates by the cell's number.
        """
        self._check(columns, table)
        for window in self._windows({self.study.cells[cell].key: cell for cell in wanted}, None):
            low, high = window.replicates
            inside = {key: [r for r in wanted[cell] if low <= r < high] for key, cell in window.cells.items()}
            every = [r for some in inside.values() for r in some]
            if not every:
                continue
            cells = {key: window.cells[key] for key, some in inside.items() if some}
            frame = self.read(Window(cells, (min(every), max(every) + 1), window.entries), table, columns)
            pairs = pd.MultiIndex.from_tuples([(cells[key], r) for key in cells for r in inside[key]])
            yield frame[pd.MultiIndex.from_frame(frame[["cell", "replicate"]]).isin(pairs)]

    def read(self, window: Window, table: str, columns: Sequence[str] | None) -> pd.DataFrame:
        """The rows of a window."""
        stored = None if columns is None else [KEY, "replicate", "model", "term", *(c for c in columns if c not in ORDER)]
        parts = [self._part(entry, window, table, stored) for entry in window.entries]
        rows = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
        own = {name for part in parts for name in term_level(part.schema)}
        frame = self._named(rows.to_pandas(), window, table, own)
        lacking = [c for c in columns or () if c not in frame.columns]  # no strategy of these chunks has such a column
        return frame.assign(**dict.fromkeys(lacking, np.nan))

    def _check(self, columns: Sequence[str] | None, table: str) -> None:
        """Raise :class:`InputError` for a column that no chunk has."""
        there = {"cell", *(name for entry in self.entries for name in entry.about.columns)} - {KEY}
        for name in columns or ():
            if self.entries and name not in there:
                raise InputError(f"{name!r} is not a column of the {table} table; use {', '.join(sorted(there))}.")

    def _windows(self, wanted: Mapping[str, int], replicates: Interval | None) -> Iterator[Window]:
        """Cells that stand in the same chunks, and blocks of replicates: those of the chunk with the largest blocks."""
        entries = self.entries
        places: dict[str, list[int]] = {}
        for number, entry in enumerate(entries):
            for key in {span.key for span in entry.about.spans} & wanted.keys():
                places.setdefault(key, []).append(number)
        alike: dict[tuple[int, ...], list[str]] = {}
        for key, numbers in places.items():
            alike.setdefault(tuple(numbers), []).append(key)
        for together, keys in alike.items():
            chosen = [entries[number] for number in together]
            block = max(entry.about.block for entry in chosen)
            cells = {key: wanted[key] for key in keys}
            blocks: dict[int, dict[str, Entry]] = {}
            for entry in chosen:
                for span in entry.about.spans:
                    if span.key in cells:
                        blocks.setdefault(span.start // block, {})[entry.name] = entry
            for number in sorted(blocks):
                low, high = number * block, (number + 1) * block
                if replicates is not None:
                    low, high = max(low, replicates[0]), min(high, replicates[1])
                if low < high:
                    yield Window(cells, (low, high), tuple(blocks[number].values()))

    def _part(self, entry: Entry, window: Window, table: str, stored: Sequence[str] | None) -> pa.Table:
        """The rows of a window that one chunk holds and no earlier one."""
        with self.folder.open_chunk(entry.name, whole=True) as file:
            rows = chunks.unpack(entry.name, file, stored)
        low, high = window.replicates
        keep = pc.and_(pc.greater_equal(rows["replicate"], low), pc.less(rows["replicate"], high))
        if not {span.key for span in entry.about.spans} <= window.cells.keys():
            keep = pc.and_(keep, pc.is_in(rows[KEY], pa.array(list(window.cells))))
        if table == "fits":
            keep = pc.and_(keep, self._first_terms(rows))
        for (model, key), twice in entry.again.items():
            if key in window.cells:
                keep = pc.and_(keep, pc.invert(_among(rows, model, key, twice)))
        return rows.filter(keep)

    def _first_terms(self, rows: pa.Table) -> pa.Array:
        """Which rows are of the first coefficient of their strategy: one a fit."""
        found = pa.array(np.zeros(len(rows), bool))
        for term, models in self._leading.items():
            own = pc.is_in(rows["model"].cast(pa.string()), pa.array(models))
            found = pc.or_(found, pc.and_(pc.equal(rows["term"], term), own))
        return found

    @functools.cached_property
    def _leading(self) -> dict[str, list[str]]:
        """Labels of the strategies by their first coefficient."""
        found: dict[str, list[str]] = {}
        for strategy in self.study.estimators:
            found.setdefault(strategy.coefficients(self.study.names)[0], []).append(strategy.name)
        return found

    def _named(self, frame: pd.DataFrame, window: Window, table: str, own: set[str]) -> pd.DataFrame:
        """Numbers of cells for their keys, columns and rows in order; ``own`` are columns of a method for each coefficient."""
        keys = frame[KEY].cat
        numbers = np.array([window.cells.get(key, -1) for key in keys.categories], np.int32)
        frame = frame.drop(columns=KEY).assign(cell=numbers[keys.codes.to_numpy()])
        labels = [estimator.name for estimator in self.study.estimators]
        frame["model"] = frame["model"].cat.set_categories(labels)
        frame["term"] = frame["term"].cat.set_categories(list(self.study.terms))
        frame = frame.sort_values(list(ORDER), kind="stable", ignore_index=True)
        if table == "estimates":
            return frame[[c for c in (*ESTIMATE_COLUMNS, *sorted(own)) if c in frame.columns]]
        first = [c for c in FIT_COLUMNS if c in frame.columns]
        return frame[[*first, *(c for c in frame.columns if c not in (*ESTIMATE_COLUMNS, *first, *own))]]


def _among(rows: pa.Table, model: str, key: str, intervals: Intervals) -> pa.Array:
    """Which rows are a strategy's, of a cell, with a replicate in one of some intervals."""
    inside = pa.array(np.zeros(len(rows), bool))
    for low, high in intervals:
        inside = pc.or_(inside, pc.and_(pc.greater_equal(rows["replicate"], low), pc.less(rows["replicate"], high)))
    return pc.and_(inside, pc.and_(pc.equal(rows["model"], model), pc.equal(rows[KEY], key)))


def _slices(frame: pd.DataFrame, datasets: int) -> Iterator[pd.DataFrame]:
    """Parts of at most so many datasets of a frame that is sorted by cell and replicate."""
    cell, replicate = frame["cell"].to_numpy(), frame["replicate"].to_numpy()
    begins = np.flatnonzero(np.r_[True, (np.diff(cell) != 0) | (np.diff(replicate) != 0)])
    ends = [*begins[datasets::datasets], len(frame)]
    begin = 0
    for end in ends:
        yield frame.iloc[begin:end].reset_index(drop=True)
        begin = int(end)
