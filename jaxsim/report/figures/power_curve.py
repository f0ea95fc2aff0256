"""Power against the number of groups or the size of the effect."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures import rates
from jaxsim.report.figures.curves import draw_curves
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import POWER, TARGET_POWER


def draw(numbers: Numbers) -> Figure:
    """Rejection of true effects, with the target; see :func:`draw_curves` for what it needs, and for what is dashed and marked."""
    figure, axes, _ = draw_curves(
        numbers,
        POWER,
        title=f"Power of tests at level {numbers.alpha:g}",
        line=TARGET_POWER,
        along=("n_groups", *rates.effect_factors(numbers)),
        note=f"Black line: {TARGET_POWER:g}.",
    )
    axes[0, 0].set_ylim(-0.02, 1.02)
    return figure
