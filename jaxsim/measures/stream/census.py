"""How many rows there are of each stratum, usable or not: what is in the tables, before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxsim.measures.policy import KINDS
from jaxsim.measures.sample import Array
from jaxsim.measures.stream.layout import Layout, Place


@dataclass(frozen=True)
class Census:
    """Counts of rows.

    Attributes:
        rows: by stratum and kind of the truth (:data:`jaxsim.measures.policy.KINDS`), ``[C, S, 3]``.
        usable: those of a fit that gave an answer, ``[C, S, 3]``.
        datasets: ``[C]``.
    """

    rows: Array
    usable: Array
    datasets: Array

    @property
    def wanted(self) -> Array:
        """Rows of a dataset in which the fits of all strategies are there, ``[C]``."""
        return (self.rows.sum(axis=2) > 0).sum(axis=1)

    @property
    def is_complete(self) -> bool:
        """Whether every strategy fitted every dataset, so that the policies are the same."""
        rows = self.rows.sum(axis=2)
        every = np.where(rows > 0, self.datasets[:, None], 0)
        return bool((self.usable.sum(axis=2) == every).all())

    @property
    def is_mixed(self) -> bool:
        """Whether the truth of some stratum is zero in some datasets and not in others."""
        return bool(((self.rows > 0).sum(axis=2) > 1).any())


class Counter:
    """Takes a census frame by frame."""

    def __init__(self, layout: Layout) -> None:
        shape = (len(layout.cells), layout.columns, len(KINDS))
        self.census = Census(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape[0], np.int64))

    def add(self, place: Place, usable: Array, kind: Array) -> None:
        """Count the rows of a frame: whether their fits are usable, bool, and the kinds of their truths, ``[rows]`` each."""
        code, census = place.code * len(KINDS) + kind, self.census
        census.rows[place.cells] += _counts(code, place)
        census.usable[place.cells] += _counts(code[usable], place)
        census.datasets[place.cells] += np.bincount(place.dataset_cell, minlength=len(place.cells))


def complete_rows(place: Place, usable: Array, census: Census) -> Array:
    """Rows of datasets in which the fits of all strategies are usable, as :func:`jaxsim.measures.policy.is_counted` says, bool
    ``[rows]``."""
    found = np.bincount(place.dataset[usable], minlength=place.datasets)
    return (found == census.wanted[place.cells][place.dataset_cell])[place.dataset]


def _counts(code: Array, place: Place) -> Array:
    return np.bincount(code, minlength=len(KINDS) * len(place.strata)).reshape(len(place.cells), place.layout.columns, len(KINDS))
