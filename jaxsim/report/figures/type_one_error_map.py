"""Type I error over two factors as colours."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.error_scale import error_scale
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import TYPE_ONE_ERROR
from jaxsim.report.figures.tiles import draw_map


def draw(numbers: Numbers) -> Figure:
    """Rejection of true zeros by every strategy: pale around the level of the tests; see :func:`draw_map` for what it needs."""
    return draw_map(
        numbers,
        TYPE_ONE_ERROR,
        error_scale(numbers.alpha),
        title=f"Where tests at level {numbers.alpha:g} find effects that are not there",
        mark=f"95% Monte Carlo interval excludes {numbers.alpha:g}",
    )
