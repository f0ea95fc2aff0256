"""Who meets what when: the rows of a design, and which levels of the balanced variables are in them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxsim.errors import LARGEST, InputError, NotSupportedError, brief, whole_number
from jaxsim.processes.designed.variables import ROW, Between, Variable, Within
from jaxsim.processes.distributions import GroupSizes

Repeats = int | tuple[int, ...] | GroupSizes
# Combinations of the levels of the variables between, or within, units at most.
MOST_COMBINATIONS = 100_000


@dataclass(frozen=True, eq=False)
class Schedule:
    """Rows of a design: for each unit, the slowest, the combinations of the within variables, and of each its repeats.

    Attributes:
        unit: what a unit is called.
        units: how many there are.
        combinations: of the levels of the within variables.
        repeats: of each combination, at most.
        keep: rows that are there, bool ``[units * block]``; where :attr:`sizes` is None.
        sizes: distribution of the repeats of a unit, if they differ between datasets.
        codes: positions of the levels of what is the same in every dataset, by variable, ``[units * block]``.
        axes: how a unit's block is laid out, the slowest first: the within variables with the number of their levels, and the
            repeats, called "".
    """

    unit: str
    units: int
    combinations: int
    repeats: int
    keep: np.ndarray
    sizes: GroupSizes | None
    codes: Mapping[str, np.ndarray]
    axes: tuple[tuple[str, int], ...]

    @property
    def block(self) -> int:
        """Rows of a unit, those that are missing included."""
        return self.combinations * self.repeats

    @property
    def rows(self) -> int:
        """Of a dataset, those that are missing included."""
        return self.units * self.block


def schedule(unit: str, units: int, repeats: Repeats, variables: Mapping[str, Variable]) -> Schedule:
    """The rows of a design.

    Raises:
        InputError: for more rows than can be counted, repeats that do not fit, or a level that no unit would get.
    """
    own = {name: v for name, v in variables.items() if isinstance(v, Within)}
    combinations = math.prod(len(v.levels) for v in own.values())
    most, keep_repeats = _repeats(repeats, units)
    if combinations > MOST_COMBINATIONS or units * combinations * most > LARGEST:
        raise InputError(
            f"{units:,} units ({unit}) of {combinations:,} combinations and up to {most:,} repeats: more rows than can be counted."
        )
    balanced = {name: v for name, v in variables.items() if isinstance(v, Between) and not v.randomised}
    given = _balanced(unit, units, balanced)
    block = combinations * most
    codes = {name: np.repeat(code, block) for name, code in given.items()}
    sizes = [len(v.levels) for v in own.values()]
    for name, code in zip(own, np.indices(sizes).reshape(len(sizes), combinations), strict=True):
        codes[name] = np.tile(np.repeat(code, most), units)
    keep = np.repeat(keep_repeats[:, None], combinations, axis=1).reshape(-1)
    axes = (*zip(own, sizes, strict=True), ("", most))
    return Schedule(unit, units, combinations, most, keep, repeats if isinstance(repeats, GroupSizes) else None, codes, axes)


def checked_units(given: object) -> dict[str, int]:
    """How many there are, by name; :class:`InputError` for anything else."""
    if not isinstance(given, Mapping) or not given or not all(isinstance(name, str) and name for name in given):
        raise InputError(f"units={brief(given)}: say how many there are of what, such as {{'subject': 40}}.")
    if len(given) > 1:
        raise NotSupportedError(
            f"units has {len(given)} entries ({', '.join(given)}): nested and crossed units are not supported yet; give one."
        )
    ((unit, count),) = given.items()
    if unit == ROW:
        raise InputError(f"units={brief(given)}: {ROW!r} stands for every row; call the unit something else.")
    return {unit: whole_number(f"units: {unit}", count, 1)}


def checked_repeats(repeats: object, units: int) -> Repeats:
    """A number, one a unit, or a distribution; :class:`InputError` for anything else."""
    if isinstance(repeats, GroupSizes):
        return repeats
    if isinstance(repeats, list | tuple) or (isinstance(repeats, np.ndarray) and repeats.ndim):
        if len(repeats) != units:
            raise InputError(f"repeats has {len(repeats)} numbers for {units} units; give one number, or one for each unit.")
        return tuple(whole_number("repeats", n, 1) for n in repeats)
    return whole_number("repeats", repeats, 1)


def _repeats(repeats: Repeats, units: int) -> tuple[int, np.ndarray]:
    """The most repeats of a combination, and which of them a unit has, bool ``[units, most]``."""
    if isinstance(repeats, GroupSizes):
        return repeats.largest, np.ones((units, repeats.largest), bool)
    each = np.broadcast_to(np.array(repeats), (units,))
    most = int(each.max())
    return most, np.arange(most) < each[:, None]


def _balanced(unit: str, units: int, variables: Mapping[str, Between]) -> dict[str, np.ndarray]:
    """Positions of the levels that each unit gets, by variable, ``[units]``."""
    if not variables:
        return {}
    if math.prod(len(v.levels) for v in variables.values()) > MOST_COMBINATIONS:
        raise InputError(f"the variables {', '.join(variables)} have more than {MOST_COMBINATIONS:,} combinations of levels.")
    cells = list(itertools.product(*(range(len(v.levels)) for v in variables.values())))
    weights = np.array([math.prod(v.shares[i] for v, i in zip(variables.values(), cell, strict=True)) for cell in cells])
    counts = apportion(weights, np.array(cells), units)
    codes = np.array(cells)[interleaved(counts)]
    for column, (name, variable) in zip(codes.T, variables.items(), strict=True):
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
