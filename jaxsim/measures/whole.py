"""Functions of all rows of a stratum, and their Monte Carlo errors by a jackknife over blocks of datasets.

A block holds the datasets whose replicates have the same remainder by 50, in every stratum of a cell. With ``t`` the function of
all rows of a stratum, ``t_b`` that of the rows outside block ``b`` and ``g`` the number of blocks that have rows, the pseudo-values
``g t - (g - 1) t_b`` take the place of the rows: as if they were independent, the variance of their mean is the jackknife's,
``(g - 1) / g sum_b (t_b - mean t_b)^2`` (Tukey 1958; Shao & Tu 1995, The Jackknife and Bootstrap, chapters 1 and 2). So the
influence of a block is its pseudo-value, centred: ``i_b = (g - 1) (mean t_b - t_b)``.

The average of several strata of a cell, left without block ``b``, is the average of their ``t_b``, ``T_b = mean_s t_sb``. The error
of an average of any measure is ``g / (g - 1) sum_b (mean_s i_sb / g)^2``, the strata's influences added up by dataset, here by
block; and with these influences that is ``(g - 1) / g sum_b (T_b - mean T_b)^2``: exactly the jackknife of the average, covariances
of the strata and all, as long as every stratum has rows in every block, whichever fits have failed. (Had the rows of a block
shared its influence, rows that one stratum lacks would take away from a covariance that the ``t_b`` already have right.) Cells are
independent, and their blocks are not matched.

Blocks of unequal size, such as those of 75 datasets, make the variance too large: of a mean by less than 0.3%.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxsim.measures.measure import Measure
from jaxsim.measures.needs import Needs
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary, Units, Whole
from jaxsim.measures.view import RowsView, by_row, numeric, quietly

BLOCKS = 50


@dataclass(frozen=True)
class WholeFunction(Measure):
    """A measure that is a function of all rows of a stratum.

    Attributes:
        name: of the measure.
        function: of the rows of a stratum, gives one number.
        shares: of the same rows, gives the influence of each of them; the error is a jackknife's when None.
        complain: told the name, and what went wrong in some stratum.
    """

    name: str
    function: Callable[[RowsView], Any]
    shares: Callable[[RowsView], Any] | None
    complain: Callable[[str, str], None]

    @property
    def needs(self) -> Needs:
        """All rows of a stratum."""
        return Needs(whole=True)

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        return summary.whole[self.name].value, summary.whole[self.name].mcse

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """That of the rows, or of the blocks where the error is a jackknife's."""
        found = summary.whole[self.name].influence
        if found is None:
            raise ValueError(f"the influences on {self.name} have been summed up; they take another look at the rows.")
        return found

    def found(self, rows: Rows, count: int) -> Whole:
        """Values and errors in ``count`` strata; NaN where a function raises, or has too few rows."""
        value, mcse, units, numbers = np.full(count, np.nan), np.full(count, np.nan), [], []
        influence, said = np.full(len(rows), np.nan), list[str]()
        with quietly():
            for stratum, place in strata_of(rows):
                value[stratum] = self._value(rows, place, said)
                if np.isnan(value[stratum]):
                    continue
                if self.shares is not None:
                    influence[place] = self._shares(rows, place, said)
                    mcse[stratum] = _error(influence[place])
                    continue
                present, pseudo = self._pseudo(rows, place, said)
                mcse[stratum] = _error(pseudo)
                units.append(np.stack([np.full(len(present), stratum), present]))
                numbers.append(pseudo)
        if said:
            self.complain(self.name, said[0])
        if self.shares is not None:
            return Whole(value, mcse, influence)
        code, number = np.concatenate([np.zeros((2, 0), np.int64), *units], axis=1)
        return Whole(value, mcse, np.concatenate([np.zeros(0), *numbers]), Units(code, number))

    def _value(self, rows: Rows, place: Array, said: list[str]) -> float:
        """Of some rows of a stratum; what goes wrong is added to ``said``."""
        try:
            value = float(numeric(self.function(RowsView(rows, place))))
        except Exception as error:  # whatever a person's function may raise
            said.append(f"{type(error).__name__}: {error}")
            return np.nan
        if np.isnan(value):
            said.append("its function gave NaN")
        return value

    def _shares(self, rows: Rows, place: Array, said: list[str]) -> Array:
        """Influence of each row, centred."""
        assert self.shares is not None
        try:
            given = by_row(self.shares, RowsView(rows, place))
        except Exception as error:  # as above
            said.append(f"of its influence, {type(error).__name__}: {error}")
            return np.full(len(place), np.nan)
        if np.isnan(given).any():
            said.append("its influence gave NaN")
        return given - given.mean()

    def _pseudo(self, rows: Rows, place: Array, said: list[str]) -> tuple[Array, Array]:
        """The blocks that have rows, and the centred pseudo-value of each."""
        block = rows["replicate"][place] % BLOCKS
        present = np.unique(block)
        if len(present) < 2:
            return present, np.full(len(present), np.nan)
        without = np.array([self._value(rows, place[block != b], said) for b in present])
        return present, (len(present) - 1) * (without.mean() - without)


def strata_of(rows: Rows) -> Iterator[tuple[int, Array]]:
    """Each stratum that has rows, with the places of its rows in the order of their replicates."""
    if not len(rows):
        return
    order = np.lexsort((rows["replicate"], rows.code))
    strata, start = np.unique(rows.code[order], return_index=True)
    yield from zip(strata.tolist(), np.split(order, start[1:]), strict=True)


def _error(influence: Array) -> float:
    """Monte Carlo error of a value whose independent units have these influences; NaN of fewer than two."""
    n = len(influence)
    return float(np.sqrt((influence**2).sum() / (n * (n - 1)))) if n > 1 else np.nan
