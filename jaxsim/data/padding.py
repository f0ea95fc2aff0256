"""The few sizes that arrays are padded to: one compiled program then serves many numbers of groups."""

from __future__ import annotations

from dataclasses import dataclass

# Powers of two, and sizes for 10 and 100 groups, which people ask for most and which would cost up to a third more. Few, because
# each is a program to compile; at most half of the groups that are computed are padding.
PADDED_GROUPS = (8, 12, 16, 32, 64, 104, *(2**k for k in range(7, 16)))


def padded_groups(n_groups: int) -> int:
    """The smallest padded size that holds ``n_groups``."""
    for size in PADDED_GROUPS:
        if n_groups <= size:
            return size
    return -(-n_groups // PADDED_GROUPS[-1]) * PADDED_GROUPS[-1]


# Of several factors cost grows with products of their levels, and padding both would square what it costs.
SMALLEST_STEP = 4


def padded_levels(count: int) -> int:
    """The smallest padded size of one of several factors, or of their cells: in steps of a quarter of a power of two."""
    step = max(SMALLEST_STEP, 2 ** (count.bit_length() - 3))
    return -(-count // step) * step


@dataclass(frozen=True)
class Bounds:
    """Sizes of the arrays of one dataset, known before it is drawn.

    Attributes:
        levels: of each grouping factor.
        cells: of the joint grouping; of one factor its levels.
        rows: of the dataset; 0 for a process that draws cross-products.
    """

    levels: tuple[int, ...]
    cells: int
    rows: int = 0

    @classmethod
    def of_groups(cls, groups: int, rows: int = 0) -> Bounds:
        """Of one grouping factor."""
        return cls((groups,), groups, rows)

    @property
    def groups(self) -> int:
        """Levels of the first factor."""
        return self.levels[0]

    def padded(self) -> Bounds:
        """The sizes that programs are compiled for. Rows are not padded: whoever draws them knows how many there are."""
        padded = padded_groups if len(self.levels) == 1 else padded_levels
        return Bounds(tuple(map(padded, self.levels)), padded(self.cells), self.rows)
