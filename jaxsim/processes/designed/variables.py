"""What the variables of a design are: given to whole units or to pairs of them, met by every unit, or drawn in every dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.calls import spoken
from jaxsim.errors import InputError, brief, finite, truth
from jaxsim.processes.checks import HUGE
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.predictors import checked_levels, shares, texts

Levels = tuple[str, ...] | tuple[float, ...]
# The level of a covariate that has a value in every row.
ROW = "row"
# Said of an argument that is the design's, wherever it is given.
REPEATS = "How often each combination is met is the design's: Design(.., repeats=40)."


@dataclass(frozen=True)
class Between:
    """A variable that is one level a unit, as a treatment is; see :func:`between`."""

    unit: str
    levels: Levels
    ratio: tuple[float, ...] | None = None
    randomised: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.unit, str) or not self.unit:
            raise InputError(
                f"between({brief(self.unit)}, ..): name the unit first, such as between('subject', ('placebo', 'active'))."
            )
        levels = checked_levels(f"between({brief(self.unit)}, ..)", self.levels)
        if len(levels) < 2:
            raise InputError(f"between({brief(self.unit)}, levels={brief(self.levels)}): give at least two levels.")
        object.__setattr__(self, "levels", levels)
        if self.ratio is not None:
            found = shares(f"between({brief(self.unit)}, ..): ratio", self.ratio, len(levels))
            object.__setattr__(self, "ratio", None if set(found) == {1.0} else found)
        object.__setattr__(self, "randomised", truth("randomised", self.randomised))

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the levels, if they are text."""
        return texts(self.levels)

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f", ratio={_tuple(self.ratio)}"
        return f"between({self.unit!r}, {_tuple(self.levels)}{ratio}{', randomised=True' * self.randomised})"

    @property
    def shares(self) -> tuple[float, ...]:
        """Of the units, by level; their sum is 1."""
        ratio = self.ratio or (1.0,) * len(self.levels)
        return tuple(part / sum(ratio) for part in ratio)


@dataclass(frozen=True)
class Within:
    """A variable whose levels every unit meets; see :func:`within`."""

    levels: Levels
    jitter: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", checked_levels("within(..)", self.levels))
        if not finite(self.jitter) or not 0 <= self.jitter <= HUGE:
            raise InputError(f"within(.., jitter={brief(self.jitter)}): give a number of at least 0.")
        if self.jitter and self.names is not None:
            raise InputError(
                f"within(.., jitter={brief(self.jitter)}): {brief(self.levels)} are text; only numbers can be shifted."
            )
        if self.names is not None and len(self.levels) < 2:
            raise InputError(f"within({brief(self.levels[0])}): a factor has at least two levels.")
        object.__setattr__(self, "jitter", float(self.jitter))

    def __str__(self) -> str:
        return f"within({', '.join(map(_written, self.levels))}{f', jitter={self.jitter:g}' if self.jitter else ''})"

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the levels, if they are text."""
        return texts(self.levels)


@dataclass(frozen=True)
class Covariate:
    """A variable drawn for every unit, or for every row; see :func:`covariate`."""

    level: str
    distribution: Distribution
    icc: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.level, str) or not isinstance(self.distribution, Distribution):
            raise InputError(
                f"covariate({brief(self.level)}, {brief(self.distribution)}): give a unit or 'row', and a distribution, such as "
                "covariate('subject', Normal(35, 10))."
            )
        if not finite(self.icc) or not 0 <= self.icc < 1 or (self.icc and self.level != ROW):
            raise InputError(
                f"covariate({brief(self.level)}, .., icc={brief(self.icc)}): give the share of the variance of a covariate of rows "
                "that lies between units, from 0 to below 1."
            )
        object.__setattr__(self, "icc", float(self.icc))

    def __str__(self) -> str:
        return f"covariate({self.level!r}, {self.distribution}{f', icc={self.icc:g}' if self.icc else ''})"

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the levels, if they are text."""
        return self.distribution.levels


