"""The units of a design: how many there are of each, and which of them lie in others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxsim.calls import spoken
from jaxsim.counts import counted
from jaxsim.data.names import INTERCEPTS, innermost
from jaxsim.errors import LARGEST, InputError, advised, brief, whole_number
from jaxsim.processes.designed.variables import ROW
from jaxsim.processes.distributions import GroupSizes
from jaxsim.processes.told import KEEP, SIGMA

# Names in every dataset, or its truth, for something else.
TAKEN = (*INTERCEPTS, KEEP, SIGMA)


@dataclass(frozen=True)
class Nested:
    """Units of which each lies in one of another kind; see :func:`nested`."""

    unit: str
    number: int | tuple[int, ...] | GroupSizes

    def __post_init__(self) -> None:
        if not isinstance(self.unit, str) or not self.unit:
            raise InputError(f"nested({brief(self.unit)}, ..): name the unit that they lie in, such as nested('school', 4).")
        object.__setattr__(self, "number", _checked_number(self.unit, self.number))

    def __str__(self) -> str:
        return f"nested({self.unit!r}, {self.number})"

    @property
    def most(self) -> int:
        """In one of the units that they lie in, at most."""
        if isinstance(self.number, GroupSizes):
            return self.number.largest
        return max(self.number) if isinstance(self.number, tuple) else self.number

    @property
    def number_in_each(self) -> tuple[str, int] | None:
        """The unit and the number in each, where it is one number: how tables know a level of a grid."""
        return (self.unit, self.number) if isinstance(self.number, int) else None


Number = int | Nested


def _checked_number(unit: str, given: object) -> int | tuple[int, ...] | GroupSizes:
    """How many lie in each of a unit; :class:`InputError` for anything else."""
    if isinstance(given, GroupSizes):
        return given
    what = f"nested({brief(unit)}, ..): the number in each"
    if isinstance(given, list | tuple) or (isinstance(given, np.ndarray) and given.ndim):
        if not len(given):
            raise InputError(f"{what}={brief(given)}: give at least one number.")
        return tuple(whole_number(what, number, 1) for number in given)
    try:
        return whole_number(what, given, 1)
    except InputError as error:
        ways = f"or one for each {unit}, such as (6, 8, 10), or a distribution, such as UniformSizes(2, 6) or PoissonSizes(8)"
        raise InputError(f"{str(error).removesuffix('.')}, {ways}.") from None


@spoken("nested('school', 4)")
def nested(unit: str, number: int | Sequence[int] | GroupSizes) -> Nested:
    """Units that lie in others, for the ``units`` of a design: ``{"school": 20, "class": nested("school", 4)}``.

    Their levels are unique over the whole dataset: the first class of one school is another level than that of the next.

    Args:
        unit: that they lie in, which may be nested itself.
        number: in each of them; one number for each, in their order, such as ``(6, 8, 10, 16)``, which begin again where there are
            twice, or three times, as many units; or a distribution of it, such as :class:`jaxsim.PoissonSizes`, drawn for each in
            every dataset.

    Raises:
        InputError: for anything else.
    """
    return Nested(unit, number)  # type: ignore[arg-type]  # it makes a tuple of them


@dataclass(frozen=True)
class Tree:
    """Units by name, as they are given.

    Attributes:
        numbers: how many there are, or how many in each unit of another kind.
    """

    numbers: tuple[tuple[str, Number], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """As they are given; the first is the first grouping factor."""
        return tuple(name for name, _ in self.numbers)

    @property
    def first(self) -> str:
        """Of which the rows come in consecutive blocks."""
        return self.names[0]

    def parent(self, name: str) -> str | None:
        """The unit that one lies in."""
        number = dict(self.numbers)[name]
        return number.unit if isinstance(number, Nested) else None

    def line(self, name: str) -> tuple[str, ...]:
        """The units that one lies in, the outermost first, and itself."""
        parent = self.parent(name)
        return (name,) if parent is None else (*self.line(parent), name)

    def own(self, name: str) -> int:
        """Levels in one level of the unit that it lies in, at most."""
        number = dict(self.numbers)[name]
        return number.most if isinstance(number, Nested) else number

    def count(self, name: str) -> int:
        """Levels in a dataset, those that a random number leaves out included."""
        return math.prod(self.own(unit) for unit in self.line(name))

    def there(self, name: str) -> np.ndarray:
        """Which levels there are, of as many as fit into the largest of given sizes, bool ``[count]``; those that a random number
        leaves out included."""
        number = dict(self.numbers)[name]
        if not isinstance(number, Nested):
            return np.ones(number, bool)
        outer = self.there(number.unit)
        sizes = np.zeros(len(outer), int)
        sizes[outer] = np.resize(number.number if isinstance(number.number, tuple) else number.most, outer.sum())
        return (np.arange(number.most) < sizes[:, None]).reshape(-1)

    @property
    def order(self) -> tuple[str, ...]:
        """Each after those that it lies in; the first with its own before all others."""
        return tuple(dict.fromkeys(unit for name in self.names for unit in self.line(name)))

    def is_random(self, name: str) -> bool:
        """Whether the number in each differs between datasets."""
        number = dict(self.numbers)[name]
        return isinstance(number, Nested) and isinstance(number.number, GroupSizes)

    def renewed(self) -> tuple[str, ...]:
        """The first unit and those that lie in it: what is new where a dataset's rows are of new units."""
        return tuple(name for name in self.names if self.first in self.line(name))

    def others(self) -> tuple[str, ...]:
        """Units besides the first and those that it lies in."""
        return tuple(name for name in self.names if name not in self.line(self.first))

    def named(self, group: tuple[str, ...]) -> str | None:
        """The unit that a group of a formula is: its name, or its name with those of units that it lies in; None for no unit."""
        return innermost(group, {name: self.line(name) for name in self.names})


