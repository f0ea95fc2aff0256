"""Coverage over two factors as colours."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.error_scale import error_scale
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import COVERAGE
from jaxsim.report.figures.tiles import draw_map


def draw(numbers: Numbers) -> Figure:
    """Coverage of every strategy: pale around the nominal level; see :func:`draw_map` for what it needs."""
    level = numbers.results.study.conf_level
    return draw_map(
        numbers,
        COVERAGE,
        error_scale(1 - level, of_coverage=True),
        title=f"Where {100 * level:g}% confidence intervals cover the truth as often as they should",
        mark=f"95% Monte Carlo interval excludes {level:g}",
    )
