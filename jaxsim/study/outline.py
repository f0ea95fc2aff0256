"""The parts of a study and what follows from them, before anything is checked: pure data."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxsim.data.names import Names
from jaxsim.estimators.strategy import Strategy
from jaxsim.levels import amount, in_tables
from jaxsim.measures.kit import Kit
from jaxsim.measures.own import OwnMeasure
from jaxsim.processes.process import Process
from jaxsim.scores.group_recovery import GroupRecovery
from jaxsim.scores.score import Score
from jaxsim.study import registry
from jaxsim.study.absent import AbsentMeasure
from jaxsim.study.cell import Cell
from jaxsim.study.grid import Grid
from jaxsim.study.until import Until


@dataclass(frozen=True)
class Outline:
    """What a :class:`jaxsim.Study` consists of; see there."""

    process: Process
    grid: Grid
    estimators: tuple[Strategy, ...]
    replicates: int
    seed: int = 0
    conf_level: float = 0.95
    dtype: str = "float64"
    until: Until | None = None
    group_coefficients: bool = False
    scores: tuple[Score, ...] = ()
    measures: tuple[OwnMeasure | AbsentMeasure, ...] = ()

    @functools.cached_property
    def names(self) -> Names:
        """Names of the process's terms, columns and factors."""
        return self.process.names

    @functools.cached_property
    def terms(self) -> tuple[str, ...]:
        """Every coefficient that some strategy estimates: the process's fixed effects first, then others."""
        own = (name for strategy in self.estimators for name in strategy.coefficients(self.names))
        return tuple(dict.fromkeys((*self.names.fixed, *own)))

    @functools.cached_property
    def mixed(self) -> tuple[str, ...]:
        """Labels of the strategies that have variance components, and may be singular."""
        return tuple(strategy.name for strategy in self.estimators if strategy.random_effects(self.names))

    @functools.cached_property
    def every_score(self) -> tuple[Score, ...]:
        """All scores, that of the groups' coefficients among them, at the study's level of intervals."""
        every = ((GroupRecovery(),) if self.group_coefficients else ()) + self.scores
        return tuple(score.at(self.conf_level) for score in every)

    @functools.cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell, in the order of the grid."""
        known = self.process.values
        return tuple(
            Cell(i, conditions, self.process.having(**{k: v for k, v in conditions if k in known}, **dict(linked)), linked)
            for i, (conditions, linked) in enumerate(self.grid.cells())
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What the stored numbers depend on besides cells, replicates and strategies."""
        groups = {"group_coefficients": True} if self.group_coefficients else {}  # folders from before this was there have none
        scores = {"scores": [registry.canonical(score) for score in self.scores]} if self.scores else {}
        return {"seed": self.seed, "conf_level": self.conf_level, "dtype": self.dtype, **groups, **scores}

    def datasets(self, replicates: Mapping[int, int] | None = None) -> int:
        """Datasets of the whole study, or with so many replicates of each cell (by its number), that some strategy fits."""
        wanted = [self.replicates if replicates is None else replicates.get(cell.index, 0) for cell in self.cells]
        return sum(max(e.wanted(count) for e in self.estimators) for count in wanted)

    def cell_table(self) -> pd.DataFrame:
        """One row a cell: its number, its conditions, and the fields that a linked grid sets besides (see
        :func:`jaxsim.levels.in_tables` for what is not a number or a string)."""
        given = [dict((*c.conditions, *c.derived)) for c in self.cells]
        columns = {name: in_tables(self._read(name, [row[name] for row in given])) for name in given[0]}
        return pd.DataFrame({"cell": [c.index for c in self.cells], **columns})

    def _read(self, name: str, levels: list[Any]) -> list[Any]:
        """Levels of a factor, one a cell, as the process reads them where some are said to be in units of another kind: to a design
        whose classes lie in schools, 4 is ``nested("school", 4)``."""
        if all(amount(level) is None for level in levels):
            return levels
        return [cell.process.values.get(name, level) for cell, level in zip(self.cells, levels, strict=True)]

    @functools.cached_property
    def kit(self) -> Kit:
        """Everything that is measured of the estimates."""
        own = tuple(measure for measure in self.measures if isinstance(measure, OwnMeasure))
        return Kit(self.conf_level, tuple(score.addition for score in self.every_score), own)