def checked_units(given: object) -> dict[str, Number]:
    """How many there are, by name; :class:`InputError` for anything else."""
    if not isinstance(given, Mapping) or not given or not all(isinstance(name, str) and name for name in given):
        raise InputError(f"units={brief(given)}: say how many there are of what, such as {{'subject': 40}}.")
    if ROW in given:
        raise InputError(f"units={brief(given)}: {ROW!r} stands for every row; call the unit something else.")
    taken = next((name for name in given if name in TAKEN), None)
    if taken is not None:
        raise InputError(f"units: {taken!r} is what every dataset calls something else by; call the unit something else.")
    units = {
        name: number if isinstance(number, Nested) else whole_number(f"units: {name}", number, 1) for name, number in given.items()
    }
    for name in units:
        _check_line(name, units)
    tree = Tree(tuple(units.items()))
    large = next((name for name in units if tree.count(name) > LARGEST), None)
    if large is not None:
        raise InputError(f"units: there are up to {tree.count(large):,} of {large!r}, more than can be counted.")
    for name in tree.order:
        _check_sizes(name, tree)
    return units


def _check_sizes(name: str, tree: Tree) -> None:
    """Raise :class:`InputError` for sizes in order that are not one for each of the units that these lie in, or as many of them
    again and again."""
    number = dict(tree.numbers)[name]
    if not isinstance(number, Nested) or not isinstance(number.number, tuple):
        return
    sizes, of = number.number, int(tree.there(number.unit).sum())
    if of % len(sizes):
        raise InputError(
            f"units: {name!r} has {counted(len(sizes), 'size')}, {brief(sizes)}, and there are {of:,} of {number.unit!r}: give one "
            f"for each, or as many as {of:,} is a multiple of (they begin again), or a distribution such as UniformSizes(2, 6)."
        )


def _check_line(name: str, units: Mapping[str, Number]) -> None:
    """Raise :class:`InputError` for a unit that lies in one that there is not, or in itself."""
    line, number = [name], units[name]
    while isinstance(number, Nested):
        if number.unit not in units:
            said = f"units: {line[-1]!r} is nested in {number.unit!r}, which is no unit"
            raise InputError(advised(said, number.unit, units, f"the units are {', '.join(map(repr, units))}"))
        if number.unit in line:
            circle = " in ".join(map(repr, [*line[line.index(number.unit) :], number.unit]))
            raise InputError(f"units: {circle}: units cannot lie in themselves; say how many there are of one of them.")
        line.append(number.unit)
        number = units[number.unit]
