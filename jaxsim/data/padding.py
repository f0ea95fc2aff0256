"""The few sizes that arrays are padded to: one compiled program then serves many numbers of groups."""

from __future__ import annotations

from dataclasses import dataclass

# Powers of two: at most half of the groups that are computed are padding.
PADDED_GROUPS = tuple(2**k for k in range(3, 16))


def padded_groups(n_groups: int) -> int:
    """The smallest padded size that holds ``n_groups``."""
    for size in PADDED_GROUPS:
        if n_groups <= size:
            return size
    return -(-n_groups // PADDED_GROUPS[-1]) * PADDED_GROUPS[-1]


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
        return Bounds(tuple(map(padded_groups, self.levels)), padded_groups(self.cells), self.rows)
