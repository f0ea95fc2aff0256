"""Mean error of each strategy."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import interval_figure


def draw(numbers: Numbers) -> Figure:
    """Bias with 95% Monte Carlo intervals; each panel has its own scale, because precision differs that much."""
    figure, _ = interval_figure(
        numbers,
        numbers.measure("bias"),
        line=0.0,
        title="Bias: mean of (estimate − truth)",
        y_label="bias (units of the coefficient)",
        note=numbers.note(),
        shared_y="none",
    )
    return figure
