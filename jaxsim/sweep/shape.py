"""The few shapes that programs are compiled for: groups are padded to one of some sizes, datasets are worked on in tiles.

Both depend on the cell alone, never on the study around it, on the size of chunks or on the number of devices: every dataset
goes through the same compiled arithmetic whatever is computed beside it, so its numbers are the same to the last bit. (Only where
these are known not to change with padding may a cell share a larger size: :mod:`jaxsim.sweep.shared_sizes`.)
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import jax
import numpy as np

from jaxsim.data.padding import Bounds
from jaxsim.study.cell import Cell

# Numbers in the cross-products of a tile at most (8 MB in float64 on CPU, where a tile should stay near the caches), and in rows
# that are drawn to be reduced at once (128 MB): what these take is bounded, whatever the size of a dataset.
TILE_NUMBERS = {"cpu": 2**20, "gpu": 2**25}
ROW_NUMBERS = {"cpu": 2**24, "gpu": 2**29}
# Datasets of a tile: a multiple of what a vector register holds, and not more than fill the lanes of the slowest estimator.
FEWEST, MOST = 8, {"cpu": 2048, "gpu": 65536}


def tile_datasets(groups: int, columns: int, backend: str | None = None, rows: int = 0) -> int:
    """Datasets that one call of a compiled program works on, a power of two.

    Args:
        groups: padded number of groups, G (of cells, where several factors group the rows).
        columns: of a cross-product, M (predictors and response).
        backend: JAX's name of the kind of device; the present one when None.
        rows: of a dataset; 0 where cross-products are drawn.
    """
    kind = "cpu" if (backend or jax.default_backend()) == "cpu" else "gpu"
    fit = max(1, TILE_NUMBERS[kind] // (groups * columns**2))
    most = max(1, ROW_NUMBERS[kind] // max(1, rows * columns))
    return min(MOST[kind], max(FEWEST, 2 ** (fit.bit_length() - 1)), 2 ** (most.bit_length() - 1))


@dataclass(frozen=True)
class Shape:
    """What a compiled simulator serves: all cells of one program, padded to ``bounds``; it draws ``tile`` datasets at a time."""

    program: Hashable
    bounds: Bounds
    tile: int

    @classmethod
    def of(cls, cell: Cell, bounds: Bounds | None = None) -> Shape:
        """The shape that serves a cell.

        Args:
            cell: of a study.
            bounds: what its datasets are padded to; the least that hold them when None.
        """
        process = cell.process
        bounds = bounds or process.bounds.padded()
        columns = len(process.columns) + 1
        return cls(process.program(bounds), bounds, tile_datasets(bounds.cells, columns, rows=bounds.rows))

    @property
    def groups(self) -> int:
        """Padded number of groups."""
        return self.bounds.groups


@dataclass(frozen=True)
class Tile:
    """Datasets that one call computes: cell and replicate numbers, ``[n]`` each, ``n <= shape.tile``; and the device's number."""

    shape: Shape
    cells: np.ndarray
    replicates: np.ndarray
    device: int = 0

    def __len__(self) -> int:
        return len(self.cells)
