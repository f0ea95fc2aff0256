"""Error of each strategy less the reference's, on the same datasets."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.canvas import canvas, model_handles
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import draw_intervals, draw_line


def draw(numbers: Numbers) -> Figure | None:
    """Paired difference of the root mean squared error; None for a single strategy."""
    if len(numbers.models) < 2:
        return None
    reference = numbers.reference
    looks = {name: look for name, look in numbers.looks.items() if name != reference}
    figure, axes = canvas(
        numbers.layout,
        title=f"Error on the same datasets: RMSE less that of {reference}",
        y_label=f"RMSE − RMSE of {reference} (units of the coefficient)",
        handles=model_handles(looks),
        note=f"{numbers.note()} Above zero: larger errors than {reference}. Each panel has its own vertical scale.",
        shared_y="none",
    )
    draw_line(axes, 0.0, numbers.looks[reference].color)
    draw_intervals(axes, numbers.layout, numbers.paired("rmse"), looks)
    return figure
