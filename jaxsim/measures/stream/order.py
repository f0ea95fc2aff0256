"""Exact medians of values that are not kept: counts in bins first, then only the values of the bins that hold the ranks.

Values are not negative, so the bits of a double, read as a whole number, are in the order of the values. The first bins are 16 to
an octave; where they still hold too many values, they are divided again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxsim.measures.middle import Middle, middle_of, ranks
from jaxsim.measures.sample import Array

BINS = 512
# The first bins are as wide as the last 48 bits, 1/16 of an octave, and begin at 2**-24; what is beyond is in the outermost.
FIRST_WIDTH, FIRST_LOW = 1 << 48, (1023 - 24) << 52
LAST = (1 << 63) - 1
# A bracket is divided while it holds more values than this, plus four times sqrt(n): the ranks are 2 sqrt(n) apart.
MOST_VALUES = 4096
BLOCK = 4096  # strata whose bins are added up at a time


@dataclass(frozen=True)
class Bracket:
    """Where the ranks of each stratum are, ``[K]`` each.

    Attributes:
        low, high: their bits are from ``low`` to before ``high``.
        below, inside: how many values are smaller, and how many in the bracket.
    """

    low: Array
    high: Array
    below: Array
    inside: Array

    def holds(self, code: Array, bits: Array) -> Array:
        """Which values are inside, bool ``[rows]``."""
        return (bits >= self.low[code]) & (bits < self.high[code])

    def too_wide(self, size: Array) -> Array:
        """Which strata have more values inside than should be kept, bool ``[K]``."""
        return (self.inside > MOST_VALUES + 4 * np.sqrt(size)) & (self.high - self.low > 1)


class Bins:
    """Counts the values of K strata in bins of a bracket."""

    def __init__(self, bracket: Bracket, low: Array, width: Array) -> None:
        self.bracket, self.low, self.width = bracket, low, width
        self.counts = np.zeros((len(low), BINS), np.uint32)

    @classmethod
    def first(cls, count: int) -> Bins:
        """Of values that nothing is known about."""
        none = np.zeros(count, np.int64)
        return cls(Bracket(none, np.full(count, LAST), none, none), np.full(count, FIRST_LOW), np.full(count, FIRST_WIDTH))

    @classmethod
    def of(cls, bracket: Bracket) -> Bins:
        """Equal parts of a bracket."""
        return cls(bracket, bracket.low, np.maximum(-(-(bracket.high - bracket.low) // BINS), 1))

    def add(self, code: Array, values: Array) -> None:
        """Count some values, ``[rows]``."""
        bits = bits_of(values)
        inside = self.bracket.holds(code, bits)
        code, bits = code[inside], bits[inside]
        np.add.at(self.counts, (code, np.clip((bits - self.low[code]) // self.width[code], 0, BINS - 1)), 1)

    def narrowed(self, size: Array) -> Bracket:
        """The bins that hold the ranks of ``size`` values a stratum."""
        held, (low, _, _, high) = self.bracket, ranks(size)
        parts = [np.zeros((4, 0), np.int64)]
        for i in range(0, len(size), BLOCK):
            block = slice(i, i + BLOCK)
            parts.append(_bins_with(self.counts[block], low[block] - held.below[block], high[block] - held.below[block]))
        begin, end, smaller, inside = np.concatenate(parts, axis=1)
        return Bracket(
            np.where(begin == 0, held.low, self.low + begin * self.width),
            np.where(end == BINS - 1, held.high, np.minimum(self.low + (end + 1) * self.width, held.high)),
            held.below + smaller,
            inside,
        )


class Collector:
    """Keeps the values inside a bracket, and finds the order statistics."""

    def __init__(self, bracket: Bracket) -> None:
        self.bracket = bracket
        self.codes, self.kept = [np.zeros(0, np.int64)], [np.zeros(0)]

    def add(self, code: Array, values: Array) -> None:
        """Look at some values, ``[rows]``."""
        inside = self.bracket.holds(code, bits_of(values))
        self.codes.append(code[inside])
        self.kept.append(values[inside])

    def middle(self, size: Array) -> Middle:
        """Of ``size`` values a stratum."""
        return middle_of(np.concatenate(self.kept), np.concatenate(self.codes), size, self.bracket.below)


def _bins_with(counts: Array, low: Array, high: Array) -> Array:
    """The bins that hold two ranks, how many values come before the first and how many are from it to the second, ``[4, K]``."""
    reached = np.cumsum(counts, axis=1, dtype=np.int64)
    begin, end = (np.minimum((reached < rank[:, None]).sum(axis=1), BINS - 1) for rank in (low, high))
    line = np.arange(len(counts))
    before = reached[line, begin] - counts[line, begin]
    return np.stack([begin, end, before, reached[line, end] - before])


def bits_of(values: Array) -> Array:
    """The bits of doubles that are not negative, as whole numbers in the same order."""
    return np.ascontiguousarray(values, np.float64).view(np.int64)
