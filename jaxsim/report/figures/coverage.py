"""How often confidence intervals contain the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import special

from jaxsim.counts import listed
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import interval_figure

BAND_COLOR = "#d9d9d9"
MUCH_FEWER = 0.9  # times as many as most have: their points fall further from the level
TICKS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def draw(numbers: Numbers) -> Figure:
    """Coverage with Wilson intervals, the nominal level, and where coverage of an exact method would fall by chance."""
    level = numbers.results.study.conf_level
    table = numbers.measure("coverage")
    figure, axes = interval_figure(
        numbers,
        table,
        line=level,
        title=f"Coverage of {100 * level:g}% confidence intervals",
        y_label="proportion of intervals that contain the truth",
        note=f"{numbers.note()} {band_note(table, 'intervals')} The scale is stretched towards 1.",
    )
    lowest = draw_band(axes, table, level)
    stretch(axes, min(lowest, float(np.nan_to_num(table["low"], nan=1.0).min())))
    return figure


def draw_band(axes: np.ndarray, table: pd.DataFrame, rate: float) -> float:
    """Shade where the points of an exact method would fall by chance; returns its lower end."""
    low, high = expected_band(rate, _count(table))
    if _count(table):
        for ax in axes.flat:
            ax.axhspan(low, high, color=BAND_COLOR, zorder=0.5, lw=0)
    return low


def band_note(table: pd.DataFrame, what: str) -> str:
    """What the shade means."""
    count = _count(table)
    if not count:
        return ""
    own = {model: _count(part) for model, part in table.groupby(table["model"].astype(str), sort=False)}
    fewer = [f"{model}, which has {n:,}" for model, n in own.items() if n < MUCH_FEWER * count]
    wider = f"; too narrow for {listed(fewer)}" if fewer else ""
    return f"Grey: where 95% of points would fall if {what} were exact and independent ({count:,} a point{wider})."


def _count(table: pd.DataFrame) -> int:
    return int(table["n_used"].median())


def expected_band(rate: float, count: int) -> tuple[float, float]:
    """Central 95% of the observed proportion of ``count`` independent events of probability ``rate``; all if there are none."""
    if count < 1:
        return 0.0, 1.0
    below = special.bdtr(np.arange(count + 1), count, rate)
    return float(np.searchsorted(below, 0.025) / count), float(np.searchsorted(below, 0.975) / count)


def stretch(axes: np.ndarray, lowest: float) -> None:
    """Square-root-arcsine scale: equal distances are about equally many Monte Carlo errors, at any rate."""
    bottom = max(0.0, lowest - 0.02)
    ticks = [tick for tick in TICKS if tick >= bottom]
    axes[0, 0].set_ylim(bottom, 1.0)
    for ax in axes.flat:  # a scale has its own ticks in every panel
        ax.set_yscale("function", functions=(_angle, _rate))
        ax.set_yticks(ticks)
        ax.yaxis.set_major_formatter("{x:g}")


def _angle(rate: np.ndarray) -> np.ndarray:
    return np.arcsin(np.sqrt(np.clip(rate, 0, 1)))


def _rate(angle: np.ndarray) -> np.ndarray:
    return np.sin(np.clip(angle, 0, np.pi / 2)) ** 2
