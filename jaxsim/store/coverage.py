"""Which datasets are finished for which strategies: sets of intervals of replicates, by strategy and cell."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jaxsim.errors import InputError, brief, whole_number

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]


def replicate_range(replicates: object) -> Interval | None:
    """First and end of the replicates that are asked for: the first so many, or a pair of numbers; None for all.

    Raises:
        InputError: for anything else.
    """
    if replicates is None:
        return None
    if not isinstance(replicates, tuple | list):
        return 0, whole_number("replicates", replicates, 0)
    if len(replicates) != 2:
        raise InputError(f"replicates={brief(replicates)}: give how many of each cell, or a pair of numbers (first, end).")
    first = whole_number("the first of replicates", replicates[0], 0)
    return first, whole_number("the end of replicates", replicates[1], first)


def union(intervals: Iterable[Interval]) -> Intervals:
    """Disjoint intervals in order that cover the same numbers."""
    found: list[Interval] = []
    for start, stop in sorted(intervals):
        if stop <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return tuple(found)


def less(one: Interval, covered: Intervals) -> Intervals:
    """What of an interval is not covered."""
    start, stop = one
    rest: list[Interval] = []
    for low, high in covered:
        if low > start:
            rest.append((start, min(low, stop)))
        start = max(start, high)
    return union([*rest, (start, stop)])


def common(one: Interval, covered: Intervals) -> Intervals:
    """What of an interval is covered."""
    return union((max(one[0], low), min(one[1], high)) for low, high in covered)


def nth(intervals: Intervals, places: Sequence[int]) -> list[int]:
    """The numbers at some places among those that intervals hold in order, from 0."""
    found: list[int] = []
    for place in places:
        left = place
        for start, stop in intervals:
            if left < stop - start:
                found.append(start + left)
                break
            left -= stop - start
    return found


@dataclass
class Coverage:
    """Finished replicates by strategy's label and cell's key."""

    done: dict[tuple[str, str], Intervals] = field(default_factory=dict)

    def count(self, model: str, key: str) -> int:
        """How many replicates of a cell a strategy has fitted."""
        return sum(stop - start for start, stop in self.of(model, key))

    def of(self, model: str, key: str) -> Intervals:
        """Replicates of a cell that a strategy has fitted."""
        return self.done.get((model, key), ())

    def add(self, model: str, key: str, *intervals: Interval) -> None:
        """Count intervals as finished."""
        self.done[model, key] = union([*self.of(model, key), *intervals])

    def missing(self, model: str, key: str, replicates: int) -> Intervals:
        """Which of the first so many replicates a strategy has not fitted."""
        return less((0, replicates), self.of(model, key))


def repeated(intervals: list[tuple[int, Interval]]) -> dict[int, Intervals]:
    """Of intervals with their owners' numbers: what of each owner's one with a smaller number holds, too; mostly nothing."""
    ordered = sorted(interval for _, interval in intervals)
    if all(one[1] <= other[0] for one, other in itertools.pairwise(ordered)):
        return {}
    seen: Intervals = ()
    found: dict[int, Intervals] = {}
    for owner, interval in sorted(intervals):
        twice = common(interval, seen)
        if twice:
            found[owner] = union([*found.get(owner, ()), *twice])
        seen = union([*seen, interval])
    return found
