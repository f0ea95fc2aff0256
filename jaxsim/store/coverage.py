"""Which datasets are finished for which strategies: sets of intervals of replicates, by strategy and cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]


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


@dataclass
class Coverage:
    """Finished replicates by strategy's label and cell's key."""

    done: dict[tuple[str, str], Intervals] = field(default_factory=dict)

    def of(self, model: str, key: str) -> Intervals:
        """Replicates of a cell that a strategy has fitted."""
        return self.done.get((model, key), ())

    def add(self, model: str, key: str, interval: Interval) -> Intervals:
        """Count an interval as finished; returns what of it already was."""
        before = self.of(model, key)
        self.done[model, key] = union([*before, interval])
        return common(interval, before)

    def missing(self, model: str, key: str, replicates: int) -> Intervals:
        """Which of the first so many replicates a strategy has not fitted."""
        return less((0, replicates), self.of(model, key))
