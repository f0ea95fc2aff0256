"""Measures computed together, from one summary that has what all of them need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jaxsim.measures.measure import Measure
from jaxsim.measures.middle import middle_of
from jaxsim.measures.needs import Around
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Pair, Summary, Units, summary_of
from jaxsim.measures.whole import WholeFunction


@dataclass(frozen=True)
class Recipe:
    """Measures, and which statistics of the rows they are made of; see :func:`recipe_of`.

    Attributes:
        measures: by name, in the order they are shown.
        means: statistics whose mean is needed.
        products: pairs of them whose centred products are needed.
        around: statistics that are defined by the means of the others: a function of rows and summary.
        middle: the statistic whose median is needed, or None.
    """

    measures: Mapping[str, Measure]
    means: tuple[str, ...]
    products: tuple[Pair, ...]
    around: Mapping[str, Around]
    middle: str | None = None

    @property
    def late(self) -> frozenset[str]:
        """Measures that take a second look at the rows."""
        return frozenset(name for name, measure in self.measures.items() if measure.needs.is_late)

    def first(self, rows: Rows, count: int) -> Summary:
        """Summary of some rows in ``count`` strata, without what needs a second look."""
        return summary_of(rows, count, self.means, self.products)

    def second(self, rows: Rows, count: int, summary: Summary) -> Summary:
        """Summary of the statistics in ``around``; ``summary`` is that of all rows."""
        return summary_of(Rows(rows.code, {k: f(rows, summary) for k, f in self.around.items()}), count, tuple(self.around), ())

    def with_around(self, rows: Rows, summary: Summary) -> Rows:
        """Rows with the statistics in ``around``."""
        return rows.with_more({name: f(rows, summary) for name, f in self.around.items()})


def recipe_of(measures: Mapping[str, Measure], means: Sequence[str] = ()) -> Recipe:
    """What some measures need together.

    Args:
        measures: by name.
        means: statistics whose mean is wanted besides.

    Raises:
        ValueError: if they need the medians of two statistics: only one is collected.
    """
    needs = [measure.needs for measure in measures.values()]
    products = dict.fromkeys(pair for need in needs for pair in need.products)
    around = {name: function for need in needs for name, function in need.around.items()}
    wanted = [name for need in needs for name in need.means if name not in around]
    every = dict.fromkeys((*wanted, *(name for pair in products for name in pair), *means))
    middles = {need.middle for need in needs} - {None}
    if len(middles) > 1:
        raise ValueError(f"measures need the medians of {', '.join(sorted(map(str, middles)))}; one statistic's is collected.")
    return Recipe(measures, tuple(every), tuple(products), around, next(iter(middles), None))


@dataclass(frozen=True)
class Measured:
    """One measure in every stratum.

    Attributes:
        value, mcse: ``[K]`` each.
        influence: ``[rows]``, or ``[units]``.
        trials: independent trials of a proportion, ``[K]``.
        is_rate: whether it has Wilson's limits.
        units: that the influences belong to; the rows when None.
    """

    value: Array
    mcse: Array
    influence: Array
    trials: Array
    is_rate: bool = False
    units: Units | None = None


def measure_all(recipe: Recipe, rows: Rows, count: int, names: Sequence[str]) -> dict[str, Measured]:
    """Some measures of rows that are all in memory, in ``count`` strata."""
    summary = recipe.first(rows, count)
    summary = summary.with_more(recipe.second(rows, count, summary))
    if recipe.middle is not None:
        summary = replace(summary, middle=middle_of(rows[recipe.middle], rows.code, summary.size))
    measures = {name: recipe.measures[name] for name in names}
    summary = replace(summary, whole={n: m.found(rows, count) for n, m in measures.items() if isinstance(m, WholeFunction)})
    rows = recipe.with_around(rows, summary)
    found = {}
    for name, measure in measures.items():
        value, mcse = measure.of(summary)
        units = summary.whole[name].units if name in summary.whole else None
        found[name] = Measured(value, mcse, measure.influence(rows, summary), measure.trials(summary), measure.is_rate, units)
    return found
