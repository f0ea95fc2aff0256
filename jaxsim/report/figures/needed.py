"""How many are needed for a target, as marks on its line: where the curve of a strategy that keeps its promise crosses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from jaxsim.measures.crossing import FOUND, Crossing, crossing_of
from jaxsim.measures.sufficiency import amount_in_words, limits_in_words
from jaxsim.report.figures.style import Look

STEP = 3.2  # points between the marks of two strategies, which may be at one number
MOST_TOLD = 4  # numbers in a note
NEEDED, LIMITS = "needed by ", "limits of what is needed by "  # begin the labels of a mark and of the bar over its limits


@dataclass(frozen=True)
class Mark:
    """Where a strategy's curve crosses the target, between the levels ``first`` and ``last``."""

    model: str
    crossing: Crossing
    first: float
    last: float

    def in_words(self) -> str:
        """``lmer 118 (112 to 123)``."""
        row = dataclasses.asdict(self.crossing)
        limits = limits_in_words(row)
        return f"{self.model} {amount_in_words(row)}" + f" ({limits})" * bool(limits)


def marks_of(lines: pd.DataFrame, x: str, models: Sequence[str], target: float) -> list[Mark]:
    """Of some strategies in one panel, those whose curve crosses the target.

    Args:
        lines: rates by strategy and level of ``x``, with their errors and limits.
        x: the factor along the axis, which says how many there are.
        models: strategies that kept their promise.
        target: the height of the line.
    """
    found = []
    for model in models:
        own = lines[lines["model"].astype(str) == model]
        size, value, mcse, low, high = own[[x, "value", "mcse", "low", "high"]].to_numpy(float).T
        crossing = crossing_of(size, value, mcse, low, high, target)
        if crossing.status == FOUND:
            found.append(Mark(model, crossing, float(size.min()), float(size.max())))
    return found


def draw_marks(ax: Axes, marks: Sequence[Mark], looks: Mapping[str, Look], target: float) -> None:
    """An upright tick at each number and a bar over its limits (to the last level where a limit is beyond), above each other."""
    scale = ax.figure.dpi_scale_trans
    for k, mark in enumerate(marks):
        rise = ((len(marks) - 1) / 2 - k) * STEP / 72
        low, high = (float(end) for end in (mark.crossing.low, mark.crossing.high))
        ends = [mark.first if np.isnan(low) else low, mark.last if np.isnan(high) else high]
        options: Any = dict(color=looks[mark.model].color, transform=ax.transData + ScaledTranslation(0, rise, scale), zorder=4)
        ax.plot(ends, [target, target], lw=1.5, solid_capstyle="butt", label=f"{LIMITS}{mark.model}", **options)
        ax.plot([mark.crossing.needed], [target], marker="|", ms=8, mew=1.5, lw=0, label=f"{NEEDED}{mark.model}", **options)


def note(marks: Mapping[tuple[int, int], Sequence[Mark]], rate: str, target: float) -> str:
    """What marks are, and their numbers where they are few and of one panel; empty if there are none.

    Args:
        marks: by panel.
        rate, target: what it takes so many for.
    """
    panels = [own for own in marks.values() if own]
    if not panels:
        return ""
    few = len(panels) == 1 and len(panels[0]) <= MOST_TOLD
    told = f": {', '.join(mark.in_words() for mark in panels[0])}" if few else ""
    return f"Ticks on the black line: how many a {rate} of {target:g} needs, with 95% Monte Carlo limits{told}."
