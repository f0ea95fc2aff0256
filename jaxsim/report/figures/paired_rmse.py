"""Error of each strategy less the reference's, on the same datasets."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import interval_figure


def draw(numbers: Numbers) -> Figure:
    """Paired difference of the root mean squared error; :class:`Absent` for a single strategy."""
    if len(numbers.models) < 2:
        raise Absent(f"it compares strategies, and there is one, {numbers.models[0]!r}")
    reference = numbers.reference
    looks = {name: look for name, look in numbers.looks.items() if name != reference}
    figure, _ = interval_figure(
        numbers,
        numbers.paired("rmse"),
        line=0.0,
        line_color=numbers.looks[reference].color,
        looks=looks,
        title=f"Error on the same datasets: RMSE less that of {reference}",
        y_label=f"RMSE − RMSE of {reference} (units of the coefficient)",
        note=f"{numbers.note()} Above zero: larger errors than those of the reference. Each panel has its own vertical scale.",
        shared_y="none",
    )
    return figure
