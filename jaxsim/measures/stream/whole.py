"""Functions of whole strata, from frames: the rows of some cells are collected, and then those of the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.stream.layout import Layout
from jaxsim.measures.stream.moments import Batches, Moments, Spread
from jaxsim.measures.stream.patterns import Patterns
from jaxsim.measures.summary import Units, Whole
from jaxsim.measures.whole import WholeFunction

ROWS = 2_000_000  # that are held at a time, or those of one cell: 72 bytes each, and what is computed of them


@dataclass
class _Sums:
    """What is kept of one function: its values, and the products of influences, but not the influences."""

    whole: Whole
    products: Array
    size: Array
    patterns: list[Patterns] = field(default_factory=list)


def whole_look(moments: Moments, batches: Batches, functions: Mapping[str, WholeFunction]) -> Moments:
    """The same with some functions of whole strata. The frames are read once for every so many rows (``ROWS``)."""
    layout = moments.layout
    shape = (len(layout.cells), layout.columns)
    sums = {
        name: _Sums(Whole(*np.full((2, layout.count), np.nan)), np.zeros((*shape, layout.columns)), np.zeros(shape, np.int64))
        for name in functions
    }
    for cells in portions(moments.size.sum(axis=1)):
        rows = _collected(batches, layout, cells)
        for name, function in functions.items():
            _add(sums[name], function.found(rows, layout.count), rows, layout)
    spreads = {name: Spread(s.products, s.size, _together(s.patterns, layout)) for name, s in sums.items()}
    summary = replace(moments.summary, whole={**moments.summary.whole, **{name: s.whole for name, s in sums.items()}})
    return replace(moments, summary=summary, spreads={**moments.spreads, **spreads})


def portions(rows: Array) -> Iterator[range]:
    """Places of cells that are collected together, of the numbers of rows that the cells have."""
    begin = held = 0
    for cell, count in enumerate(rows.tolist()):
        if held and held + count > ROWS:
            yield range(begin, cell)
            begin, held = cell, 0
        held += count
    if held:
        yield range(begin, len(rows))


def _collected(batches: Batches, layout: Layout, cells: range) -> Rows:
    """All rows of some cells, with their strata among all."""
    codes: list[Array] = []
    values: list[dict[str, Array]] = []
    for batch in batches():
        code = batch.place.strata[batch.rows.code]
        cell = code // layout.columns
        inside = (cell >= cells.start) & (cell < cells.stop)
        codes.append(code[inside])
        values.append({name: numbers[inside] for name, numbers in batch.rows.values.items()})
        functions = batch.rows.functions
    return Rows(np.concatenate(codes), {name: np.concatenate([part[name] for part in values]) for name in values[0]}, functions)


def _add(sums: _Sums, found: Whole, rows: Rows, layout: Layout) -> None:
    """Sum up the influences on one function, cell by cell."""
    units = found.units or Units(rows.code, rows["replicate"])
    influence = np.zeros(0) if found.influence is None else found.influence
    strata = np.unique(rows.code)
    sums.whole.value[strata], sums.whole.mcse[strata] = found.value[strata], found.mcse[strata]
    cell, column = np.divmod(units.code, layout.columns)
    order = np.argsort(cell, kind="stable")
    present, start = np.unique(cell[order], return_index=True)
    for place, those in zip(present.tolist(), np.split(order, start[1:]) if len(order) else [], strict=True):
        number, unit = np.unique(units.number[those], return_inverse=True)
        wide, there = np.zeros((len(number), layout.columns)), np.zeros((len(number), layout.columns), bool)
        wide[unit, column[those]], there[unit, column[those]] = influence[those], True
        with np.errstate(invalid="ignore", over="ignore"):  # where a function fails, influences are NaN
            sums.products[place] = wide.T @ wide
        sums.size[place] = there.sum(axis=0)
        kinds, counts = np.unique(there, axis=0, return_counts=True)
        sums.patterns.append(Patterns(np.full(len(kinds), place), kinds, counts))


def _together(parts: list[Patterns], layout: Layout) -> Patterns:
    none = Patterns(np.zeros(0, np.int64), np.zeros((0, layout.columns), bool), np.zeros(0, np.int64))
    every = [none, *parts]
    return Patterns(
        np.concatenate([part.cell for part in every]),
        np.concatenate([part.counted for part in every]),
        np.concatenate([part.datasets for part in every]),
    )
