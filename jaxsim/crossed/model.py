"""A mixed model with several grouping factors as the kernels must know it at trace time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from jaxsim.data.random_effects import RandomEffects, Structure
from jaxsim.lmm.deviance import Spec


class Model(NamedTuple):
    """Columns, structure and sizes. The factor with the most effects comes first: it is eliminated level by level, and all others
    are one dense block.

    Attributes:
        spec: of the effects of all factors, one factor after the other: its ``structure`` has the blocks of each.
        widths: columns with a random effect of each factor, ``q_f``.
        counts: levels of each factor that the kernels have, padding included, ``G_f``: one where all levels meet alike
            (:mod:`jaxsim.crossed.free`).
        levels: those that the data have.
        factors: their positions among the factors of the data.
        order: where in this order each of the effects is that the model was made of.
    """

    spec: Spec
    widths: tuple[int, ...]
    counts: tuple[int, ...]
    levels: tuple[int, ...]
    factors: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def planned(self) -> bool:
        """Whether the kernels have one level of each factor."""
        return self.counts != self.levels

    def by_level(self) -> Model:
        """The same with all levels."""
        return self._replace(counts=self.levels)

    @property
    def ends(self) -> tuple[int, ...]:
        """Where each factor's columns begin among all ``Q``, and ``Q``."""
        return tuple(itertools.accumulate(self.widths, initial=0))

    @property
    def dense(self) -> int:
        """Effects of all factors but the first, ``r2``."""
        return sum(q * count for q, count in zip(self.widths[1:], self.counts[1:], strict=True))

    def columns(self, factor: int) -> tuple[int, ...]:
        """Positions of a factor's columns with a random effect."""
        return self.spec.random[self.ends[factor] : self.ends[factor + 1]]

    def structure(self, factor: int) -> Structure:
        """Of a factor's effects alone."""
        begin, end = self.ends[factor : factor + 2]
        blocks = self.spec.structure.blocks
        return Structure(tuple(tuple(i - begin for i in block) for block in blocks if begin <= block[0] < end))


def model_of(
    fixed: Sequence[int], random: Sequence[tuple[int, RandomEffects, Sequence[int], int]], reml: bool, planned: bool = False
) -> Model:
    """The model with these effects.

    Args:
        fixed: positions of the columns with a fixed effect.
        random: of each factor its position in the data, its effects, the positions of their columns, and its levels.
        reml: or maximum likelihood.
        planned: whether all levels of all factors meet, with the same rows of the columns with random effects.
    """
    first = sorted(range(len(random)), key=lambda i: -len(random[i][2]) * random[i][3])
    ordered = [random[i] for i in first]
    widths = tuple(len(columns) for _, _, columns, _ in ordered)
    begins = itertools.accumulate(widths, initial=0)
    blocks = tuple(
        tuple(begin + i for i in block)
        for begin, (_, effects, _, _) in zip(begins, ordered, strict=False)
        for block in effects.structure.blocks
    )
    columns = tuple(int(i) for _, _, own, _ in ordered for i in own)
    return Model(
        spec=Spec(tuple(int(i) for i in fixed), columns, Structure(blocks), reml),
        widths=widths,
        counts=tuple(1 if planned else count for _, _, _, count in ordered),
        levels=tuple(count for _, _, _, count in ordered),
        factors=tuple(place for place, _, _, _ in ordered),
        order=tuple(first.index(i) for i in range(len(random))),
    )
