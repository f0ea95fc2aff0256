"""Coverage against the number of groups."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from jaxsim.report.figures.coverage import stretch
from jaxsim.report.figures.curves import draw_curves
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import COVERAGE


def draw(numbers: Numbers) -> Figure | None:
    """Coverage with the nominal level; None without a numeric factor of three levels."""
    level = numbers.results.study.conf_level
    drawn = draw_curves(
        numbers,
        COVERAGE,
        title=f"Coverage of {100 * level:g}% confidence intervals",
        line=level,
        along=("n_groups",),
        note=f"Black line: {level:g}. The scale is stretched towards 1.",
    )
    if drawn is None:
        return None
    figure, axes, table = drawn
    stretch(axes, float(np.nan_to_num(table["low"], nan=1.0).min()))
    return figure
