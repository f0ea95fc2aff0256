"""What a measure needs to know of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Pair, Summary

Around = Callable[[Rows, Summary], Array]


@dataclass(frozen=True)
class Needs:
    """Statistics of the rows that a measure is made of.

    Attributes:
        means: those whose mean is needed.
        products: pairs whose centred products are needed; their means come with them.
        around: statistics that are defined by the means of others: a function of rows and summary.
        middle: the statistic whose median is needed, or None.
        whole: whether all rows of a stratum are needed at once.
    """

    means: tuple[str, ...] = ()
    products: tuple[Pair, ...] = ()
    around: Mapping[str, Around] = field(default_factory=dict)
    middle: str | None = None
    whole: bool = False

    @property
    def is_late(self) -> bool:
        """Whether it takes a second look at the rows."""
        return bool(self.around) or self.middle is not None or self.whole
