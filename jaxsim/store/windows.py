"""What of the finished chunks is read together: cells and stretches of replicates, many small chunks at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from jaxsim.store.coverage import Interval
from jaxsim.store.entries import Entry

# Bytes of rows that are kept for the next look: those of some hundred thousand fits, and a tenth of what JAX takes anyway.
KEPT = 2**26


@dataclass(frozen=True)
class Window:
    """What is read together: some cells, by their keys, a stretch of replicates, and the chunks that hold any of it.

    Attributes:
        cells: keys with their numbers.
        replicates: first and end.
        entries: the chunks.
        is_joined: whether it could be several windows.
    """

    cells: Mapping[str, int]
    replicates: Interval
    entries: tuple[Entry, ...]
    is_joined: bool = False

    @property
    def datasets(self) -> int:
        """Datasets of its chunks, at most."""
        return sum(entry.about.datasets for entry in self.entries)

    @property
    def name(self) -> Hashable:
        """Tells it from all other windows of the same results."""
        return self.replicates, tuple(self.cells), tuple(entry.name for entry in self.entries)

    @property
    def columns(self) -> Hashable:
        """Equal for windows whose rows have the same columns, of the same strategies."""
        return frozenset((entry.about.columns, *sorted(entry.about.models)) for entry in self.entries)


def windows(entries: Sequence[Entry], wanted: Mapping[str, int], replicates: Interval | None, datasets: int) -> Iterator[Window]:
    """Windows that together hold once every wanted dataset; those of a cell come in order of its replicates.

    Args:
        entries: the chunks.
        wanted: keys of the cells, with their numbers.
        replicates: first and end of those that are wanted; all when None.
        datasets: of the chunks of a window at most, where there are several that could be windows of their own. Which datasets of a
            cell are in one window does not depend on it, and so no sum over them does.
    """
    kinds: dict[Hashable, list[Window]] = {}
    for window in sorted(_narrowest(entries, wanted, replicates), key=lambda window: window.replicates):
        kinds.setdefault((window.replicates, window.columns), []).append(window)
    for some in kinds.values():
        for several in stacks(some, datasets):
            yield _union(several)


def stacks(given: Iterable[Window], datasets: int) -> Iterator[tuple[Window, ...]]:
    """Windows that follow each other, as many as hold no more than so many datasets together, but at least one."""
    some: list[Window] = []
    held = 0
    for window in given:
        if some and held + window.datasets > datasets:
            yield tuple(some)
            some, held = [], 0
        some.append(window)
        held += window.datasets
    if some:
        yield tuple(some)


def alike(stack: Sequence[Window]) -> list[list[int]]:
    """Places in a stack of windows with the same columns."""
    places: dict[Hashable, list[int]] = {}
    for place, window in enumerate(stack):
        places.setdefault(window.columns, []).append(place)
    return list(places.values())


def _narrowest(entries: Sequence[Entry], wanted: Mapping[str, int], replicates: Interval | None) -> Iterator[Window]:
    """Cells that stand in the same chunks, and blocks of replicates: those of the chunk with the largest blocks."""
    places: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        for key in {span.key for span in entry.about.spans} & wanted.keys():
            places.setdefault(key, []).append(number)
    same: dict[tuple[int, ...], list[str]] = {}
    for key, numbers in places.items():
        same.setdefault(tuple(numbers), []).append(key)
    for together, keys in same.items():
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


def _union(some: Sequence[Window]) -> Window:
    if len(some) == 1:
        return some[0]
    cells = {key: number for window in some for key, number in window.cells.items()}
    entries = {entry.name: entry for window in some for entry in window.entries}
    return Window(cells, some[0].replicates, tuple(entries.values()), is_joined=True)


@dataclass
class Kept:
    """Rows of windows of many small chunks, for the next look at them: opening a file takes longer than reading what is in it.

    Those of the first windows are kept, as many as fit. Looks go through all windows in the same order, so that a window which made
    room for another would be gone whenever it is wanted again.

    Attributes:
        limit: bytes that are held at most.
        size: that are held.
        rows: by window, with all columns.
        is_full: whether the rows of some window did not fit.
    """

    limit: int = KEPT
    size: int = 0
    rows: dict[Hashable, pa.Table] = field(default_factory=dict)
    is_full: bool = False

    def add(self, key: Hashable, rows: pa.Table) -> None:
        """Keep a window's rows if there is room."""
        if self.size + rows.nbytes > self.limit:
            self.is_full = True
            return
        self.rows[key] = rows
        self.size += rows.nbytes
