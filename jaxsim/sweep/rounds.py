"""How many replicates each cell gets: all of the study's, or as many as its rule asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.measures.catalogue import OF_SCORES
from jaxsim.measures.interval import Z
from jaxsim.study.study import Study

# How a rule's names are asked for: the measure, and which true values it is about.
MEASURES = {
    "power": ("rejection", "nonzero"),
    "type_one_error": ("rejection", "zero"),
    "relative_bias": ("relative_bias", "nonzero"),
    "type_s": ("type_s", "nonzero"),
    "exaggeration": ("exaggeration", "nonzero"),
}
# ``(measure, truth, replicates, cells) -> lines by cell, model and term`` from what is finished.
Measure = Callable[[str, str | None, int, tuple[int, ...]], pd.DataFrame]


@dataclass
class Reached:
    """Replicates of each cell that are decided on, and the Monte Carlo errors that it was judged by when it had them."""

    replicates: dict[int, int]
    errors: dict[int, dict[str, float]] = field(default_factory=dict)

    def record(self, study: Study) -> dict[str, Any]:
        """The rule, and what each cell reached, cells by content: their numbers change when a grid grows."""
        assert study.until is not None
        cells = [{"key": study.cells[c].key, "replicates": n, "errors": self.errors.get(c, {})} for c, n in self.replicates.items()]
        return {"rule": study.until.in_words(), "most": study.replicates, "cells": cells}


def rounds(study: Study, measure: Measure) -> Iterator[Reached]:
    """What each cell is to have at the end of each round; before the next one, the last must be finished.

    A cell that is precise enough keeps what it has. Only replicates below that number are looked at, so the decision is the same
    however the work was divided, interrupted or computed.
    """
    every = {cell.index: study.replicates for cell in study.cells}
    if study.until is None:
        yield Reached(every)
        return
    reached, going = Reached(dict.fromkeys(every, 0)), tuple(every)
    for count in study.until.rounds(study.replicates):
        reached.replicates.update(dict.fromkeys(going, count))
        yield reached
        errors = precision(study, measure, count, going)
        reached.errors.update(errors)
        targets = dict(study.until.targets)
        going = tuple(c for c in going if any(not errors[c][name] <= target for name, target in targets.items()))
        if not going:
            return


def precision(study: Study, measure: Measure, count: int, cells: tuple[int, ...]) -> Mapping[int, dict[str, float]]:
    """Largest Monte Carlo error of each target in each cell, over coefficients and the strategies that still get replicates.

    Infinite where a strategy has no value (all its fits failed); zero where the measure does not exist (power without an effect,
    coefficients of groups that do not differ, or numbers of a score that a strategy does not have).
    """
    assert study.until is not None
    found: dict[int, dict[str, float]] = {cell: {} for cell in cells}
    growing = [e.name for e in study.estimators if e.wanted(count) == count]
    for name, _ in study.until.targets:
        asked, truth = MEASURES.get(name, (name, None))
        lines = measure(asked, truth, count, cells)
        lines = lines[lines["model"].astype(str).isin(growing)]
        if asked in OF_SCORES:
            lines = lines[lines["value"].notna() | (lines["n_used"] == 0)]
        error = lines["mcse"].to_numpy(float)
        if asked in ("rejection", "coverage", "bias_eliminated_coverage", "type_s"):
            error = (lines["high"] - lines["low"]).to_numpy(float) / (2 * Z)
        worst = pd.Series(np.where(np.isnan(error), np.inf, error)).groupby(lines["cell"].to_numpy()).max()
        for cell in cells:
            found[cell][name] = float(worst.get(cell, 0.0))
    return found
