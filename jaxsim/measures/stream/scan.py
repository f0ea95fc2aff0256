"""Moments of the cells of a source, each computed when it is first asked for and then kept for every other table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.measures import differences
from jaxsim.measures.catalogue import GROUP_RECIPE, RECIPE
from jaxsim.measures.measure import Recipe
from jaxsim.measures.policy import is_usable
from jaxsim.measures.rates import RECIPE as RATES
from jaxsim.measures.rates import fit_rows
from jaxsim.measures.sample import GROUP_NUMBERS, NUMBERS, Array, estimate_rows, numbers_of
from jaxsim.measures.stream.census import Census, Counter, complete_rows
from jaxsim.measures.stream.layout import Layout, Place, locate
from jaxsim.measures.stream.moments import Batch, Moments, first_look, second_look, third_look
from jaxsim.status import LABELS

ESTIMATES = ("cell", "replicate", "model", "term", "status", *NUMBERS)
# The level of tests that is asked for most.
ALPHA = 0.05
FITS = ("cell", "replicate", "model", "status", "converged", "singular")
Frames = Callable[..., Iterable[pd.DataFrame]]


@dataclass(frozen=True)
class Choice:
    """Which rows count and how: the key of what is kept. ``truth`` is None unless rows are chosen by it one by one."""

    policy: str
    alpha: float
    truth: str | None = None
    reference: str | None = None


@dataclass
class Scan:
    """Some cells of a source.

    Attributes:
        frames: as :meth:`jaxsim.store.results.Results.frames`.
        layout: strata of its estimates.
        where: levels of the factors that choose the cells; None for all.
        groups: whether there are coefficients of groups to measure.
    """

    frames: Frames
    layout: Layout
    where: Mapping[str, Any] | None = None
    groups: bool = False
    _kept: dict[Choice, Moments] = field(default_factory=dict)

    @property
    def has_begun(self) -> bool:
        """Whether anything has been read."""
        return bool(self._kept)

    @cached_property
    def census(self) -> Census:
        """How many rows there are of what; the first look at all usable fits is taken on the way."""
        counter, choice = Counter(self.layout), Choice("available", ALPHA)
        self._kept[choice] = first_look(lambda: self._batches(choice, counter), self.layout, self.recipe(choice))
        return counter.census

    def recipe(self, choice: Choice) -> Recipe:
        """What is made of the estimates."""
        if choice.reference is None:
            return GROUP_RECIPE if self.groups else RECIPE
        return differences.GROUP_RECIPE if self.groups else differences.RECIPE

    @cached_property
    def fits_layout(self) -> Layout:
        """Strata of its fits: one a strategy."""
        return Layout(self.layout.cells, self.layout.models)

    @cached_property
    def statuses(self) -> Array:
        """Fits by cell, strategy and status, ``[C, M, statuses]``."""
        total = np.zeros((len(self.layout.cells), len(self.layout.models), len(LABELS)), np.int64)
        for frame in self._read("fits", FITS):
            place = locate(frame, self.fits_layout)
            status = pd.Categorical(frame["status"].astype(str), LABELS).codes
            np.add.at(total, (place.cells[place.dataset_cell[place.dataset]], place.column, status), 1)
        return total

    def moments(self, choice: Choice, late: bool, pooled: bool) -> Moments:
        """Moments of the estimates.

        Args:
            choice: of the rows.
            late: with the measures that need a second look.
            pooled: with the products that lines need which span several strata.
        """
        if choice.policy == "listwise" and self.census.is_complete:
            choice = Choice("available", choice.alpha, choice.truth, choice.reference)
        return self._looked(choice, self.recipe(choice), self.layout, partial(self._batches, choice), late, pooled)

    def rates(self, pooled: bool) -> Moments:
        """Moments of the fits."""
        return self._looked(Choice("fits", 0.0), RATES, self.fits_layout, self._fit_batches, False, pooled)

    def _looked(
        self, choice: Choice, recipe: Recipe, layout: Layout, batches: Callable[[], Iterable[Batch]], late: bool, pooled: bool
    ) -> Moments:
        """What is kept, with what is missing added."""
        found = self._kept.get(choice) or first_look(batches, layout, recipe)
        if (late or pooled) and not found.is_late:
            found = second_look(found, batches, recipe) if recipe.late else found
        if pooled and found.products is None:
            found = third_look(found, batches, recipe)
        self._kept[choice] = found
        return found

    def _batches(self, choice: Choice, counter: Counter | None = None) -> Iterable[Batch]:
        for frame in self._read("estimates", (*ESTIMATES, *GROUP_NUMBERS) if self.groups else ESTIMATES):
            place, usable, null = locate(frame, self.layout), is_usable(frame), (frame["truth"] == 0).to_numpy()
            if counter is not None:
                counter.add(place, usable, null)
            counted = usable if choice.policy == "available" else complete_rows(place, usable, self.census)
            if choice.truth is not None:
                counted = counted & (null == (choice.truth == "zero"))
            if choice.reference is None:
                yield _batch(frame, place, np.flatnonzero(counted), choice.alpha)
            else:
                yield _pairs(frame, place, counted, choice)

    def _fit_batches(self) -> Iterable[Batch]:
        for frame in self._read("fits", FITS):
            place = locate(frame, self.fits_layout)
            yield Batch(place, fit_rows(frame, place.code), place.dataset, place.column)

    def _read(self, table: str, columns: tuple[str, ...]) -> Iterable[pd.DataFrame]:
        """Frames with rows of these cells."""
        for frame in self.frames(table, columns=list(columns), where=self.where):
            found = frame if self.where is None else frame[frame["cell"].isin(self.layout.cells)]
            if len(found):
                yield found


def _batch(frame: pd.DataFrame, place: Place, rows: Array, alpha: float) -> Batch:
    """Some rows of a frame."""
    numbers, every = numbers_of(frame), len(rows) == len(frame)
    found = estimate_rows(numbers if every else {k: v[rows] for k, v in numbers.items()}, place.code[rows], alpha)
    return Batch(place, found, place.dataset[rows], place.column[rows])


def _pairs(frame: pd.DataFrame, place: Place, counted: Array, choice: Choice) -> Batch:
    """Rows of every strategy that count, each with the reference's of the same dataset and coefficient."""
    layout = place.layout
    shape = (place.datasets, len(layout.models), len(layout.terms))
    row = place.spread(np.flatnonzero(counted), counted, fill=-1).reshape(shape)
    reference = layout.models.index(str(choice.reference))
    both = (row >= 0) & (row[:, [reference]] >= 0)
    both[:, reference] = False
    own, other = (_batch(frame, place, r, choice.alpha) for r in (row[both], np.broadcast_to(row[:, [reference]], shape)[both]))
    return replace(own, rows=differences.pair_rows(own.rows, other.rows))
