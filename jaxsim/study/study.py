"""A simulation study: a process, a grid over its fields, and the strategies to compare; checked, and pure data."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxsim.calls import spoken_class
from jaxsim.errors import InputError, brief, finite, whole_number
from jaxsim.estimators.strategy import Strategy
from jaxsim.levels import freeze, is_called
from jaxsim.measures.own import OwnMeasure
from jaxsim.scores.group_recovery import GroupRecovery
from jaxsim.scores.score import Score
from jaxsim.seeding import replicate_key
from jaxsim.study import checks, saved, stored
from jaxsim.study.absent import AbsentMeasure, AbsentProcess, AbsentStrategy
from jaxsim.study.card import study_card
from jaxsim.study.caveats import caveats
from jaxsim.study.cell import Cell
from jaxsim.study.families import families
from jaxsim.study.hook import start
from jaxsim.study.outline import Outline

# A dataset's number is one word of its random key.
REPLICATES = 2**32


@dataclass(frozen=True)
class Study(Outline):
    """A process, a grid over its fields, the strategies to compare, and how many datasets each cell gets.

    Args:
        process: where the fields that the grid does not vary come from.
        grid: the conditions.
        estimators: strategies, each with its own label; all of them fit every dataset.
        replicates: datasets per cell; at most 2**32, since a dataset's number is a word of 32 bits in its random key.
        seed: with the cell's content and the replicate's number it decides every random number.
        conf_level: of the confidence intervals; tests are at the level 1 - conf_level unless a table is asked for another.
        dtype: ``float64``, or ``float32`` for screening on devices that are faster with it: only strategies in closed form can be
            had in it, and its random numbers are others.
        until: stop the cells that are precise enough before they have all their replicates; see :class:`jaxsim.Until`.
        group_coefficients: measure, too, how well every strategy recovers the coefficients of the groups, and how much it shrinks
            them together: short for ``scores=(GroupRecovery(),)``. All other numbers stay what they are.
        scores: what else is measured of every fit, such as :class:`jaxsim.Prediction`; see :class:`jaxsim.Score`.
        measures: your own, see :class:`jaxsim.OwnMeasure`. They are computed from what is stored, so they may be added later.

    Raises:
        InputError: for anything that cannot be simulated, before anything is, and for names that cannot be printed.
    """

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        put("estimators", checks.instances("estimators", self.estimators, Strategy, "LinearMixed() or TwoStage(label='lm2')"))
        put("scores", checks.instances("scores", self.scores, Score, "GroupRecovery()"))
        put("measures", checks.instances("measures", self.measures, OwnMeasure | AbsentMeasure, "OwnMeasure('iqr', function)"))
        put("replicates", whole_number("replicates", self.replicates, 1, REPLICATES))
        put("conf_level", float(self.conf_level) if finite(self.conf_level) else self.conf_level)
        put("seed", whole_number("seed", self.seed, 0, 2**32 - 1))
        put("group_coefficients", any(isinstance(s, GroupRecovery) for s in self.scores) or self.group_coefficients)
        put("scores", tuple(score for score in self.scores if not isinstance(score, GroupRecovery)))
        try:
            checks.every(self)
        except RecursionError:
            raise InputError("the study has lists in lists without end; give numbers, words, or lists of them.") from None

    def find(self, cell: int | Mapping[str, Any]) -> Cell:
        """A cell by its number or by its conditions; raises :class:`InputError` if there is not exactly one."""
        if isinstance(cell, Mapping):
            wanted = {k: freeze(v) for k, v in cell.items()}
            levels = [dict((*c.conditions, *c.derived)) for c in self.cells]
            matches = [
                c
                for c, own in zip(self.cells, levels, strict=True)
                if all(name in own and is_called(own[name], level) for name, level in wanted.items())
            ]
            if len(matches) != 1:
                names = ", ".join(self.grid.names)
                there = f"the factors are {names}" if names else "there are no factors, and one cell, 0"
                raise InputError(f"{len(matches)} cells match {brief(dict(cell))}; {there}.")
            return matches[0]
        if isinstance(cell, bool) or not isinstance(cell, Integral) or not 0 <= cell < len(self.cells):
            raise InputError(f"cell={brief(cell)}: this study has cells 0 to {len(self.cells) - 1}.")
        return self.cells[int(cell)]

    def dataset(self, cell: int | Mapping[str, Any], replicate: int) -> pd.DataFrame:
        """The rows of one simulated dataset, as ``Group, DV, IV1, ..``; fits of them are the fits in the results.

        Args:
            cell: a cell's number or its conditions, such as ``{"n_groups": 10, "n_obs": 5, "group_sd": 0.1}``.
            replicate: from 0; may lie beyond ``replicates``, which only says how many were summarised.

        Returns:
            The rows; ``attrs["truth"]`` holds the fixed effects and the group coefficients they were made with.
        """
        found = self.find(cell)
        return found.process.rows(self.key(found, whole_number("replicate", replicate, 0, REPLICATES - 1)))

    def key(self, cell: Cell, replicate: int) -> jax.Array:
        """The random key of one dataset."""
        return _replicate_key(np.uint32(self.seed), cell.words, np.uint32(replicate))

    def run(self, out: str | Path, **options: Any) -> Any:
        """Simulate, fit and store everything, and return the :class:`jaxsim.Results`; the options are those of
        :func:`jaxsim.sweep.run.run`."""
        return start(self, out, **options)

    def caveats(self) -> tuple[str, ...]:
        """What is known beforehand about the measures of this study, a sentence each; see :mod:`jaxsim.study.caveats`."""
        return caveats(self)

    def to_json(self) -> str:
        """The study as text that :meth:`from_json` reads back to an equal study."""
        return stored.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Study:
        """Read :meth:`to_json`. A part whose code is not here, or not as it was, is a stand-in that knows its names: such a study
        can be reported, not run. :class:`InputError` for a text that is no study."""
        with saved.readable():
            return cls(**stored.parts(text))

    @functools.cached_property
    def families(self) -> tuple[tuple[str, ...], ...]:
        """The coefficients, those together that are exchangeable by construction and that reports average; all others are each by
        itself. See :func:`jaxsim.study.families.families`."""
        return families(self)

    def _repr_html_(self) -> str:
        return study_card(self)

    @functools.cached_property
    def absent(self) -> tuple[str, ...]:
        """Why the study cannot be run here, a sentence for each part whose code is missing; empty if it can."""
        parts = (self.process, *self.estimators)
        return tuple(part.why for part in parts if isinstance(part, AbsentProcess | AbsentStrategy))


_replicate_key = jax.jit(replicate_key)


spoken_class(
    Study,
    "Study(process, Grid(n_groups=[10, 20]), (LinearMixed(), TwoStage()), replicates=1000)",
    strategies="Strategies are its estimators: estimators=(LinearMixed(), TwoStage()).",
    datasets="Datasets of a cell are its replicates: replicates=1000.",
)
