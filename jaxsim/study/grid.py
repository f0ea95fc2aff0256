"""The conditions of a study: every combination of some factors, or those of them that a function keeps."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxsim.errors import InputError, brief, printable, several
from jaxsim.levels import freeze, leaves, shown

Pairs = tuple[tuple[str, Any], ...]
# Combinations of a grid at most, those that a linked grid leaves out included: each is looked at, several times. (A study has fewer
# cells: see jaxsim.study.checks.)
MOST = 1_000_000


@dataclass(frozen=True, init=False)
class Grid:
    """Every combination of the levels of some factors, each factor a field of the process.

    ``Grid(n_groups=[10, 30], n_obs=[5, 25])`` has four cells; the last factor varies fastest. :meth:`linked` is for factors that
    are no fields, fields that depend on several factors, and combinations that are left out.

    Attributes:
        factors: names and levels.
        links: of a linked grid, the number of each combination that is kept and the fields it sets; None for any other.

    Raises:
        InputError: for a factor without levels or with a level given twice, names or words that cannot be printed, and more than
            ``MOST`` combinations.
    """

    factors: tuple[tuple[str, tuple[Any, ...]], ...]
    links: tuple[tuple[int, Pairs], ...] | None = field(default=None)

    def __init__(self, factors: Iterable[tuple[str, Iterable[Any]]] = (), **named: Iterable[Any]) -> None:
        frozen = tuple((name, _levels(name, levels)) for name, levels in (*_pairs(factors), *named.items()))
        names = [name for name, _ in frozen]
        if len(set(names)) < len(names):
            raise InputError(f"two factors of the grid have the same name: {', '.join(names)}.")
        combinations = math.prod(len(levels) for _, levels in frozen)
        if combinations > MOST:
            sizes = " x ".join(str(len(levels)) for _, levels in frozen)
            raise InputError(f"the grid has {sizes} = {combinations:,} combinations; give levels for at most {MOST:,}.")
        object.__setattr__(self, "factors", frozen)
        object.__setattr__(self, "links", None)

    def linked(self, function: Callable[..., Mapping[str, Any] | None]) -> Grid:
        """The same factors, with fields of the process that follow from all of them.

        Factors that are fields of the process go on setting them; the others are only what ``function`` makes of them, such as
        an effect in standard errors, from which the fixed effects follow.

        Args:
            function: called with the conditions of every combination by name, once, now. It gives the values of further fields
                (``{}`` for none), or None to leave the combination out.

        Raises:
            InputError: if it keeps no combination, sets a factor, or sets other fields in one cell than in another.
        """
        kept = []
        for number, conditions in enumerate(self._crossed()):
            found = function(**dict(conditions))
            if found is not None and not isinstance(found, Mapping):
                raise InputError(
                    f"the function of a linked grid returned {brief(found)} for {brief(dict(conditions))}; return a dictionary of "
                    "fields, or None to leave the combination out."
                )
            if found is not None:
                kept.append((number, tuple((name, freeze(value)) for name, value in found.items())))
        return self.with_links(tuple(kept))

    def with_links(self, links: tuple[tuple[int, Pairs], ...]) -> Grid:
        """The same factors with these links; see :meth:`linked` for what is refused."""
        if not links:
            raise InputError("the function of a linked grid keeps no combination; give the fields of at least one.")
        for name in {name for _, pairs in links for name, _ in pairs}:
            printable("a field that a linked grid sets,", name)
        names = [sorted(name for name, _ in pairs) for _, pairs in links]
        for given in names:
            if given != names[0]:
                raise InputError(f"a linked grid must set the same fields in every cell, not {given} here and {names[0]} there.")
        for name in set(names[0]) & set(self.names):
            raise InputError(f"a linked grid sets {name!r}, which is one of its factors; leave it to the factor.")
        grid = Grid(self.factors)
        object.__setattr__(grid, "links", tuple(links))
        return grid

    @property
    def names(self) -> tuple[str, ...]:
        """The factors."""
        return tuple(name for name, _ in self.factors)

    @property
    def linked_names(self) -> tuple[str, ...]:
        """Fields that are set besides the factors; none unless the grid is linked."""
        return tuple(name for name, _ in self.links[0][1]) if self.links else ()

    @property
    def must_be_fields(self) -> tuple[str, ...]:
        """What the process must have: every factor, or of a linked grid the fields it sets."""
        return self.names if self.links is None else self.linked_names

    def __len__(self) -> int:
        if self.links is not None:
            return len(self.links)
        return math.prod(len(levels) for _, levels in self.factors)

    def conditions(self) -> Iterator[Pairs]:
        """Every combination that is kept, in order."""
        return (conditions for conditions, _ in self.cells())

    def cells(self) -> Iterator[tuple[Pairs, Pairs]]:
        """The same, with the fields that each sets besides."""
        if self.links is None:
            yield from ((conditions, ()) for conditions in self._crossed())
            return
        kept = dict(self.links)
        yield from ((conditions, kept[number]) for number, conditions in enumerate(self._crossed()) if number in kept)

    def _crossed(self) -> Iterator[Pairs]:
        for levels in itertools.product(*(levels for _, levels in self.factors)):
            yield tuple(zip(self.names, levels, strict=True))


def _pairs(factors: Any) -> list[tuple[Any, Any]]:
    """Factors as they are given in order, ``(name, levels)`` each."""
    given = several(factors, MOST)
    if given is not None and len(given) <= MOST and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given):
        return [(name, levels) for name, levels in given]
    raise InputError(f"Grid({brief(factors)}): give factors by name, Grid(n_groups=[10, 30]), or pairs of a name and its levels.")


def _levels(name: Any, given: Any) -> tuple[Any, ...]:
    """The levels of a factor, checked; of something endless no more is read than a grid may have."""
    printable("grid factor", name)
    found = several(given, MOST)
    if found is None:
        raise InputError(f"grid factor {name}={brief(given)}: give a list of levels, such as {name}=[{brief(given)}].")
    try:
        levels = tuple(map(freeze, found))
    except RecursionError:
        raise InputError(f"grid factor {name!r} has lists in lists without end; give numbers, words, or lists of them.") from None
    if not levels:
        raise InputError(f"grid factor {name!r} has no levels; give at least one.")
    if len(levels) > MOST:
        raise InputError(f"grid factor {name!r} has more than {MOST:,} levels, or no end of them; give at most {MOST:,}.")
    for leaf in leaves(levels):
        if isinstance(leaf, str) and not leaf.isprintable():
            raise InputError(f"grid factor {name!r} has the level {brief(leaf)}; give printable text on one line.")
        if isinstance(leaf, int) and abs(leaf) >= 2**63:
            raise InputError(f"grid factor {name!r} has the level {brief(leaf)}; give numbers of 64 bits.")
    if _repeated(levels):
        raise InputError(f"grid factor {name!r} names a level twice: {brief(list(levels))}.")
    texts = Counter(str(shown(level)) for level in levels if not isinstance(level, tuple))
    alike, count = texts.most_common(1)[0] if texts else ("", 0)
    if count > 1:
        raise InputError(
            f"grid factor {name!r} has two levels that tables would show as {brief(alike)}; give them names of their own."
        )
    return levels


def _repeated(levels: tuple[Any, ...]) -> bool:
    """Whether two of them are equal."""
    try:
        return len(set(levels)) < len(levels)
    except TypeError:  # something that cannot be looked up, such as a dictionary
        pass
    try:
        return any(bool(level == other) for i, level in enumerate(levels) for other in levels[:i])
    except (TypeError, ValueError):
        raise InputError(
            f"the levels {brief(levels)} of a grid cannot be compared; give numbers, words, or lists of them."
        ) from None
