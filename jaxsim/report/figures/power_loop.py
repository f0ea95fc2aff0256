"""Power in every combination of the factors, as a nested-loop plot."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.loops import draw_loops
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import POWER, TARGET_POWER


def draw(numbers: Numbers) -> Figure:
    """Rejection of true effects with the target; see :func:`draw_loops` for what it needs."""
    figure, ax, _ = draw_loops(
        numbers,
        POWER,
        title=f"Power of tests at level {numbers.alpha:g} in every combination",
        line=TARGET_POWER,
        note=f"Black line: {TARGET_POWER:g}.",
    )
    ax.set_ylim(-0.02, 1.02)
    return figure
