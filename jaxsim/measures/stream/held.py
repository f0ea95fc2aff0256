"""Batches of a small source kept from one look to the next: to make them takes longer than to look at them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from jaxsim.measures.stream.moments import Batch

# Bytes that are held at most: some two hundred thousand rows with all their statistics.
HELD = 2**26


@dataclass
class Held:
    """All batches of some choices of rows, if they fit; of a larger source none.

    Attributes:
        limit: bytes that are held at most.
        size: that are held.
        batches: by choice.
        too_large: choices that do not fit.
    """

    limit: int = HELD
    size: int = 0
    batches: dict[Hashable, list[Batch]] = field(default_factory=dict)
    too_large: set[Hashable] = field(default_factory=set)

    def through(self, choice: Hashable, make: Callable[[], Iterable[Batch]]) -> Iterator[Batch]:
        """The batches of a choice: those that are held, or else as they are made, and held after the last."""
        if choice in self.batches:
            yield from self.batches[choice]
            return
        some: list[Batch] = []
        size = 0
        for batch in make():
            yield batch
            size += size_of(batch)
            if choice not in self.too_large and self.size + size <= self.limit:
                some.append(batch)
            else:
                self.too_large.add(choice)
                some.clear()
        if choice not in self.too_large:
            self.batches[choice] = some
            self.size += size


def size_of(batch: Batch) -> int:
    """Bytes of a batch when all its statistics have been asked for."""
    rows, place = batch.rows, batch.place
    return 8 * len(rows) * (len(list(rows)) + 3) + 24 * len(place.dataset) + 8 * len(place.strata)
