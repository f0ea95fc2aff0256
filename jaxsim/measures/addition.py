"""What a score of a study adds to what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxsim.measures.measure import Measure
from jaxsim.measures.statistics import Statistic


@dataclass(frozen=True)
class Addition:
    """Columns of the estimates table that a score made, and the measures made of them.

    Attributes:
        columns: their names; each is a statistic of the rows, too.
        statistics: further statistics of the rows: functions of them, such as ``lambda rows: rows["group_mse"] ** 2``.
        measures: of one strategy, by name.
        differences: of two strategies on the same datasets, by name: of statistics ``x`` of the strategy, ``r_x`` of the reference
            and ``d_x``, their difference.
    """

    columns: tuple[str, ...] = ()
    statistics: Mapping[str, Statistic] = field(default_factory=dict)
    measures: Mapping[str, Measure] = field(default_factory=dict)
    differences: Mapping[str, Measure] = field(default_factory=dict)
