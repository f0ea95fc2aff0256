"""Moments of the cells of a source, each computed when it is first asked for and then kept for every other table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.measures.differences import pair_rows
from jaxsim.measures.kit import Kit
from jaxsim.measures.policy import KINDS, is_usable, kind_of
from jaxsim.measures.rates import RECIPE as RATES
from jaxsim.measures.rates import fit_rows
from jaxsim.measures.recipe import Recipe, recipe_of
from jaxsim.measures.sample import NUMBERS, Array, numbers_of
from jaxsim.measures.stream.census import Census, Counter, complete_rows
from jaxsim.measures.stream.held import Held
from jaxsim.measures.stream.layout import Layout, Place, locate
from jaxsim.measures.stream.moments import Batch, Moments, first_look, second_look, third_look
from jaxsim.measures.stream.whole import whole_look
from jaxsim.status import LABELS

ESTIMATES = ("cell", "replicate", "model", "term", "status", *NUMBERS)
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
        frames: as :meth:`jaxsim.results.Results.frames`.
        layout: strata of its estimates.
        kit: how they are measured.
        where: levels of the factors that choose the cells; None for all.
        held: batches for the next look, of this scan and others of the source.
    """

    frames: Frames
    layout: Layout
    kit: Kit = field(default_factory=Kit)
    where: Mapping[str, Any] | None = None
    held: Held = field(default_factory=Held)
    _kept: dict[Choice, Moments] = field(default_factory=dict)
    _census: Census | None = None

    @property
    def has_begun(self) -> bool:
        """Whether anything has been read."""
        return bool(self._kept)

    @property
    def census(self) -> Census:
        """How many rows there are of what."""
        return self.counted()

    def counted(self, names: Iterable[str] = (), alpha: float | None = None) -> Census:
        """The census. When it is taken, so is the first look at all usable fits, with what these measures need at this level."""
        if self._census is None:
            counter, choice = Counter(self.layout), Choice("available", self.kit.level(alpha))
            recipe = self.recipe(choice, names)
            self._kept[choice] = first_look(lambda: self._batches(choice, counter), self.layout, recipe)
            self._census = counter.census
        return self._census

    def recipe(self, choice: Choice, names: Iterable[str]) -> Recipe:
        """What is made of the estimates where these measures are asked for."""
        if choice.reference is not None:
            return self.kit.paired
        measures, usual = self.kit.measures, self.kit.usual if choice.truth is None else ()
        return self.kit.recipe(name for name in (*usual, *names) if not measures[name].needs.whole)

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

    def moments(self, choice: Choice, names: Collection[str], pooled: bool) -> Moments:
        """Moments of the estimates.

        Args:
            choice: of the rows.
            names: measures that are wanted; of differences there are always all.
            pooled: with the products that lines need which span several strata.
        """
        if choice.policy == "listwise" and self.census.is_complete:
            choice = replace(choice, policy="available")
        batches = partial(self._batches, choice)
        found = self._looked(choice, self.recipe(choice, names), self.layout, batches, names, pooled)
        functions = {n: f for n, f in self.kit.functions(names).items() if n not in found.spreads}
        if functions:
            self._kept[choice] = found = whole_look(found, batches, functions)
        return found

    def rates(self, pooled: bool) -> Moments:
        """Moments of the fits."""
        return self._looked(Choice("fits", 0.0), RATES, self.fits_layout, self._fit_batches, (), pooled)

    def _looked(
        self,
        choice: Choice,
        recipe: Recipe,
        layout: Layout,
        batches: Callable[[], Iterable[Batch]],
        names: Collection[str],
        pooled: bool,
    ) -> Moments:
        """What is kept, with what is missing added."""
        found = self._kept.get(choice) or first_look(batches, layout, recipe)
        missing = recipe.measures.keys() - found.recipe.measures.keys()
        if missing:
            further = first_look(batches, layout, recipe_of({name: recipe.measures[name] for name in missing}))
            further = second_look(further, batches) if found.is_late else further
            further = third_look(further, batches) if found.products is not None else further
            found = found.with_measures(further)
        if (pooled or recipe.late & set(names)) and not found.is_late:
            found = second_look(found, batches)
        if pooled and found.products is None:
            found = third_look(found, batches)
        self._kept[choice] = found
        return found

    def _batches(self, choice: Choice, counter: Counter | None = None) -> Iterable[Batch]:
        of = (self._cells, choice)
        if counter is not None and of in self.held.batches:  # by another scan of these cells; they do not say what does not count
            return self._made(choice, counter)
        return self.held.through(of, lambda: self._made(choice, counter))

    @cached_property
    def _cells(self) -> tuple[int, ...]:
        return tuple(self.layout.cells.tolist())

    def _made(self, choice: Choice, counter: Counter | None) -> Iterable[Batch]:
        for frame in self._read("estimates", (*ESTIMATES, *self.kit.columns)):
            place, usable = locate(frame, self.layout), is_usable(frame)
            kind = kind_of(frame["truth"].to_numpy(float))
            if counter is not None:
                counter.add(place, usable, kind)
            counted = usable if choice.policy == "available" else complete_rows(place, usable, self.census)
            if choice.truth is not None:
                counted = counted & (kind == KINDS.index(choice.truth))
            if choice.reference is None:
                yield self._batch(frame, place, np.flatnonzero(counted), choice.alpha)
            else:
                yield self._pairs(frame, place, counted, choice)

    def _batch(self, frame: pd.DataFrame, place: Place, rows: Array, alpha: float) -> Batch:
        """Some rows of a frame."""
        numbers, every = numbers_of(frame, self.kit.columns), len(rows) == len(frame)
        found = self.kit.rows(numbers if every else {k: v[rows] for k, v in numbers.items()}, place.code[rows], alpha)
        return Batch(place, found, place.dataset[rows], place.column[rows])

    def _pairs(self, frame: pd.DataFrame, place: Place, counted: Array, choice: Choice) -> Batch:
        """Rows of every strategy that count, each with the reference's of the same dataset and coefficient."""
        layout = place.layout
        shape = (place.datasets, len(layout.models), len(layout.terms))
        row = place.spread(np.flatnonzero(counted), counted, fill=-1).reshape(shape)
        reference = layout.models.index(str(choice.reference))
        both = (row >= 0) & (row[:, [reference]] >= 0)
        both[:, reference] = False
        places = (row[both], np.broadcast_to(row[:, [reference]], shape)[both])
        own, other = (self._batch(frame, place, rows, choice.alpha) for rows in places)
        return replace(own, rows=pair_rows(own.rows, other.rows, self.kit.paired.means))

    def _fit_batches(self) -> Iterable[Batch]:
        return self.held.through((self._cells, FITS), self._made_of_fits)

    def _made_of_fits(self) -> Iterable[Batch]:
        for frame in self._read("fits", FITS):
            place = locate(frame, self.fits_layout)
            yield Batch(place, fit_rows(frame, place.code), place.dataset, place.column)

    def _read(self, table: str, columns: tuple[str, ...]) -> Iterable[pd.DataFrame]:
        """Frames with rows of these cells."""
        for frame in self.frames(table, columns=list(columns), where=self.where):
            found = frame if self.where is None else frame[frame["cell"].isin(self.layout.cells)]
            if len(found):
                yield found
