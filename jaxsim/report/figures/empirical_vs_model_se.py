"""Whether the standard errors that strategies report match how much their estimates vary."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import interval_figure


def draw(numbers: Numbers) -> Figure:
    """Relative error of the model standard error in percent."""
    figure, _ = interval_figure(
        numbers,
        numbers.measure("model_se_error"),
        line=0.0,
        title="Model against empirical standard error",
        y_label="100 (model SE / empirical SE − 1), %",
        note=numbers.note(),
    )
    return figure
