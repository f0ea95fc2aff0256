"""Which strata of a dataset count: few patterns, each with how many datasets of a cell have it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from jaxsim.measures.sample import Array
from jaxsim.measures.stream.layout import Layout, Place


@dataclass(frozen=True)
class Patterns:
    """Patterns of a source.

    Attributes:
        cell: place in the layout of each pattern's cell, ``[P]``.
        counted: which strata count, bool ``[P, S]``.
        datasets: that have the pattern, ``[P]``.
    """

    cell: Array
    counted: Array
    datasets: Array

    def datasets_with_any(self, wanted: Array, groups: Array) -> Array:
        """Datasets of each cell in which some wanted stratum of a group counts, ``[C, groups]``.

        Args:
            wanted: bool ``[C, S]``.
            groups: which columns are in which group, 0 or 1, ``[S, groups]``.
        """
        found = (self.counted & wanted[self.cell]).astype(float) @ groups > 0
        total = np.zeros((len(wanted), groups.shape[1]))
        np.add.at(total, self.cell, found * self.datasets[:, None])
        return total


class Tally:
    """Counts patterns frame by frame."""

    def __init__(self, layout: Layout) -> None:
        self.columns = layout.columns
        self.whole = np.zeros(len(layout.cells), np.int64)
        self.others: Counter[bytes] = Counter()  # the cell's place, in 8 bytes, and the packed bits

    def add(self, place: Place, counted: Array) -> None:
        """Add the datasets of a frame, bool ``[D, S]``."""
        whole = counted.all(axis=1)
        self.whole[place.cells] += np.bincount(place.dataset_cell[whole], minlength=len(place.cells))
        if whole.all():
            return
        cell = place.cells[place.dataset_cell[~whole]].astype(np.int64)
        key = np.concatenate([cell[:, None].view(np.uint8), np.packbits(counted[~whole], axis=1)], axis=1)
        self.others.update(map(bytes, key))

    def patterns(self) -> Patterns:
        """All that were seen."""
        cells = np.flatnonzero(self.whole)
        width = 8 + -(-self.columns // 8)
        key = np.frombuffer(b"".join(self.others), np.uint8).reshape(len(self.others), width)
        others = np.unpackbits(key[:, 8:], axis=1, count=self.columns).astype(bool)
        return Patterns(
            np.concatenate([cells, np.ascontiguousarray(key[:, :8]).view(np.int64).ravel()]),
            np.concatenate([np.ones((len(cells), self.columns), bool), others]),
            np.concatenate([self.whole[cells], np.array(list(self.others.values()), np.int64)]),
        )
