"""Which datasets are computed together: a pure function from a study, and what of it is finished, to chunks."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxsim.store.chunk import DIGITS, Span
from jaxsim.store.coverage import Coverage
from jaxsim.study import registry
from jaxsim.study.study import Cell, Study
from jaxsim.sweep.shape import Shape

# Datasets of a chunk at most: some seconds of work, which is what an interruption can cost.
CHUNK_DATASETS = 4096
# Fits by other software in a chunk: at a second each, a minute's work is lost if a run is interrupted.
CHUNK_EXTERNAL = 64
# Datasets in a chunk that Python code draws one after the other: milliseconds each.
CHUNK_FRAMES = 1024


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
        return sum(int(study.estimators[i].chosen(self.replicates).sum()) for i in self.models)

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


def plan(
    study: Study,
    done: Coverage | None = None,
    *,
    limit: int | Callable[[Shape], int] = CHUNK_DATASETS,
    replicates: Mapping[int, int] | None = None,
) -> tuple[Chunk, ...]:
    """Chunks that together hold once every dataset and strategy that is not finished.

    Args:
        study: what is wanted.
        done: what is finished; nothing when None.
        limit: datasets of a chunk at most (at least one), or a function that gives it for a shape.
        replicates: of each cell, by its number; the study's when None.

    Returns:
        Chunks, in an order in which all cells of a shape advance together.
    """
    groups: dict[tuple[Shape, tuple[int, ...]], list[_Work]] = {}
    for cell in study.cells:
        wanted = study.replicates if replicates is None else replicates.get(cell.index, 0)
        for work in _open(study, cell, done or Coverage(), wanted):
            groups.setdefault((Shape.of(cell), work.models), []).append(work)
    chunks: list[Chunk] = []
    for (shape, models), works in groups.items():
        most = limit(shape) if callable(limit) else limit
        chunks += _divided(shape, models, works, max(1, min(most, _external_limit(study, models))))
    return tuple(chunks)


def _open(study: Study, cell: Cell, done: Coverage, replicates: int) -> Iterable[_Work]:
    """Stretches of a cell's replicates that lack the same strategies."""
    missing = {i: done.missing(e.name, cell.key, e.wanted(replicates)) for i, e in enumerate(study.estimators)}
    ends = sorted({end for intervals in missing.values() for interval in intervals for end in interval})
    for start, stop in itertools.pairwise(ends):
        models = tuple(i for i, intervals in missing.items() if any(low <= start and stop <= high for low, high in intervals))
        if models:
            yield _Work(cell, start, stop, models)


def _divided(shape: Shape, models: tuple[int, ...], works: list[_Work], limit: int) -> Iterable[Chunk]:
    """Chunks of one shape: blocks of replicates, all cells in each; cells too many for one chunk are divided first.

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
        for pieces in _by_block(part, block):
            yield Chunk(shape, block, tuple(pieces), models)


def _by_block(works: Iterable[_Work], block: int) -> Iterable[list[tuple[int, int, int]]]:
    """What of some work lies in each block of replicates, in order of the blocks; each piece is looked at once."""
    pieces: dict[int, list[tuple[int, int, int]]] = {}
    for work in works:
        for number in range(work.start // block, (work.stop - 1) // block + 1):
            low = number * block
            pieces.setdefault(number, []).append((work.cell.index, max(work.start, low), min(work.stop, low + block)))
    return (pieces[number] for number in sorted(pieces))


def _external_limit(study: Study, models: tuple[int, ...]) -> int:
    """Datasets that together need ``CHUNK_EXTERNAL`` fits by other software, or that Python code draws in some seconds."""
    external = sum(not study.estimators[i].batched for i in models)
    if external:
        return CHUNK_EXTERNAL // external
    return CHUNK_DATASETS if study.process.batched else CHUNK_FRAMES
