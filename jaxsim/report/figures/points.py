"""Estimated measures as points with their Monte Carlo intervals, strategies side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxsim.report.figures.canvas import canvas, mark_empty, model_handles
from jaxsim.report.figures.layout import Layout
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.style import Look
from jaxsim.style import REFERENCE

SPREAD = 0.6  # of the distance between two levels, shared by the strategies
WIDEST_STEP = 0.13
# The same where the axis has numbers: strategies stand beside each other, and still at their number.
NUMERIC_SPREAD, NUMERIC_STEP = 0.2, 0.05
CROWDED = 130  # points across a page
DASHES = (0, (3, 2))


def offsets(layout: Layout, count: int) -> np.ndarray:
    """How far each of ``count`` strategies stands from its level, ``[count]``: hardly, where levels are numbers."""
    spread, widest = (NUMERIC_SPREAD, NUMERIC_STEP) if layout.x_is_numeric else (SPREAD, WIDEST_STEP)
    step = min(widest, spread / max(count, 1))
    return (np.arange(count) - (count - 1) / 2) * step


def interval_figure(
    numbers: Numbers,
    table: pd.DataFrame,
    *,
    line: float,
    line_color: str = REFERENCE,
    looks: dict[str, Look] | None = None,
    layout: Layout | None = None,
    **texts: str,
) -> tuple[Figure, np.ndarray]:
    """A whole figure of one measure: points with intervals and a reference line; its axes ``[rows, columns]``.

    Args:
        numbers: whose layout and strategies are drawn.
        table: lines of the measure, as for :func:`draw_intervals`.
        line, line_color: the reference.
        looks: of the strategies to draw; those that have a number when None.
        layout: where the factors go; that of ``numbers`` when None.
        texts: ``title, y_label, note, shared_y`` of :func:`jaxsim.report.figures.canvas.canvas`.
    """
    texts["note"] = f"{texts.get('note', '')} {numbers.silent(table) if looks is None else ''}".strip()
    looks = numbers.looks_of(table) if looks is None else looks
    layout = layout or numbers.layout
    figure, axes = canvas(layout, handles=model_handles(looks), **texts)
    draw_line(axes, line, line_color)
    draw_intervals(axes, layout, table, looks)
    return figure, axes


def draw_intervals(axes: np.ndarray, layout: Layout, table: pd.DataFrame, looks: dict[str, Look]) -> None:
    """Draw ``value`` with ``low`` and ``high`` of every line of ``table`` (columns ``model`` and the layout's factors)."""
    shift = dict(zip(looks, offsets(layout, len(looks)), strict=True))
    size = marker_size(layout, len(looks))
    for i, j, panel in layout.panels(table):
        for model, look in looks.items():
            lines = panel[panel["model"].astype(str) == model]
            draw_series(axes[i, j], layout, lines, look, label=model, shift=shift[model], size=size)
        if not np.isfinite(panel["value"].to_numpy(float)).any():
            mark_empty(axes[i, j], "nothing to show" if panel.empty else "no usable fit")


def marker_size(layout: Layout, series: int) -> float:
    """Diameter in points: smaller where a panel is crowded."""
    columns = len(layout.levels_of(layout.columns))
    return 4.0 if len(layout.x_levels) * series * columns <= CROWDED else 2.5


def draw_series(
    ax: Axes, layout: Layout, lines: pd.DataFrame, look: Look, *, label: str, shift: float, size: float, hollow: bool = False
) -> None:
    """One strategy in one panel; lines without a number are left out, points without finite limits have no bar.

    Args:
        ax: the panel.
        layout: where levels are along the axis.
        lines: with ``value, low, high`` and the factors.
        look, label: of the strategy.
        shift: distance from the level, in levels.
        size: of the markers, in points.
        hollow: open markers and a dashed line, for a second measure of the same strategy.
    """
    at = np.asarray(layout.positions(lines), float)
    order = np.argsort(at, kind="stable")
    at = at[order] + shift
    value, low, high = lines[["value", "low", "high"]].to_numpy(float)[order].T
    shown, limited = np.isfinite(value), np.isfinite(low) & np.isfinite(high)
    if limited.any():
        bars = ax.vlines(at[limited], low[limited], high[limited], color=look.color, lw=size / 3, alpha=0.9)
        bars.set_label(f"interval of {label}")
    if shown.any():
        (points,) = ax.plot(at[shown], value[shown], color=look.color, marker=look.marker, ms=size, mew=0.8, lw=0.7, label=label)
        points.set(clip_on=False, linestyle="none" if not layout.x_is_numeric else DASHES if hollow else "-")
        if hollow:
            points.set_markerfacecolor("white")


def draw_line(axes: np.ndarray, height: float, color: str) -> None:
    """A reference line across every panel."""
    for ax in axes.flat:
        ax.axhline(height, color=color, lw=0.9, zorder=1.5)
