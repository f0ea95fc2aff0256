"""Coverage against the number of groups."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from jaxsim.report.figures.coverage import stretch
from jaxsim.report.figures.curves import draw_curves
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import COVERAGE


def draw(numbers: Numbers) -> Figure:
    """Coverage with the nominal level; see :func:`draw_curves` for what it needs."""
    level = numbers.results.study.conf_level
    figure, axes, table = draw_curves(
        numbers,
        COVERAGE,
        title=f"Coverage of {100 * level:g}% confidence intervals",
        line=level,
        along=("n_groups",),
        note=f"Black line: {level:g}. The scale is stretched towards 1.",
    )
    stretch(axes, float(np.nan_to_num(table["low"], nan=1.0).min()))
    return figure
