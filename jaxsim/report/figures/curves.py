"""A rate against one numeric factor, as lines with ribbons of Monte Carlo intervals, strategies over each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from jaxsim.errors import InputError
from jaxsim.measures.crossing import between_sizes, half_an_event, is_size
from jaxsim.report.figures import needed, rates
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.canvas import PANEL_HEIGHTS, SMALL_PANEL, Frame, frame, headings, mark_empty, model_handles, panel_width
from jaxsim.report.figures.layout import MOST_PANELS, Layout, is_numeric, where, with_coefficients
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import Rate
from jaxsim.report.figures.style import Look, factor_label, level_label
from jaxsim.report.figures.verdicts import DASHED, Verdicts, label_of, verdicts_of
from jaxsim.style import REFERENCE

FEWEST = 3  # levels that make a curve
WIDE = 10  # the largest level over the smallest from which on the axis is logarithmic
HEIGHT = 3.3
POINTS = 16  # of a curve that bends between two levels


def draw_curves(
    numbers: Numbers, rate: Rate, *, title: str, line: float, along: Sequence[str] = (), note: str = ""
) -> tuple[Figure, np.ndarray, pd.DataFrame]:
    """A whole figure, its axes ``[rows, columns]`` and its numbers.

    Power of strategies that do not keep the level of their tests (or what stands for it: :mod:`jaxsim.measures.promises`) is dashed
    and named so in the legend. Over sizes, curves of the others have marks where they cross the line.

    Args:
        numbers: of the results.
        rate: what is shown.
        title: of the figure.
        line: height of a reference line.
        along: factors that are preferred as the horizontal axis.
        note: what else must be said.

    Raises:
        Absent: without the rate, without a numeric factor of three levels, or with more strategies than can be told apart.
    """
    rates.check_crowd(numbers)
    numbers = rates.of(numbers, rate)
    layout = places(numbers, rate, along)
    if layout is None:
        raise Absent(
            f"it needs a factor of numbers with at least {FEWEST} levels along its axis{', first in by' * bool(numbers.by)}"
        )
    rates.check_pooled(numbers, rate, layout.pooled)
    table = rates.needed(numbers, rate, layout.by)
    columns = headings(layout, layout.columns, panel_width(len(layout.levels_of(layout.columns))))
    looks = numbers.looks_of(table)
    verdicts = verdicts_of(numbers) if rate is rates.POWER else Verdicts()
    crossed = _crossings(numbers, table, layout, verdicts, line) if rate is rates.POWER else {}
    told = [needed.note(crossed, rate.name, line), verdicts.note(list(looks)), numbers.silent(table)]
    text = " ".join([rates.note(numbers, rate, table, layout.pooled, "a point"), note, *told])
    height = PANEL_HEIGHTS.get(len(layout.levels_of(layout.rows)), SMALL_PANEL) if layout.rows else HEIGHT
    rows = headings(layout, layout.rows, height)
    handles = _handles(looks, verdicts)
    parts = Frame(title, rate.name, handles, " ".join(text.split()), columns=columns, rows=rows, panel=height)
    figure, axes = frame(parts)
    for i, j, lines in layout.panels(table):
        ax, label = axes[i, j], label_of(layout, (i, j), numbers.labels)
        ax.axhline(line, color=REFERENCE, lw=0.9, zorder=1.5)
        for model, look in looks.items():
            own = lines[lines["model"].astype(str) == model]
            _draw_curve(ax, layout, own, look, (model, verdicts.mark(model, label)), bent=rate is rates.POWER)
        needed.draw_marks(ax, crossed.get((i, j), []), looks, line)
        if not np.isfinite(lines["value"].to_numpy(float)).any():
            mark_empty(ax, "nothing to show" if lines.empty else "no usable fit")
    _label_axis(axes, layout)
    return figure, axes, table


def places(numbers: Numbers, rate: Rate, along: Sequence[str]) -> Layout | None:
    """A layout with a horizontal axis and at most columns, and rows of coefficients that are not averaged; None without a numeric
    factor of three levels or more."""
    found = rates.layout_of(numbers, rate)
    varied = [name for name in (found.columns, found.rows, found.x, *found.pooled) if name is not None]
    if numbers.by is not None:
        given = _given(found)
        return None if given is None else with_coefficients(given, numbers.labels, given=True)
    long = [name for name in rates.effect_factors(numbers) if rate is rates.POWER and len(found.levels[name]) > MOST_PANELS]
    curved = [name for name in varied if len(found.levels[name]) >= FEWEST and is_numeric(found.levels[name])]
    x = next((name for name in (*long, *along) if name in curved), found.x if found.x in curved else None)
    if x is None:
        return None
    others = [name for name in varied if name != x]
    columns = next((name for name in others if len(found.levels[name]) <= MOST_PANELS), None)
    chosen = Layout(x, columns, None, tuple(name for name in others if name != columns), found.levels)
    return with_coefficients(chosen, numbers.labels)


def _given(found: Layout) -> Layout | None:
    """The layout that was asked for, if a curve can have it."""
    if found.rows is not None:
        raise InputError(f"by: curves have one row of panels; leave out {found.rows!r}, which they then average over.")
    return found if len(found.x_levels) >= FEWEST and found.x_is_numeric else None


def _handles(looks: dict[str, Look], verdicts: Verdicts) -> list[Line2D]:
    """Legend entries, dashed where a strategy's name has more behind it."""
    handles = model_handles(looks)
    for handle, model in zip(handles, looks, strict=True):
        handle.set_label(verdicts.name(model))
        handle.set_linestyle("-" if handle.get_label() == model else DASHED)
    return handles


