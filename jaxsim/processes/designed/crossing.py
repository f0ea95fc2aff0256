"""Cells of a design: which level of each unit meets which of the others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from jaxsim.processes.designed.meets import Lists, Meets, Sampled
from jaxsim.processes.designed.units import Tree


@dataclass(frozen=True, eq=False)
class Crossing:
    """The cells of a design, in consecutive blocks of each level of the first unit; in a cell all rows have the same levels.

    Attributes:
        tree: the units.
        meets: which of them meet.
        sizes: by unit, the slowest first: levels that are met in each level of what is slower.
        index: levels by unit, from 0, ``[C]``; not of a unit of which a sample is drawn.
        keep: cells that there are in every dataset, bool ``[C]``.
        running: by unit, the numbers of its levels in the order in which levels of other variables rotate over them.
    """

    tree: Tree
    meets: Meets
    sizes: Mapping[str, int]
    index: Mapping[str, np.ndarray]
    keep: np.ndarray
    running: Mapping[str, np.ndarray]

    @property
    def cells(self) -> int:
        """Of a dataset, those that are left out included."""
        return math.prod(self.sizes.values())

    @property
    def units(self) -> int:
        """Levels of the first unit."""
        return self.tree.count(self.tree.first)

    @property
    def axes(self) -> tuple[tuple[str, int], ...]:
        """How the cells of a level of the first unit are laid out, the slowest first."""
        return tuple((name, size) for name, size in self.sizes.items() if name not in self.tree.line(self.tree.first))

    @property
    def is_random(self) -> bool:
        """Whether datasets differ in which cells they have."""
        return any(map(self.tree.is_random, self.tree.names))

    def most_cells(self, name: str) -> int:
        """Cells of a level of a unit, at most."""
        if name in self.index:
            return int(np.bincount(self.index[name][self.keep], minlength=1).max())
        return self.units

    def fixed_with(self, name: str) -> frozenset[str]:
        """Units of which a level of this one meets a single level: itself, those that it lies in, and those that have one."""
        found = set(self.tree.line(name))
        for other, size in self.sizes.items():
            alone = self.tree.count(other) == 1 or (size == 1 and self.tree.first in self.tree.line(name))
            if alone and self.tree.parent(other) in (None, *found):
                found.add(other)
        return frozenset(found)


def crossing(tree: Tree, meets: Meets, given: Mapping[str, np.ndarray]) -> Crossing:
    """Lay out the cells; those of levels that given sizes do not have are left out.

    Args:
        tree: of the units.
        meets: which of them meet.
        given: positions of the levels of the variables that are balanced over a unit, by unit ``[levels, V]``.
    """
    every = _laid_out(tree, meets, given)
    absent = {name: ~there for name in every.index if not (there := tree.there(name)).all()}
    keep = every.keep.copy()
    for name, left_out in absent.items():
        keep &= ~left_out[every.index[name]]
    return replace(every, keep=keep)


def _laid_out(tree: Tree, meets: Meets, given: Mapping[str, np.ndarray]) -> Crossing:
    """Lay out all cells; arguments are those of :func:`crossing`."""
    running = {name: _running(given[name]) for name in tree.names}
    sizes = {name: tree.own(name) for name in tree.order}
    if isinstance(meets, Lists):
        return _by_lists(tree, meets, given, running)
    if isinstance(meets, Sampled):
        (second,) = tree.others()
        index = _repeated(tree, meets.number)
        there = np.ones(len(index[tree.first]), bool)
        return Crossing(tree, meets, {**sizes, second: meets.number}, index, there, running)
    places = np.indices(tuple(sizes.values())).reshape(len(sizes), -1)
    index = {}
    for name, place in zip(sizes, places, strict=True):
        parent = tree.parent(name)
        index[name] = place if parent is None else index[parent] * sizes[name] + place
    return Crossing(tree, meets, sizes, index, np.ones(places.shape[1], bool), running)


def _by_lists(tree: Tree, meets: Lists, given: Mapping[str, np.ndarray], running: Mapping[str, np.ndarray]) -> Crossing:
    """Each level of the first unit with those of the second that are on its list; shorter lists are filled with cells that are
    left out."""
    first, (second,) = tree.first, tree.others()
    of = {name: running[name] % meets.number for name in (first, second)}
    members = [np.flatnonzero(of[second] == number) for number in range(meets.number)]
    longest = max(map(len, members))
    filled = np.stack([np.resize(own, longest) for own in members])
    there = np.stack([np.arange(longest) < len(own) for own in members])
    index = {**_repeated(tree, longest), second: filled[of[first]].reshape(-1)}
    again = {name: _running(np.column_stack([number, given[name]])) for name, number in of.items()}
    sizes = {**{name: tree.own(name) for name in tree.order}, second: longest}
    return Crossing(tree, meets, sizes, index, there[of[first]].reshape(-1), {**running, **again})


def _repeated(tree: Tree, times: int) -> dict[str, np.ndarray]:
    """Levels of the first unit, so many times each, and of the units that they lie in."""
    index = {tree.first: np.repeat(np.arange(tree.count(tree.first)), times)}
    for inner, outer in itertools.pairwise(reversed(tree.line(tree.first))):
        index[outer] = index[inner] // tree.own(inner)
    return index


def _running(codes: np.ndarray) -> np.ndarray:
    """Numbers ``0 .. U - 1`` of levels: in their order within each combination of codes ``[U, V]``, one after the other."""
    order = np.lexsort(codes.T[::-1]) if codes.shape[1] else np.arange(len(codes))
    numbers = np.empty(len(codes), int)
    numbers[order] = np.arange(len(codes))
    return numbers