@dataclass(frozen=True)
class Counterbalanced:
    """A variable whose levels rotate over the pairs of two units; see :func:`counterbalanced`."""

    levels: Levels
    over: tuple[str, str]

    def __post_init__(self) -> None:
        what = f"counterbalanced({brief(self.levels)}, over={brief(self.over)})"
        over = tuple(self.over) if isinstance(self.over, list | tuple) else ()
        if len(over) != 2 or not all(isinstance(unit, str) for unit in over) or over[0] == over[1]:
            raise InputError(f"{what}: give two units, such as over=('subject', 'item').")
        levels = checked_levels("counterbalanced(..)", self.levels)
        if len(levels) < 2:
            raise InputError(f"{what}: give at least two levels.")
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "over", over)

    def __str__(self) -> str:
        return f"counterbalanced({_tuple(self.levels)}, over={_tuple(self.over)})"

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the levels, if they are text."""
        return texts(self.levels)


def _written(level: str | float) -> str:
    """A level as people write it."""
    return repr(level) if isinstance(level, str) else f"{level:g}"


def _tuple(levels: Sequence[str] | Sequence[float]) -> str:
    return f"({', '.join(map(_written, levels))})"


Variable = Between | Within | Covariate | Counterbalanced


def factor(codes: np.ndarray, levels: Sequence[str]) -> Any:
    """Levels at these positions."""
    whole: Any = np.asarray(codes, np.int64)
    return pd.Categorical.from_codes(whole, pd.Index(list(levels)))


@spoken("between('subject', ('placebo', 'active'))", repeats=REPEATS)
def between(unit: str, levels: Levels, ratio: tuple[float, ...] | None = None, *, randomised: bool = False) -> Between:
    """A variable that is one level a unit: a treatment, a sex.

    Args:
        unit: such as ``"subject"``.
        levels: text makes a factor, whose first level is the reference; numbers make a number.
        ratio: how many units get each level, such as ``(2, 1)``; equally many when None.
        randomised: each unit gets a level by itself, with these probabilities. Else the design is balanced, and the same in every
            dataset: over all combinations of such variables, as nearly as the number of units allows.

    Raises:
        InputError: for fewer than two levels, one given twice, text and numbers together, or a ratio of another length.
    """
    return Between(unit, levels, ratio, randomised)


@spoken(
    "within('pre', 'post') or within(0, 1, 3, 9)",
    levels="Give the levels one after the other: within('pre', 'post').",
    unit="Every unit meets all levels; a variable that each unit has one level of is between(unit, levels).",
    repeats=REPEATS,
)
def within(*levels: str | float, jitter: float = 0.0) -> Within:
    """A variable whose levels every unit meets: occasions, conditions. With several of them, every combination.

    Args:
        levels: numbers, such as ``0, 1, 3, 9``, or text, such as ``"pre", "post"``, of which the first is the reference.
        jitter: each unit meets each of the numbers shifted by a uniform number between ``-jitter`` and ``jitter``.

    Raises:
        InputError: for no levels, one given twice, text and numbers together, or text with jitter.
    """
    given: object = levels[0] if len(levels) == 1 and not isinstance(levels[0], str | int | float) else levels
    return Within(given, jitter)  # type: ignore[arg-type]  # checked there


@spoken(
    "covariate('subject', Normal(35, 10))",
    unit="Say the unit first, without a name: covariate('subject', Normal(35, 10)).",
    repeats=REPEATS,
)
def covariate(level: str, distribution: Distribution, *, icc: float = 0.0) -> Covariate:
    """A variable that is drawn anew in every dataset.

    Args:
        level: the unit that has one value of it, such as ``"subject"``, or ``"row"`` for a value in every row.
        distribution: ``Normal, Uniform, Bernoulli, Gamma, Categorical, Empirical``, or an own
            :class:`jaxsim.processes.distribution.Distribution`.
        icc: of a covariate of rows, the share of its variance that lies between units (of the normal numbers that it is made of;
            correlations with other covariates hold within either part).

    Raises:
        InputError: for anything else.
    """
    return Covariate(level, distribution, icc)


@spoken("counterbalanced(('a', 'b'), over=('subject', 'item'))", repeats=REPEATS)
def counterbalanced(levels: Levels, over: tuple[str, str]) -> Counterbalanced:
    """A variable of which each pair of a subject and an item has one level, in a Latin square: the first subject meets the first
    item at the first level, the second item at the second, and so on; the next subject begins with the next level, and round again.

    With as many subjects, and items, as there are levels, or a multiple of it, each subject meets all levels equally often, and so
    does each item. Subjects, or items, that have the same levels of what is balanced over them (:func:`between`) rotate by
    themselves, so that no such level goes with one of this variable; several such variables over the same units go through all
    combinations of their levels.

    Args:
        levels: text makes a factor, whose first level is the reference; numbers make a number.
        over: two units that are crossed.

    Raises:
        InputError: for fewer than two levels, one given twice, text and numbers together, or other than two units.
    """
    return Counterbalanced(levels, over)


def checked_variables(given: object) -> dict[str, Variable]:
    """What each is, by name; :class:`InputError` for anything else."""
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InputError(f"variables={brief(given)}: give a dictionary by name, such as {{'day': within(0, 1, 3, 9)}}.")
    for name, variable in given.items():
        if not isinstance(variable, Variable):
            raise InputError(
                f"variables: {name!r} is {brief(variable)}; describe it by between('subject', ('placebo', 'active')), "
                "within(0, 1, 3, 9), covariate('subject', Normal(35, 10)) or counterbalanced(('a', 'b'), over=('subject', 'item'))."
            )
    return dict(given)
