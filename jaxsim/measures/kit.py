"""Everything that says how estimates are measured: levels, measures, and the statistics that these are made of."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

from jaxsim.errors import InputError, check_probability, choose
from jaxsim.measures import differences
from jaxsim.measures.addition import Addition
from jaxsim.measures.catalogue import CATALOGUE, OF_ESTIMATES, OF_SCORES, RARE, REJECTIONS
from jaxsim.measures.measure import Measure
from jaxsim.measures.own import OwnMeasure
from jaxsim.measures.recipe import Recipe, recipe_of
from jaxsim.measures.sample import NUMBERS, Array, Rows
from jaxsim.measures.statistics import Statistic, statistics
from jaxsim.measures.view import unknown
from jaxsim.measures.whole import WholeFunction


@dataclass(frozen=True)
class Kit:
    """How estimates are measured.

    Args:
        conf_level: of the intervals in the estimates table; tests have the level ``1 - conf_level`` unless another is asked for.
        additions: what the scores of the study add.
        own: measures of the study's author.
        has_inference: whether the estimates have standard errors, p values and intervals; measures of them are left out if not.

    Raises:
        InputError: for a confidence level outside (0, 1), two measures or columns of one name, or an own measure that asks for a
            column that is not there.
    """

    conf_level: float = 0.95
    additions: tuple[Addition, ...] = ()
    own: tuple[OwnMeasure, ...] = ()
    has_inference: bool = True
    _complained: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_probability("conf_level", self.conf_level)
        object.__setattr__(self, "additions", tuple(self.additions))
        object.__setattr__(self, "own", tuple(self.own))
        for own in self.own:
            if not isinstance(own, OwnMeasure):
                raise InputError(f"own measures have {own!r}; give OwnMeasure(name, function).")
        added = [name for addition in self.additions for name in addition.measures]
        _unlike("measure", [*CATALOGUE, *REJECTIONS, *added, *(own.name for own in self.own)])
        names = [name for addition in self.additions for name in (*addition.columns, *addition.statistics)]
        known = [*NUMBERS, "replicate", *statistics(self.alpha, self.conf_level), *names]
        _unlike("column", known)
        for own in self.own:
            for name in sorted(own.trial.columns - set(known)):
                raise InputError(f"own measure {own.name!r}: {unknown(name, known)}")

    @property
    def alpha(self) -> float:
        """The level of tests that is as strict as the intervals."""
        return round(1 - self.conf_level, 12)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the estimates table that are read besides ``NUMBERS``."""
        return tuple(name for addition in self.additions for name in addition.columns)

    @property
    def own_names(self) -> tuple[str, ...]:
        """Names of the author's measures."""
        return tuple(own.name for own in self.own)

    @cached_property
    def measures(self) -> Mapping[str, Measure]:
        """Every measure by name, in the order they are shown."""
        built_in = {name: m for name, m in CATALOGUE.items() if self.has_inference or name in OF_ESTIMATES}
        added = {name: measure for addition in self.additions for name, measure in addition.measures.items()}
        return built_in | added | {own.name: own.measure(self.complain) for own in self.own}

    @cached_property
    def paired(self) -> Recipe:
        """Every measure of the difference of two strategies, and what they need of pairs of rows."""
        every = differences.CATALOGUE
        built_in = {name: m for name, m in every.items() if self.has_inference or name in differences.OF_ESTIMATES}
        added = {name: measure for addition in self.additions for name, measure in addition.differences.items()}
        return recipe_of(built_in | added | {own.name: own.difference for own in self.own if own.trial.is_mean})

    @cached_property
    def usual(self) -> tuple[str, ...]:
        """Measures that many tables show, and that are cheap: every look at the rows takes what they need."""
        rare = {*RARE, *self.own_names}
        return tuple(name for name, m in self.measures.items() if name not in rare and not m.needs.whole)

    def recipe(self, names: Iterable[str]) -> Recipe:
        """Some measures, and what they need of the rows."""
        chosen = set(names)
        return recipe_of({name: measure for name, measure in self.measures.items() if name in chosen}, means=("null",))

    def functions(self, names: Iterable[str]) -> dict[str, WholeFunction]:
        """Those of some measures that are functions of whole strata."""
        found = {name: self.measures[name] for name in names}
        return {name: measure for name, measure in found.items() if isinstance(measure, WholeFunction)}

    def rows(self, numbers: Mapping[str, Array], code: Array, alpha: float) -> Rows:
        """Rows of an estimates table with all their statistics.

        Args:
            numbers: as of :func:`jaxsim.measures.sample.numbers_of`, with this kit's columns.
            code: stratum of each row, ``[rows]``.
            alpha: level of the tests.
        """
        own = {own.statistic: partial(own.by_row, complain=self.complain) for own in self.own if own.trial.is_mean}
        return Rows(code, numbers, self._statistics(alpha) | own)

    def level(self, alpha: float | None) -> float:
        """The level of tests that was asked for, or :attr:`alpha`; raises :class:`InputError` for one outside (0, 1)."""
        if alpha is None:
            return self.alpha
        check_probability("alpha", alpha, 0.05)
        return alpha

    def known(self, name: str) -> str:
        """The name of a measure, also of ``power`` and ``type_one_error``; raises :class:`InputError` for any other."""
        if name in OF_SCORES and name not in self.measures:
            raise InputError(f"{name!r} needs {OF_SCORES[name]}.")
        rejections = REJECTIONS if "rejection" in self.measures else {}
        return choose("measure", name, (*self.measures, *rejections))

    def complain(self, name: str, error: str) -> None:
        """Warn once of an own measure that has no value somewhere."""
        if name not in self._complained:
            self._complained.add(name)
            warnings.warn(f"own measure {name!r} has no value in some of its strata: {error}.", RuntimeWarning, stacklevel=2)

    def _statistics(self, alpha: float) -> dict[str, Statistic]:
        added = {name: function for addition in self.additions for name, function in addition.statistics.items()}
        return statistics(alpha, self.conf_level) | added


def _unlike(what: str, names: Iterable[str]) -> None:
    """Raise :class:`InputError` if a name is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"two {what}s are called {name!r}; give one of them another name.")
        seen.add(name)
