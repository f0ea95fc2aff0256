"""How well the coefficients of the groups are recovered, and how much they are shrunk together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxsim.report.figures.canvas import canvas, model_handles
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import draw_intervals, interval_figure
from jaxsim.report.figures.style import Look

WIDE = 10  # the largest error over the smallest from which on the axis is logarithmic
FAR = -2  # shrinkage below which the axis is logarithmic below -1


def draw_recovery(numbers: Numbers) -> Figure | None:
    """Root mean squared error of the groups' coefficients; None if the study did not ask for it."""
    table = _measure(numbers, "group_rmse")
    if table is None:
        return None
    looks = _looks(numbers, table)
    figure, axes = canvas(
        numbers.layout,
        title="Error of the groups' coefficients",
        y_label="root mean squared error",
        handles=model_handles(looks),
        note=numbers.note(),
    )
    draw_intervals(axes, numbers.layout, table, looks)
    value = table["value"].to_numpy(float)
    positive = value[value > 0]
    if len(positive) and positive.max() > WIDE * positive.min():
        axes[0, 0].set_yscale("log", nonpositive="clip")
        axes[0, 0].set_ylim(0.7 * positive.min(), 1.4 * positive.max())
    else:
        axes[0, 0].set_ylim(bottom=0)
    return figure


def draw_shrinkage(numbers: Numbers) -> Figure | None:
    """Shrinkage of the groups' coefficients; None if the study did not ask for it, or groups never differ."""
    table = _measure(numbers, "group_shrinkage")
    if table is None:
        return None
    lowest = float(np.nanmin(table[["value", "low"]].to_numpy(float)))
    far = lowest < FAR
    figure, axes = interval_figure(
        numbers,
        table,
        line=0.0,
        looks=_looks(numbers, table),
        title="Shrinkage of the groups' coefficients",
        y_label="1 − SD of estimated / SD of true ones",
        note=numbers.note() + (" Below −1 the scale is logarithmic." if far else ""),
    )
    if far:
        axes[0, 0].set_yscale("symlog", linthresh=1.0, linscale=2.0)
        axes[0, 0].set_ylim(1.2 * lowest, 1.2)
        ticks = [1.0, 0.5, 0.0, -0.5, *(-(10.0**k) for k in range(int(np.log10(-lowest)) + 1))]
        axes[0, 0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes[0, 0].yaxis.set_minor_locator(NullLocator())
    return figure


def _measure(numbers: Numbers, name: str) -> pd.DataFrame | None:
    """One measure of the shown terms, by strategy and the layout's factors; None without a number."""
    if not numbers.results.study.group_coefficients:
        return None
    by = ["model", *numbers.layout.by]
    table = numbers.results.measures(by, policy=numbers.policy, measures=[name], terms=numbers.shown)
    return table if np.isfinite(table["value"].to_numpy(float)).any() else None


def _looks(numbers: Numbers, table: pd.DataFrame) -> dict[str, Look]:
    """Of the strategies that have coefficients of groups."""
    known = set(table.loc[table["value"].notna(), "model"].astype(str))
    return {model: look for model, look in numbers.looks.items() if model in known}
