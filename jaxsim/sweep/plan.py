"""Which datasets are computed together: a pure function from a study to chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from jaxsim.design import Cell, Study
from jaxsim.estimators.external import External

# Groups are padded to one of few sizes, so that a grid over the number of groups needs few compiled programs. The size
# depends on the number of groups alone: the numbers of a cell do not depend on which other cells are in the grid.
PADDED_GROUPS = (8, 32, 128, 512, 2048, 8192, 32768)
# Datasets computed at a time: few enough for memory and for a progress bar that moves, enough to fill the lanes.
CHUNK_DATASETS = 1024
# Numbers in a chunk's cross-products at most (256 MB in float64), whatever the number of datasets.
CHUNK_NUMBERS = 2**25
# Fits by other software in a chunk, on average over the study: at a second each, a minute's work is lost if a run is interrupted.
CHUNK_EXTERNAL = 64


def padded_groups(n_groups: int) -> int:
    """The smallest padded size that holds ``n_groups``."""
    for size in PADDED_GROUPS:
        if n_groups <= size:
            return size
    return -(-n_groups // PADDED_GROUPS[-1]) * PADDED_GROUPS[-1]


@dataclass(frozen=True)
class Batch:
    """A program with its shape: everything that one compiled function serves. ``datasets`` is the size of its batches."""

    program: Hashable
    groups: int
    datasets: int
    example: Cell


@dataclass(frozen=True)
class Chunk:
    """Some datasets of one batch shape: cell numbers and replicate numbers, ``[n]`` each with ``n <= batch.datasets``."""

    index: int
    batch: Batch
    cells: np.ndarray
    replicates: np.ndarray

    def __len__(self) -> int:
        return len(self.cells)


def plan(study: Study) -> tuple[Chunk, ...]:
    """Chunks that together hold every replicate of every cell once."""
    by_program: dict[Hashable, list[Cell]] = {}
    for cell in study.cells:
        key = cell.process.program(padded_groups(cell.process.max_groups))
        by_program.setdefault(key, []).append(cell)
    chunks: list[Chunk] = []
    for program, cells in by_program.items():
        index = np.repeat([cell.index for cell in cells], study.replicates)
        replicate = np.tile(np.arange(study.replicates), len(cells))
        groups = padded_groups(cells[0].process.max_groups)
        numbers = groups * (len(study.process.terms) + 1) ** 2
        limit = max(1, min(CHUNK_DATASETS, CHUNK_NUMBERS // numbers, _external_limit(study)))
        count = -(-len(index) // limit)
        batch = Batch(program, groups, -(-len(index) // count), cells[0])
        for part in np.array_split(np.arange(len(index)), count):
            chunks.append(Chunk(len(chunks), batch, index[part], replicate[part]))
    return tuple(chunks)


def _external_limit(study: Study) -> int:
    """Datasets that together need ``CHUNK_EXTERNAL`` fits by other software."""
    replicates = np.arange(study.replicates)
    chosen = [strategy.chosen(replicates).mean() for strategy in study.estimators if isinstance(strategy, External)]
    return int(CHUNK_EXTERNAL / sum(chosen)) if chosen else CHUNK_DATASETS


def fingerprint(chunks: tuple[Chunk, ...]) -> str:
    """A digest of which datasets each chunk holds, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(np.stack([chunk.cells, chunk.replicates]).astype("<i8").tobytes() + b"|")
    return digest.hexdigest()
