"""Moments of every stratum and of every pair of strata of a cell: all that tables of measures are made of.

Three looks at the frames, each only if it is needed:

1. means and centred products of the statistics of each stratum, merged by Chan's formula (:mod:`jaxsim.measures.summary`);
2. statistics that are defined by those means (coverage without bias), and the median's order statistics
   (:mod:`jaxsim.measures.stream.order`);
3. for each measure the products of the influences of every two strata of a cell, summed over its datasets. The Monte Carlo error of
   any average over strata is a quadratic form of them: the strata of one dataset depend on each other, datasets do not.

Influences are centred when they are summed, so the third look needs no merging formula and nothing cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from jaxsim.measures.recipe import Recipe, recipe_of
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.stream.layout import Layout, Place
from jaxsim.measures.stream.order import Bins, Bracket, Collector
from jaxsim.measures.stream.patterns import Patterns, Tally
from jaxsim.measures.summary import Summary, empty, merge


@dataclass(frozen=True)
class Batch:
    """Rows of one frame that count: their statistics, their numbers among the rows of ``place``."""

    place: Place
    rows: Rows
    dataset: Array
    column: Array

    @property
    def flat(self) -> Array:
        """Place of each row in ``[D, S]``, flattened."""
        return self.dataset * self.place.layout.columns + self.column

    @property
    def counted(self) -> Array:
        """Whether each stratum of each dataset counts, bool ``[D, S]``."""
        wide = np.zeros(self.place.datasets * self.place.layout.columns, bool)
        wide[self.flat] = True
        return wide.reshape(self.place.datasets, -1)


Batches = Callable[[], Iterable[Batch]]


@dataclass(frozen=True)
class Spread:
    """What the Monte Carlo error of an average of a measure follows from.

    Attributes:
        products: of the influences of every two strata of a cell, summed over the units that they belong to, ``[C, S, S]``.
        size: units of each stratum, ``[C, S]``: rows, or blocks of datasets.
        patterns: which strata of a unit there are, with how often.
    """

    products: Array
    size: Array
    patterns: Patterns


@dataclass(frozen=True)
class Moments:
    """What was accumulated for one policy and level; never changed, only replaced by one with more in it.

    A cell of S strata takes ``8 S (25 + J S)`` bytes, J the number of measures (12, and the rare ones that were asked for), however
    many datasets it has: 42 kB for five strategies and four coefficients. The first look takes 2 kB a stratum more while it lasts,
    the second some thousand values around each median.

    Attributes:
        layout: of the strata.
        recipe: the measures that it is of.
        patterns: which strata of its datasets count, with how often.
        summary: of the ``C * S`` strata.
        bracket: where the medians are, until they are known.
        is_late: whether the summary has what the second look gives.
        products: of influences, by measure, ``[C, S, S]`` each; None before the third look.
        spreads: of functions of whole strata, by measure; their values are in the summary.
    """

    layout: Layout
    recipe: Recipe
    patterns: Patterns
    summary: Summary
    bracket: Bracket | None = None
    is_late: bool = False
    products: dict[str, Array] | None = None
    spreads: Mapping[str, Spread] = field(default_factory=dict)

    @property
    def size(self) -> Array:
        """Rows that count, ``[C, S]``."""
        return self.summary.size.reshape(-1, self.layout.columns)

    def total(self, event: str) -> Array:
        """How many rows have a statistic that is 0 or 1, ``[C, S]``."""
        mean = np.where(self.summary.size > 0, self.summary.mean(event), 0).reshape(self.size.shape)
        return np.rint(mean * self.size)

    def spread(self, name: str) -> Spread:
        """Of one measure."""
        if name in self.spreads:
            return self.spreads[name]
        if self.products is None:
            raise ValueError("the moments lack the products of influences; they take a third look at the rows.")
        return Spread(self.products[name], self.size, self.patterns)

    def with_measures(self, other: Moments) -> Moments:
        """The same rows with other measures, which have been looked at as often."""
        products = None if self.products is None or other.products is None else self.products | other.products
        middle = self.summary.middle or other.summary.middle
        return replace(
            self,
            recipe=recipe_of({**self.recipe.measures, **other.recipe.measures}, (*self.recipe.means, *other.recipe.means)),
            summary=replace(self.summary.with_more(other.summary), middle=middle),
            bracket=self.bracket or other.bracket,
            products=products,
        )


def first_look(batches: Batches, layout: Layout, recipe: Recipe) -> Moments:
    """Summaries of all strata, the patterns of what counts, and about where the medians are."""
    total, tally, bins = empty(layout.count, recipe.means, recipe.products), Tally(layout), _first_bins(layout, recipe)
    for batch in batches():
        place = batch.place
        _put(total, place.strata, merge(total.at(place.strata), recipe.first(batch.rows, len(place.strata))))
        tally.add(place, batch.counted)
        if bins is not None:
            bins.add(place.strata[batch.rows.code], batch.rows[str(recipe.middle)])
    return Moments(layout, recipe, tally.patterns(), total, None if bins is None else bins.narrowed(total.size))


def second_look(moments: Moments, batches: Batches) -> Moments:
    """The same with the statistics that the means define, and the median."""
    layout, recipe, summary = moments.layout, moments.recipe, moments.summary
    if not recipe.late:
        return replace(moments, is_late=True)
    total = empty(layout.count, tuple(recipe.around), ())
    kept = None if moments.bracket is None else Collector(_narrow(moments.bracket, batches, summary.size, str(recipe.middle)))
    for batch in batches():
        place = batch.place
        local = recipe.second(batch.rows, len(place.strata), summary.at(place.strata))
        _put(total, place.strata, merge(total.at(place.strata), local))
        if kept is not None:
            kept.add(place.strata[batch.rows.code], batch.rows[str(recipe.middle)])
    middle = None if kept is None else kept.middle(summary.size)
    return replace(moments, summary=replace(summary.with_more(total), middle=middle), bracket=None, is_late=True)


def third_look(moments: Moments, batches: Batches) -> Moments:
    """The same with the products of influences."""
    layout, recipe, names = moments.layout, moments.recipe, list(moments.recipe.measures)
    total = np.zeros((len(layout.cells), len(names), layout.columns, layout.columns))
    for batch in batches():
        place, summary = batch.place, _local(moments.summary, batch.place.strata)
        rows = recipe.with_around(batch.rows, summary)
        wide = np.zeros((len(names), place.datasets, layout.columns))
        for number, name in enumerate(names):
            wide[number].reshape(-1)[batch.flat] = recipe.measures[name].influence(rows, summary)
        for cell, part in by_cell(place, wide):
            with np.errstate(invalid="ignore", over="ignore"):  # influences on the width of unbounded intervals are NaN
                total[cell] += np.matmul(part.transpose(0, 2, 1), part)
    return replace(moments, products={name: total[:, number] for number, name in enumerate(names)})


def by_cell(place: Place, wide: Array) -> Iterator[tuple[int, Array]]:
    """For each cell of a frame its place in the layout and its datasets' part of ``[.., D, S]``."""
    cuts = np.searchsorted(place.dataset_cell, np.arange(len(place.cells) + 1))
    for cell, begin, end in zip(place.cells, cuts[:-1], cuts[1:], strict=True):
        yield int(cell), wide[:, begin:end]


def _first_bins(layout: Layout, recipe: Recipe) -> Bins | None:
    return None if recipe.middle is None else Bins.first(layout.count)


def _narrow(bracket: Bracket, batches: Batches, size: Array, name: str) -> Bracket:
    """A bracket that holds few values; each further look divides it by ``BINS``. Seldom needed below 10^5 datasets a cell."""
    while (wide := bracket.too_wide(size)).any():
        bins = Bins.of(bracket)
        for batch in batches():
            bins.add(batch.place.strata[batch.rows.code], batch.rows[name])
        narrower = bins.narrowed(size)
        if (narrower.high - narrower.low >= bracket.high - bracket.low)[wide].all():
            break  # ties: the two ends hold most of the values, and cannot be divided
        bracket = narrower
    return bracket


def _put(total: Summary, place: Array, part: Summary) -> None:
    """Write the statistics of some strata into those of all."""
    total.size[place] = part.size
    for name, values in part.means.items():
        total.means[name][place] = values
    for pair, values in part.products.items():
        total.products[pair][place] = values


def _local(summary: Summary, place: Array) -> Summary:
    """Some strata, with their median."""
    return replace(summary.at(place), middle=None if summary.middle is None else summary.middle.at(place))
