"""Mean error of each strategy."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.canvas import canvas, model_handles
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import draw_intervals, draw_line
from jaxsim.report.figures.style import REFERENCE


def draw(numbers: Numbers) -> Figure:
    """Bias with 95% Monte Carlo intervals; each panel has its own scale, because precision differs that much."""
    figure, axes = canvas(
        numbers.layout,
        title="Bias: mean of (estimate − truth)",
        y_label="bias (units of the coefficient)",
        handles=model_handles(numbers.looks),
        note=f"{numbers.note()} Each panel has its own vertical scale.",
        shared_y="none",
    )
    draw_line(axes, 0.0, REFERENCE)
    draw_intervals(axes, numbers.layout, numbers.measure("bias"), numbers.looks)
    return figure
