"""Power over two factors as colours."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import POWER, TARGET_POWER
from jaxsim.report.figures.tiles import Scale, draw_map

# Viridis at tenths: as many steps apart to the eye everywhere, and in print without colour.
COLORS = ("#440154", "#482878", "#3e4a89", "#31688e", "#26838f", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")
SCALE = Scale(tuple(k / 10 for k in range(11)), COLORS)


def draw(numbers: Numbers) -> Figure:
    """Power of every strategy, from dark (none) to light; see :func:`draw_map` for what it needs."""
    return draw_map(
        numbers,
        POWER,
        SCALE,
        title=f"Power: how often tests at level {numbers.alpha:g} find effects that are there",
        mark=f"power at least {TARGET_POWER:g}, beyond Monte Carlo error",
        crossed=True,
    )
