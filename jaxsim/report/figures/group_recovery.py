"""How well the coefficients of the groups are recovered, and how much they are shrunk together."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxsim.report.figures.errors import draw_errors, measured
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import interval_figure

FAR = -2  # shrinkage below which the axis is logarithmic below -1


def draw_recovery(numbers: Numbers) -> Figure:
    """Root mean squared error of the groups' coefficients; :class:`Absent` if the study did not ask for it."""
    table = measured(numbers, "group_rmse", "GroupRecovery")
    y_label = "root mean squared error"
    return draw_errors(numbers, table, title="Error of the groups' coefficients", y_label=y_label, note=numbers.note())


def draw_shrinkage(numbers: Numbers) -> Figure:
    """Shrinkage of the groups' coefficients; :class:`Absent` if the study did not ask for it, or groups never differ."""
    table = measured(numbers, "group_shrinkage", "GroupRecovery")
    lowest = float(np.nanmin(table[["value", "low"]].to_numpy(float)))
    far = lowest < FAR
    figure, axes = interval_figure(
        numbers,
        table,
        line=0.0,
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
