"""Coverage in every combination of the factors, as a nested-loop plot."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from jaxsim.report.figures.coverage import draw_band, stretch
from jaxsim.report.figures.loops import draw_loops
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import COVERAGE


def draw(numbers: Numbers) -> Figure:
    """Coverage with the nominal level and where exact methods would be; see :func:`draw_loops` for what it needs."""
    level = numbers.results.study.conf_level
    figure, ax, table = draw_loops(
        numbers,
        COVERAGE,
        title=f"Coverage of {100 * level:g}% confidence intervals in every combination",
        line=level,
    )
    lowest = draw_band(np.array([[ax]]), table, level)
    stretch(np.array([[ax]]), min(lowest, float(np.nan_to_num(table["value"], nan=1.0).min())))
    return figure
