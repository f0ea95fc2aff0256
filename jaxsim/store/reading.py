"""Reading finished chunks: as one table, or in frames that hold every dataset whole, so that memory stays bounded."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
from jaxsim.store.windows import Kept, Window, alike, stacks, windows
from jaxsim.study.study import Study

TABLES: tuple[str, ...] = ("estimates", "fits")
# What rows are put in order by, and told apart.
ORDER = ("cell", "replicate", "model", "term")
# The column with the place of a row's window among those that are read together; no strategy's column has such a name.
PLACE = " window"


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
    kept: Kept = field(default_factory=Kept, repr=False, compare=False)

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
        for stack in stacks(windows(self.entries, wanted, replicates, datasets), datasets):
            found: dict[int, pd.DataFrame] = {}
            for places in alike(stack):
                found.update(zip(places, self.read([stack[i] for i in places], table, columns), strict=True))
            for place in range(len(stack)):
                if len(found[place]):
                    yield from _slices(found.pop(place), datasets)

    def picked(self, table: str, columns: Sequence[str], wanted: Mapping[int, Collection[int]]) -> Iterator[pd.DataFrame]:
        """Rows about some replicates of some cells, sorted within a part; only chunks that hold any of them are read.

        Args:
            table, columns: as for :meth:`frames`.
            wanted: replicates by the cell's number.
        """
        self._check(columns, table)
        for window in windows(self.entries, {self.study.cells[cell].key: cell for cell in wanted}, None, datasets=0):
            low, high = window.replicates
            inside = {key: [r for r in wanted[cell] if low <= r < high] for key, cell in window.cells.items()}
            every = [r for some in inside.values() for r in some]
            if not every:
                continue
            cells = {key: window.cells[key] for key, some in inside.items() if some}
            (frame,) = self.read([Window(cells, (min(every), max(every) + 1), window.entries)], table, columns)
            pairs = pd.MultiIndex.from_tuples([(cells[key], r) for key in cells for r in inside[key]])
            yield frame[pd.MultiIndex.from_frame(frame[["cell", "replicate"]]).isin(pairs)]

    def read(self, stack: Sequence[Window], table: str, columns: Sequence[str] | None) -> list[pd.DataFrame]:
        """The rows of each of some windows that have the same columns."""
        stored = None if columns is None else [KEY, "replicate", "model", "term", *(c for c in columns if c not in ORDER)]
        rows = self._rows(stack, stored)
        if table == "fits":
            rows = rows.filter(self._first_terms(rows))
        cells = {key: number for window in stack for key, number in window.cells.items()}
        frame, place = self._named(rows.to_pandas(), cells, table, set(term_level(rows.schema)))
        lacking = [c for c in columns or () if c not in frame.columns]  # no strategy of these chunks has such a column
        frame = frame.assign(**dict.fromkeys(lacking, np.nan))
        ends = np.searchsorted(place, np.arange(len(stack) + 1))
        return [frame] if len(stack) == 1 else [frame.iloc[begin:end] for begin, end in itertools.pairwise(ends)]

    def _rows(self, stack: Sequence[Window], stored: Sequence[str] | None) -> pa.Table:
        """Some columns of the rows of some windows, those that their chunks have, and the place of each row's window among them.

        Many small chunks are read once for all looks.
        """
        small = len(stack) > 1 or stack[0].is_joined
        name = tuple(window.name for window in stack) if small else None
        rows = self.kept.rows.get(name)
        if rows is None:
            keep = small and not self.kept.is_full
            wanted = None if keep else stored
            parts = [self._part(entry, window, wanted) for window in stack for entry in window.entries]
            of = [number for number, window in enumerate(stack) for _ in window.entries]
            place = np.repeat(np.array(of, np.int32), [len(part) for part in parts])
            rows = _together(parts).append_column(PLACE, pa.array(place))
            if keep:
                rows = rows.combine_chunks()
                self.kept.add(name, rows)
        return rows if stored is None else rows.select([c for c in (*stored, PLACE) if c in rows.column_names])

    def _check(self, columns: Sequence[str] | None, table: str) -> None:
        """Raise :class:`InputError` for a column that no chunk has."""
        there = {"cell", *(name for entry in self.entries for name in entry.about.columns)} - {KEY}
        for name in columns or ():
            if self.entries and name not in there:
                raise InputError(f"{name!r} is not a column of the {table} table; use {', '.join(sorted(there))}.")

    def _part(self, entry: Entry, window: Window, stored: Sequence[str] | None) -> pa.Table:
        """The rows of a window that one chunk holds and no earlier one."""
        with self.folder.open_chunk(entry.name, whole=True) as file:
            rows = chunks.unpack(entry.name, file, stored)
        (low, high), cells, spans = window.replicates, window.cells, entry.about.spans
        keep = None
        if not all(span.key in cells and low <= span.start and span.stop <= high for span in spans):
            keep = pc.and_(pc.greater_equal(rows["replicate"], low), pc.less(rows["replicate"], high))
            keep = pc.and_(keep, pc.is_in(rows[KEY], pa.array(sorted({span.key for span in spans} & cells.keys()))))
        for (model, key), twice in entry.again.items():
            if key in cells:
                others = pc.invert(_among(rows, model, key, twice))
                keep = others if keep is None else pc.and_(keep, others)
        return rows if keep is None else rows.filter(keep)

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

    def _named(self, frame: pd.DataFrame, cells: Mapping[str, int], table: str, own: set[str]) -> tuple[pd.DataFrame, np.ndarray]:
        """Numbers of cells for their keys, columns and rows in order, and the place of each row's window; ``own`` are columns of a
        method for each coefficient."""
        keys = frame[KEY].cat
        numbers = np.array([cells.get(key, -1) for key in keys.categories], np.int32)
        frame = frame.drop(columns=KEY).assign(cell=numbers[keys.codes.to_numpy()])
        labels = [estimator.name for estimator in self.study.estimators]
        frame["model"] = frame["model"].cat.set_categories(labels)
        frame["term"] = frame["term"].cat.set_categories(list(self.study.terms))
        frame = frame.sort_values([PLACE, *ORDER], kind="stable", ignore_index=True)
        place = frame.pop(PLACE).to_numpy()
        if table == "estimates":
            return frame[[c for c in (*ESTIMATE_COLUMNS, *sorted(own)) if c in frame.columns]], place
        first = [c for c in FIT_COLUMNS if c in frame.columns]
        return frame[[*first, *(c for c in frame.columns if c not in (*ESTIMATE_COLUMNS, *first, *own))]], place


def _together(parts: Sequence[pa.Table]) -> pa.Table:
    """The rows of some chunks; what one of them knows of a column holds for all."""
    rows = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
    known = {field.name: field.metadata for part in parts for field in part.schema if field.metadata}
    return pa.Table.from_arrays(rows.columns, schema=pa.schema([f.with_metadata(known.get(f.name)) for f in rows.schema]))


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
    if len(begins) <= datasets:
        yield frame.reset_index(drop=True)
        return
    ends = [*begins[datasets::datasets], len(frame)]
    begin = 0
    for end in ends:
        yield frame.iloc[begin:end].reset_index(drop=True)
        begin = int(end)
