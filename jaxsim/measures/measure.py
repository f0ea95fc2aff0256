"""What a performance measure is: a value with its Monte Carlo error, and what every dataset contributed to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from jaxsim.measures.middle import middle_of
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Pair, Summary, summary_of


class Measure(ABC):
    """One measure. Its author says how it follows from a summary of the rows, and each row's influence on it."""

    is_rate: ClassVar[bool] = False

    @abstractmethod
    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and Monte Carlo error by the published formula, ``[K]`` each."""

    @abstractmethod
    def influence(self, rows: Rows, summary: Summary) -> Array:
        """What each row contributes, ``[rows]``, centred in its stratum and scaled so that the error is about its ``sd / sqrt(n)``.

        Averages over strata need it, because their rows may come from the same datasets.
        """


@dataclass(frozen=True)
class Mean(Measure):
    """A measure that is a plain mean of a statistic; error ``sd / sqrt(n)``."""

    statistic: str

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Mean and error."""
        return summary.mean(self.statistic), summary.error_of_mean(self.statistic)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """The statistic, centred."""
        return summary.centred(self.statistic, rows)


@dataclass(frozen=True)
class Rate(Mean):
    """A measure that is a proportion; error ``sqrt(p (1 - p) / n)``."""

    is_rate: ClassVar[bool] = True

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Proportion and error."""
        rate = summary.mean(self.statistic)
        with np.errstate(invalid="ignore", divide="ignore"):
            # A mean of ones that were merged from parts may pass 1 by a rounding.
            return rate, np.sqrt(np.clip(rate * (1 - rate), 0, None) / summary.size)


@dataclass(frozen=True)
class Recipe:
    """Measures, and which statistics of the rows they are made of.

    Attributes:
        measures: by name, in the order they are shown.
        means: statistics whose mean is needed.
        products: pairs of them whose centred products are needed.
        around: statistics that are defined by the means of the others: a function of rows and summary.
        middle: the statistic whose median is needed, or None.
        late: measures that need ``around`` or ``middle``: a second look at the rows.
    """

    measures: Mapping[str, Measure]
    means: tuple[str, ...]
    products: tuple[Pair, ...]
    around: Mapping[str, Callable[[Rows, Summary], Array]]
    middle: str | None = None
    late: frozenset[str] = frozenset()

    def first(self, rows: Rows, count: int) -> Summary:
        """Summary of some rows in ``count`` strata, without what needs a second look."""
        return summary_of(rows, count, self.means, self.products)

    def second(self, rows: Rows, count: int, summary: Summary) -> Summary:
        """Summary of the statistics in ``around``; ``summary`` is that of all rows."""
        return summary_of(Rows(rows.code, {k: f(rows, summary) for k, f in self.around.items()}), count, tuple(self.around), ())

    def with_around(self, rows: Rows, summary: Summary) -> Rows:
        """Rows with the statistics in ``around``."""
        return Rows(rows.code, {**rows.values, **{name: f(rows, summary) for name, f in self.around.items()}})


@dataclass(frozen=True)
class Measured:
    """One measure in every stratum: ``value`` and ``mcse`` ``[K]``, ``influence`` ``[rows]``; rates have Wilson's limits."""

    value: Array
    mcse: Array
    influence: Array
    is_rate: bool = False


def measure_all(recipe: Recipe, rows: Rows, count: int, names: Sequence[str]) -> dict[str, Measured]:
    """Some measures of rows that are all in memory, in ``count`` strata."""
    summary = recipe.first(rows, count)
    summary = summary.with_more(recipe.second(rows, count, summary))
    if recipe.middle is not None:
        summary = replace(summary, middle=middle_of(rows[recipe.middle], rows.code, summary.size))
    rows = recipe.with_around(rows, summary)
    found = {}
    for name in names:
        measure = recipe.measures[name]
        found[name] = Measured(*measure.of(summary), measure.influence(rows, summary), measure.is_rate)
    return found
