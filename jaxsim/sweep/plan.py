"""Which datasets are computed together: a pure function from a study, and what of it is finished, to chunks."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np

from jaxsim.errors import InputError
from jaxsim.store.chunk import DIGITS, Span
from jaxsim.store.coverage import Coverage, union
from jaxsim.study import registry
from jaxsim.study.study import Cell, Study
from jaxsim.sweep.shape import Shape
from jaxsim.sweep.shared_sizes import shared_bounds, shared_sizes

# Datasets of a chunk at most: some seconds of work, which is what an interruption can cost.
CHUNK_DATASETS = 4096
# Fits by other software in a chunk: at a second each, a minute's work is lost if a run is interrupted.
CHUNK_EXTERNAL = 64
# Datasets in a chunk that Python code draws one after the other: milliseconds each.
CHUNK_FRAMES = 1024
# Chunks of a plan at most, a billion datasets: each is a file of the folder and an entry of plan.json, which a reader lists.
MOST_CHUNKS = 2**18


@dataclass(frozen=True)
class Chunk:
    """Some datasets of one shape and the strategies that fit them: the unit that is computed, stored, and never computed twice.

    Attributes:
        shape: of the programs.
        block: power of two; each span lies within a block of so many replicates that begins at a multiple of it.
        spans: ``(cell number, first replicate, end)``.
        models: numbers of the strategies.
    """

    shape: Shape
    block: int
    spans: tuple[tuple[int, int, int], ...]
    models: tuple[int, ...]

    def __len__(self) -> int:
        return sum(stop - start for _, start, stop in self.spans)

    @cached_property
    def cells(self) -> np.ndarray:
        """Cell number of each dataset, ``[n]``."""
        return np.concatenate([np.full(stop - start, cell) for cell, start, stop in self.spans])

    @cached_property
    def replicates(self) -> np.ndarray:
        """Replicate number of each dataset, ``[n]``."""
        return np.concatenate([np.arange(start, stop) for _, start, stop in self.spans])

    def keyed(self, study: Study) -> tuple[Span, ...]:
        """The spans with the cells' keys, which do not depend on the grid."""
        return tuple(Span(study.cells[cell].key, start, stop) for cell, start, stop in self.spans)

    def fits(self, study: Study) -> int:
        """Fits that the chunk needs."""
        return sum(_fits(study, self.models, start, stop) for _, start, stop in self.spans)

    def identity(self, study: Study) -> str:
        """A digest of the work: datasets and strategies, ``DIGITS`` hexadecimal digits."""
        body = {
            **study.settings,
            "models": [registry.canonical(study.estimators[i]) for i in self.models],
            "spans": [[span.key, span.start, span.stop] for span in self.keyed(study)],
        }
        return hashlib.blake2b(json.dumps(body).encode(), digest_size=DIGITS // 2).hexdigest()


@dataclass(frozen=True)
class _Work:
    """Replicates ``start .. stop - 1`` of a cell that the same strategies have still to fit."""

    cell: Cell
    start: int
    stop: int
    models: tuple[int, ...]


@dataclass(frozen=True)
class _Part:
    """Work of cells of one shape that is computed together, in blocks of replicates."""

    shape: Shape
    models: tuple[int, ...]
    works: tuple[_Work, ...]
    block: int

    def __len__(self) -> int:
        """Chunks, by arithmetic: blocks of replicates in which something lies."""
        blocks = union((work.start // self.block, (work.stop - 1) // self.block + 1) for work in self.works)
        return sum(stop - start for start, stop in blocks)

    def __iter__(self) -> Iterator[Chunk]:
        """Each block's pieces, cells in order, made when they are asked for; each piece is looked at once."""
        begins = deque(sorted((work.start // self.block, place) for place, work in enumerate(self.works)))
        open_: list[int] = []
        number = 0
        while begins or open_:
            number = number + 1 if open_ else begins[0][0]
            while begins and begins[0][0] <= number:
                bisect.insort(open_, begins.popleft()[1])
            low, high = number * self.block, (number + 1) * self.block
            inside = [self.works[place] for place in open_]
            spans = tuple((work.cell.index, max(work.start, low), min(work.stop, high)) for work in inside)
            yield Chunk(self.shape, self.block, spans, self.models)
            open_ = [place for place, (_, _, stop) in zip(open_, spans, strict=True) if self.works[place].stop > stop]


@dataclass(frozen=True)
class Plan(Sequence[Chunk]):
    """Chunks in order: counted by arithmetic, and made one after the other as they are looked at (slices go forwards)."""

    parts: tuple[_Part, ...]

    @cached_property
    def _count(self) -> int:
        return sum(map(len, self.parts))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Chunk]:
        return itertools.chain.from_iterable(self.parts)

    @overload
    def __getitem__(self, place: int) -> Chunk: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Chunk]: ...
    def __getitem__(self, place: int | slice) -> Chunk | Sequence[Chunk]:
        if isinstance(place, slice):
            return tuple(itertools.islice(self, *place.indices(len(self))))
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(f"a plan of {len(self)} chunks has no chunk {place}")
        return next(itertools.islice(self, number, None))

    def fits(self, study: Study) -> int:
        """Fits that all chunks need, by arithmetic."""
        return sum(_fits(study, part.models, work.start, work.stop) for part in self.parts for work in part.works)


def plan(
    study: Study,
    done: Coverage | None = None,
    *,
    limit: int | Callable[[Shape], int] = CHUNK_DATASETS,
    replicates: Mapping[int, int] | None = None,
) -> Plan:
    """Chunks that together hold once every dataset and strategy that is not finished.

    Args:
        study: what is wanted.
        done: what is finished; nothing when None.
        limit: datasets of a chunk at most (at least one), or a function that gives it for a shape.
        replicates: of each cell, by its number; the study's when None.

    Returns:
        Chunks, in an order in which all cells of a shape advance together.

    Raises:
        InputError: for more than ``MOST_CHUNKS`` of them, before any is made.
    """
    groups: dict[tuple[Shape, tuple[int, ...]], list[_Work]] = {}
    sizes = shared_sizes(study)
    for cell in study.cells:
        wanted = study.replicates if replicates is None else replicates.get(cell.index, 0)
        for work in _open(study, cell, done or Coverage(), wanted):
            groups.setdefault((Shape.of(cell, shared_bounds(cell, sizes)), work.models), []).append(work)
    parts: list[_Part] = []
    for (shape, models), works in groups.items():
        most = limit(shape) if callable(limit) else limit
        parts += _divided(shape, models, works, max(1, min(most, _external_limit(study, models))))
    found = Plan(tuple(parts))
    if sum(map(len, parts)) > MOST_CHUNKS:
        datasets = sum(work.stop - work.start for part in parts for work in part.works)
        raise InputError(
            f"{datasets:,} datasets are to be computed, which makes {sum(map(len, parts)):,} chunks; a run has at most "
            f"{MOST_CHUNKS:,}. Ask for fewer replicates or cells now: more can be added to what is finished."
        )
    return found


def _open(study: Study, cell: Cell, done: Coverage, replicates: int) -> Iterable[_Work]:
    """Stretches of a cell's replicates that lack the same strategies."""
    missing = {i: done.missing(e.name, cell.key, e.wanted(replicates)) for i, e in enumerate(study.estimators)}
    ends = sorted({end for intervals in missing.values() for interval in intervals for end in interval})
    for start, stop in itertools.pairwise(ends):
        models = tuple(i for i, intervals in missing.items() if any(low <= start and stop <= high for low, high in intervals))
        if models:
            yield _Work(cell, start, stop, models)


def _divided(shape: Shape, models: tuple[int, ...], works: list[_Work], limit: int) -> Iterator[_Part]:
    """Parts of one shape: blocks of replicates, all cells in each; cells too many for one chunk are divided first.

    A block is a power of two, and begins at its multiples: chunks of different plans then nest, and are read together.
    """
    place = {cell: number for number, cell in enumerate(sorted({work.cell.index for work in works}))}
    longest = max(work.stop for work in works)
    parts: list[list[_Work]] = [[] for _ in range(0, len(place), limit)]
    for work in works:
        parts[place[work.cell.index] // limit].append(work)
    for number, part in enumerate(parts):
        cells = min(limit, len(place) - number * limit)
        block = min(2 ** ((limit // cells).bit_length() - 1), 2 ** (longest - 1).bit_length())
        yield _Part(shape, models, tuple(part), block)


def _fits(study: Study, models: tuple[int, ...], start: int, stop: int) -> int:
    """Fits of some replicates by some strategies."""
    wanted = [study.estimators[i].wanted for i in models]
    return sum(most(stop) - most(start) for most in wanted)


def _external_limit(study: Study, models: tuple[int, ...]) -> int:
    """Datasets that together need ``CHUNK_EXTERNAL`` fits by other software, or that Python code draws in some seconds."""
    external = sum(not study.estimators[i].batched for i in models)
    if external:
        return CHUNK_EXTERNAL // external
    return CHUNK_DATASETS if study.process.batched else CHUNK_FRAMES
