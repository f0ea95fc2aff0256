"""Root mean squared errors of what scores measure, and which strategies have them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxsim.measures.apart import measures_of_fits
from jaxsim.measures.prediction import PREDICTION
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.canvas import canvas, model_handles
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import draw_intervals

WIDE = 10  # the largest error over the smallest from which on the axis is logarithmic


def measured(numbers: Numbers, name: str, score: str) -> pd.DataFrame:
    """A score's measure of the shown terms, by strategy and the layout's factors.

    Raises:
        Absent: without the ``score``, or without a number.
    """
    if name not in numbers.results.study.kit.measures:
        raise Absent(f"{name} is measured by studies with scores=({score}(),)")
    if name in PREDICTION:  # of a fit: the same for all of its coefficients
        by = ["model", *numbers.layout_of_fits.by]
        table = numbers.only(measures_of_fits(numbers.results.performance, by, [name], numbers.families, numbers.policy))
    else:
        table = numbers.by_family(numbers.layout.by, measures=[name])
    if not np.isfinite(table["value"].to_numpy(float)).any():
        raise Absent(f"no strategy has a finite {name} of {', '.join(numbers.shown)}")
    return table


def draw_errors(
    numbers: Numbers, table: pd.DataFrame, *, title: str, y_label: str, note: str, from_zero: bool = True, of_fits: bool = False
) -> Figure:
    """A whole figure of a root mean squared error, of coefficients or of whole fits, on a logarithmic scale if it spans much."""
    layout = numbers.layout_of_fits if of_fits else numbers.layout
    looks, note = numbers.looks_of(table), f"{note} {numbers.silent(table)}".strip()
    figure, axes = canvas(layout, title=title, y_label=y_label, handles=model_handles(looks), note=note)
    draw_intervals(axes, layout, table, looks)
    value = table["value"].to_numpy(float)
    positive = value[value > 0]
    if len(positive) and positive.max() > WIDE * positive.min():
        axes[0, 0].set_yscale("log", nonpositive="clip")
        axes[0, 0].set_ylim(0.7 * positive.min(), 1.4 * positive.max())
    elif from_zero:
        axes[0, 0].set_ylim(bottom=0)
    return figure
