"""Who meets what when: the rows of a design, and which levels of the balanced variables are in them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxsim.counts import counted
from jaxsim.errors import LARGEST, InputError, brief, whole_number
from jaxsim.processes.designed.crossing import Crossing, crossing
from jaxsim.processes.designed.latin import Square, latin_squares
from jaxsim.processes.designed.meets import Meets, Sampled
from jaxsim.processes.designed.units import Number, Tree
from jaxsim.processes.designed.variables import Between, Variable, Within
from jaxsim.processes.distributions import GroupSizes

Repeats = int | tuple[int, ...] | GroupSizes
# Combinations of the levels of the variables between, or within, units at most.
MOST_COMBINATIONS = 100_000


@dataclass(frozen=True, eq=False)
class Schedule:
    """Rows of a design: for each cell of the units, the slowest, the combinations of the within variables, and of each its repeats.

    Attributes:
        crossing: the cells.
        combinations: of the levels of the within variables.
        repeats: of each combination, at most.
        keep: rows that there are in every dataset, bool ``[N]``, but for what :attr:`is_random` says.
        sizes: distribution of the repeats of a cell, if they differ between datasets.
        given: positions of the levels of balanced variables, by variable, for each level of its unit.
        squares: by variable that rotates over the cells of two units, which numbers make its levels.
        codes: positions of the levels of what is the same in every dataset, by variable, ``[N]``.
        axes: how the block of a level of the first unit is laid out, the slowest first: the other units and the within variables
            with the number of their levels, and the repeats, called "".
    """

    crossing: Crossing
    combinations: int
    repeats: int
    keep: np.ndarray
    sizes: GroupSizes | None
    given: Mapping[str, np.ndarray]
    squares: Mapping[str, Square]
    codes: Mapping[str, np.ndarray]
    axes: tuple[tuple[str, int], ...]

    @property
    def unit(self) -> str:
        """What the first unit is called."""
        return self.crossing.tree.first

    @property
    def units(self) -> int:
        """How many there are of it."""
        return self.crossing.units

    @property
    def cell(self) -> int:
        """Rows of a cell, those that are missing included."""
        return self.combinations * self.repeats

    @property
    def rows(self) -> int:
        """Of a dataset, those that are missing included."""
        return self.crossing.cells * self.cell

    @property
    def block(self) -> int:
        """Rows of a level of the first unit, those that are missing included."""
        return self.rows // self.units

    @property
    def is_random(self) -> bool:
        """Whether datasets differ in which rows they have."""
        return self.sizes is not None or self.crossing.is_random


def schedule(tree: Tree, meets: Meets, repeats: Repeats, variables: Mapping[str, Variable]) -> Schedule:
    """The rows of a design.

    Raises:
        InputError: for more rows than can be counted, repeats that do not fit, or a level that no unit would get.
    """
    own = {name: v for name, v in variables.items() if isinstance(v, Within)}
    combinations = math.prod(len(v.levels) for v in own.values())
    most = repeats.largest if isinstance(repeats, GroupSizes) else int(np.max(repeats))
    _check_rows(tree, meets, combinations, most)
    given = {unit: _balanced(unit, tree.there(unit), _of(unit, variables)) for unit in tree.names}
    stacked = {unit: np.column_stack([np.zeros((tree.count(unit), 0), int), *codes.values()]) for unit, codes in given.items()}
    cells = crossing(tree, meets, stacked)
    keep = np.repeat(_kept_repeats(repeats, most, cells.cells)[:, None], combinations, axis=1)
    keep = (keep & cells.keep[:, None, None]).reshape(-1)
    codes = {
        name: np.repeat(code[cells.index[unit]], combinations * most)
        for unit in tree.names
        if unit in cells.index
        for name, code in given[unit].items()
    }
    squares = latin_squares(variables, cells)
    codes |= {
        name: np.repeat(square.codes(cells.index), combinations * most)
        for name, square in squares.items()
        if set(square.over) <= set(cells.index)
    }
    sizes = [len(v.levels) for v in own.values()]
    for name, code in zip(own, np.indices(sizes).reshape(len(sizes), combinations), strict=True):
        codes[name] = np.tile(np.repeat(code, most), cells.cells)
    axes = (*cells.axes, *zip(own, sizes, strict=True), ("", most))
    drawn = repeats if isinstance(repeats, GroupSizes) else None
    every = {name: code for codes_of in given.values() for name, code in codes_of.items()}
    return Schedule(cells, combinations, most, keep, drawn, every, squares, codes, axes)


def _of(unit: str, variables: Mapping[str, Variable]) -> dict[str, Between]:
    """Variables that are balanced over a unit."""
    return {name: v for name, v in variables.items() if isinstance(v, Between) and not v.randomised and v.unit == unit}


def _check_rows(tree: Tree, meets: Meets, combinations: int, most: int) -> None:
    cells = tree.count(tree.first) * meets.number if isinstance(meets, Sampled) else math.prod(map(tree.own, tree.names))
    if combinations > MOST_COMBINATIONS or cells * combinations * most > LARGEST:
        one = len(tree.names) == 1
        units = f"{counted(cells, 'unit')} ({tree.first})" if one else f"{counted(cells, 'cell')} of {', '.join(tree.names)}"
        raise InputError(f"{units} of {combinations:,} combinations and up to {most:,} repeats: more rows than can be counted.")


def checked_repeats(repeats: object, units: Mapping[str, Number]) -> Repeats:
    """A number, one a unit, or a distribution; :class:`InputError` for anything else."""
    if isinstance(repeats, GroupSizes):
        return repeats
    if isinstance(repeats, list | tuple) or (isinstance(repeats, np.ndarray) and repeats.ndim):
        if len(units) > 1:
            raise InputError(
                f"repeats={brief(repeats)}: with several units ({', '.join(units)}) give one number, for each combination of their "
                "levels that meet, or a distribution of it."
            )
        ((_, number),) = units.items()
        if len(repeats) != number:
            raise InputError(f"repeats has {len(repeats)} numbers for {number} units; give one number, or one for each unit.")
        return tuple(whole_number("repeats", n, 1) for n in repeats)
    return whole_number("repeats", repeats, 1)


def _kept_repeats(repeats: Repeats, most: int, cells: int) -> np.ndarray:
    """Which repeats of a combination a cell has, bool ``[C, most]``."""
    if isinstance(repeats, GroupSizes):
        return np.ones((cells, most), bool)
    return np.arange(most) < np.broadcast_to(np.array(repeats), (cells,))[:, None]


def _balanced(unit: str, there: np.ndarray, variables: Mapping[str, Between]) -> dict[str, np.ndarray]:
    """Positions of the levels that each unit gets, by variable, ``[units]``, balanced over those that ``there`` are."""
    if not variables:
        return {}
    if math.prod(len(v.levels) for v in variables.values()) > MOST_COMBINATIONS:
        raise InputError(f"the variables {', '.join(variables)} have more than {MOST_COMBINATIONS:,} combinations of levels.")
    units = int(there.sum())
    cells = list(itertools.product(*(range(len(v.levels)) for v in variables.values())))
    weights = np.array([math.prod(v.shares[i] for v, i in zip(variables.values(), cell, strict=True)) for cell in cells])
    counts = apportion(weights, np.array(cells), units)
    codes = np.zeros((len(there), len(variables)), int)
    codes[there] = np.array(cells)[interleaved(counts)]
    for column, (name, variable) in zip(codes[there].T, variables.items(), strict=True):
        absent = sorted(set(range(len(variable.levels))) - set(column.tolist()))
        if absent:
            raise InputError(
                f"no {unit} of {units} gets the level {brief(variable.levels[absent[0]])} of {name!r}: give more units, fewer "
                "levels, or another ratio."
            )
    return dict(zip(variables, codes.T, strict=True))


def apportion(weights: np.ndarray, cells: np.ndarray, units: int) -> np.ndarray:
    """Units of each combination of levels ``[C]``: by largest remainder, equal remainders so that each variable stays balanced.

    Args:
        weights: shares of the combinations, ``[C]``.
        cells: positions of their levels, ``[C, V]``.
        units: to distribute.
    """
    exact = weights * units
    counts = np.floor(exact + 1e-9).astype(int)
    remainder = np.round(exact - counts, 9)
    left = set(range(len(counts)))
    for _ in range(units - counts.sum()):
        short = exact - counts
        lacking = [sum(short[cells[:, v] == cells[c, v]].sum() for v in range(cells.shape[1])) for c in range(len(counts))]
        chosen = max(left, key=lambda c: (remainder[c], round(lacking[c], 9), -c))
        counts[chosen] += 1
        left.discard(chosen)
    return counts


def interleaved(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """An order of so many of each kind in which every stretch has about its share of each, ``[sum(counts)]``."""
    counts = np.asarray(counts)
    total = int(counts.sum())
    given, order = np.zeros(len(counts), int), np.empty(total, int)
    for k in range(total):
        behind = np.where(given < counts, counts / total * (k + 1) - given, -np.inf)
        order[k] = int(np.argmax(np.round(behind, 9)))
        given[order[k]] += 1
    return order