def _crossings(
    numbers: Numbers, table: pd.DataFrame, layout: Layout, verdicts: Verdicts, line: float
) -> dict[tuple[int, int], list[needed.Mark]]:
    """By the row and column of panels, where curves of strategies that keep their promise cross the line; none but over sizes."""
    if not is_size(str(layout.x)):
        return {}
    found = {}
    for i, j, lines in layout.panels(table):
        label = label_of(layout, (i, j), numbers.labels)
        kept = [model for model in numbers.looks_of(table) if verdicts.is_kept(model, label)]
        found[i, j] = needed.marks_of(lines, str(layout.x), kept, line)
    return found


def _draw_curve(ax: Axes, layout: Layout, lines: pd.DataFrame, look: Look, name: tuple[str, str], bent: bool) -> None:
    """The curve of a strategy, by its name and what is put behind it if it keeps no promise."""
    numbers, (model, mark) = where(lines, {}).sort_values(str(layout.x)), name
    x, value, low, high = numbers[[str(layout.x), "value", "low", "high"]].to_numpy(float).T
    shown = np.isfinite(value)
    if not shown.any():
        return
    x, value, low, high = x[shown], value[shown], low[shown], high[shown]
    wide, bottom, top, line, every = x, low, high, value, 1
    if bent and is_size(str(layout.x)):
        half = half_an_event(value, low, high)
        (wide, line), (_, bottom), (_, top) = (between_sizes(x, of, POINTS, half) for of in (value, low, high))
        every = POINTS
    ribbon = ax.fill_between(wide, bottom, top, color=look.color, alpha=0.2, lw=0)
    ribbon.set_label(f"ribbon of {model}{mark}")
    dashes = DASHED if mark else "-"
    ax.plot(wide, line, color=look.color, marker=look.marker, markevery=every, ms=3.6, lw=1.1, ls=dashes, label=model + mark)


def _label_axis(axes: np.ndarray, layout: Layout) -> None:
    """Ticks at the levels; on a logarithmic scale if they span much."""
    levels = sorted(layout.x_levels)
    last = len(axes) - 1
    for (i, j), ax in np.ndenumerate(axes):
        if levels[0] > 0 and levels[-1] >= WIDE * levels[0]:
            ax.set_xscale("log")
        ax.set_xticks(levels, [level_label(level) for level in levels])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.tick_params(length=2.5, width=0.6, labelleft=j == 0, labelbottom=i == last)
        if i == last:
            ax.set_xlabel(factor_label(str(layout.x)))
