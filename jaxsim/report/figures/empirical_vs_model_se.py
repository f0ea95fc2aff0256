"""Whether the standard errors that strategies report match how much their estimates vary."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.canvas import canvas, model_handles
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import draw_intervals, draw_line
from jaxsim.report.figures.style import REFERENCE


def draw(numbers: Numbers) -> Figure:
    """Relative error of the model standard error in percent."""
    figure, axes = canvas(
        numbers.layout,
        title="Model against empirical standard error",
        y_label="100 (model SE / empirical SE − 1), %",
        handles=model_handles(numbers.looks),
        note=numbers.note(),
    )
    draw_line(axes, 0.0, REFERENCE)
    draw_intervals(axes, numbers.layout, numbers.measure("model_se_error"), numbers.looks)
    return figure
