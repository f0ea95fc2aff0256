"""Measures of one's own: any function of the rows of a coefficient of a strategy in a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from jaxsim.errors import InputError, brief
from jaxsim.measures.catalogue import CATALOGUE, OF_SCORES, REJECTIONS
from jaxsim.measures.differences import CATALOGUE as DIFFERENCES
from jaxsim.measures.measure import Mean, Measure
from jaxsim.measures.rates import EVENTS
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.trial import Function, Trial, try_out
from jaxsim.measures.view import RowsView, by_row, quietly
from jaxsim.measures.whole import WholeFunction

TAKEN = frozenset({*CATALOGUE, *OF_SCORES, *REJECTIONS, *DIFFERENCES, *EVENTS})
# Told the name of a measure and what went wrong with it.
Complain = Callable[[str, str], None]


@dataclass(frozen=True)
class OwnMeasure:
    """A measure of your own, beside the built-in ones in every table.

    >>> OwnMeasure("p90", lambda rows: numpy.quantile(abs(rows.error), 0.9))  # doctest: +SKIP
    >>> OwnMeasure("too_wide", lambda rows: rows.width > 1)  # doctest: +SKIP

    Args:
        name: what tables call it; a Python name that no other measure has.
        function: of the rows of one coefficient of one strategy in one cell, one row for each dataset whose fit counts, such as
            ``rows.error`` (see :class:`jaxsim.measures.view.RowsView`). If it gives one number per row, each from that row alone,
            the measure is their mean, with error ``sd / sqrt(n)``, and comparisons of strategies show its difference, too. If it
            gives a single number, that is the measure. Which of the two is found out on rows that are made up. Where it raises or
            gives NaN, the measure is NaN, and a RuntimeWarning says so once.
        influence: of a single number, the influence of each row on it: a function of the same rows that gives one number per row.
            They are centred for you, and the error is their ``sd / sqrt(n)``. When None, the error is that of a jackknife that
            leaves out a fiftieth of the datasets at a time: see :mod:`jaxsim.measures.whole`. It calls the function 51 times for
            every coefficient, strategy and cell, and is made for smooth functions: of a quantile it is a rough guide.

    A single number needs all rows of its coefficient, strategy and cell in memory. They are collected for some cells at a time,
    at most some two million rows (or those of one cell), with another pass over the results for the next cells.

    Raises:
        InputError: for a name that is taken or is none, or functions that give something else for rows that are made up.
    """

    name: str
    function: Function
    influence: Function | None = None
    trial: Trial = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = self.name
        if not isinstance(name, str) or not name.isidentifier():
            raise InputError(f"own measure {brief(name)}: give it a name of letters, digits and underscores, such as 'p90_error'.")
        if name in TAKEN:
            raise InputError(f"own measure {name!r}: a built-in measure has that name; give another.")
        for what, given in (("function", self.function), ("influence", self.influence)):
            if not callable(given) and not (what == "influence" and given is None):
                raise InputError(f"own measure {name!r}: its {what} is {brief(given)}; give a function of rows.")
        object.__setattr__(self, "trial", try_out(name, self.function, self.influence))

    @property
    def statistic(self) -> str:
        """What the numbers of the rows are called among their statistics, if the function gives one per row."""
        return f"own:{self.name}"

    def measure(self, complain: Complain) -> Measure:
        """How tables compute it."""
        return Mean(self.statistic) if self.trial.is_mean else WholeFunction(self.name, self.function, self.influence, complain)

    @property
    def difference(self) -> Measure:
        """How comparisons of two strategies compute it, if the function gives one number per row."""
        return Mean(f"d_{self.statistic}")

    def by_row(self, rows: Rows, complain: Complain) -> Array:
        """The function's number of each row, ``[rows]``; NaN in the strata where it fails."""
        found, said = np.full(len(rows), np.nan), "its function gave NaN"
        with quietly():
            try:
                found[:] = by_row(self.function, RowsView(rows))
            except Exception:  # because of some stratum
                for stratum in np.unique(rows.code):
                    place = np.flatnonzero(rows.code == stratum)
                    try:
                        found[place] = by_row(self.function, RowsView(rows, place))
                    except Exception as error:  # whatever a person's function may raise
                        said = f"{type(error).__name__}: {error}"
        if np.isnan(found).any():
            complain(self.name, said)
        return found
