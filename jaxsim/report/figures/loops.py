"""Nested-loop plots (Rücker & Schwarzer 2014): every combination of the factors side by side, the factors as stairs below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxsim.counts import counted
from jaxsim.levels import in_a_row
from jaxsim.report.figures import rates
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.canvas import Frame, frame, mark_empty
from jaxsim.report.figures.layout import COEFFICIENT
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import Rate
from jaxsim.report.figures.style import factor_label, level_label
from jaxsim.style import GRID, REFERENCE

MOST_STEPS = 240  # across a page: more are a tangle
FEWEST_FACTORS = 2
HEIGHT, LANE, ABOVE = 3.4, 0.34, 0.1  # of the panel, of a factor's stairs, and between the two, in inches
BACKGROUND: Any = dict(facecolor="white", edgecolor="none", pad=0.6)  # keeps lines off the words
LONGEST_LANE = 120  # characters


def draw_loops(numbers: Numbers, rate: Rate, *, title: str, line: float, note: str = "") -> tuple[Figure, Axes, pd.DataFrame]:
    """A whole figure, the panel of the rate and its numbers.

    Only combinations that the grid has are drawn: an incomplete grid leaves no holes, its stairs show what is there.

    Args:
        numbers: of the results.
        rate: what is shown.
        title: of the figure.
        line: height of a reference line.
        note: what else must be said.

    Raises:
        Absent: without the rate, with fewer than two factors, or with more strategies than can be told apart.
    """
    numbers = rates.of(numbers, rate)
    factors, pooled, steps = loops(numbers, rate)
    if len(set(factors) - {COEFFICIENT}) < FEWEST_FACTORS:
        raise Absent(f"it needs at least {FEWEST_FACTORS} factors{' in by' * bool(numbers.by)}")
    rates.check_crowd(numbers)
    rates.check_pooled(numbers, rate, pooled)
    table = rates.needed(numbers, rate, factors)
    looks = numbers.looks_of(table)
    handles = [Line2D([], [], color=look.color, lw=1.6, label=name) for name, look in looks.items()]
    text = f"{rates.note(numbers, rate, table, pooled, 'a step')} Where lines coincide the last one is seen. {note}"
    text = " ".join(f"{text} {numbers.silent(table)}".split())
    lanes = ABOVE + LANE * len(factors)
    figure, axes = frame(Frame(title, rate.name, handles, text, panel=HEIGHT + lanes))
    ax = axes[0, 0]
    stairs = _split(figure, ax, lanes / (HEIGHT + lanes))
    ax.axhline(line, color=REFERENCE, lw=0.9, zorder=1.5)
    for model, look in looks.items():
        value = step_values(steps, table[table["model"].astype(str) == model], factors)
        ax.step(*_ends(value), where="post", color=look.color, lw=1.0 if len(steps) <= 120 else 0.75, label=model)
    if not np.isfinite(table["value"].to_numpy(float)).any():
        mark_empty(ax, "no usable fit")
    _draw_stairs(stairs, steps, {**rates.layout_of(numbers, rate).levels, COEFFICIENT: numbers.labels}, factors)
    _draw_breaks((ax, stairs), steps[factors[0]])
    return figure, ax, table


def loops(numbers: Numbers, rate: Rate) -> tuple[list[str], list[str], pd.DataFrame]:
    """Factors from the outermost loop to the innermost, those averaged over so that the steps can be read, and the steps.

    The factor along the axis of other figures is the innermost: each run of its levels is a small curve. What was asked for is in
    the same order: the first of them is the innermost. Coefficients that are not averaged are the outermost loop.
    """
    found = rates.layout_of(numbers, rate)
    cells = rates.cells_with(numbers, rate)
    pooled = found.pooled if numbers.by is None else ()
    order = [name for name in (found.columns, found.rows, *pooled, found.x) if name is not None]
    apart = [COEFFICIENT] * (len(numbers.labels) > 1)
    if apart:
        cells = cells.merge(pd.DataFrame({COEFFICIENT: numbers.labels}), how="cross")
    kept = [*apart, *order]
    while len(cells[kept].drop_duplicates()) > MOST_STEPS and len(kept) > FEWEST_FACTORS:
        kept.pop(-2)
    levels = {**found.levels, COEFFICIENT: numbers.labels}
    places = {name: {level: k for k, level in enumerate(levels[name])} for name in kept}
    steps = cells[kept].drop_duplicates()
    ranks = pd.DataFrame({name: [places[name][level] for level in steps[name].astype(object)] for name in kept}, index=steps.index)
    steps = steps.loc[ranks.sort_values(kept).index].reset_index(drop=True) if kept else steps
    return kept, [name for name in dict.fromkeys((*order, *found.pooled)) if name not in kept], steps


def step_values(steps: pd.DataFrame, lines: pd.DataFrame, factors: Sequence[str], column: str = "value") -> np.ndarray:
    """A column of one strategy's lines in the order of the steps, ``[steps]``; NaN where there is none."""
    names = list(factors)
    found = {tuple(key): value for *key, value in lines[[*names, column]].astype(object).itertuples(index=False)}
    return np.array([found.get(tuple(key), np.nan) for key in steps[names].astype(object).itertuples(index=False)], float)


def _ends(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step ``k`` reaches from ``k`` to ``k + 1``."""
    return np.arange(len(value) + 1), np.append(value, value[-1])


def _split(figure: Figure, ax: Axes, part: float) -> Axes:
    """Give the lower part of a panel to the stairs."""
    box = ax.get_position()
    gap = ABOVE / figure.get_figheight()
    ax.set_position((box.x0, box.y0 + part * box.height, box.width, (1 - part) * box.height))
    stairs = figure.add_axes((box.x0, box.y0, box.width, part * box.height - gap), sharex=ax)
    ax.tick_params(length=2.5, width=0.6, labelbottom=False, bottom=False)
    stairs.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)
    for side in ("left", "bottom"):
        stairs.spines[side].set_visible(False)
    return stairs


def _draw_stairs(ax: Axes, steps: pd.DataFrame, levels_of: Mapping[str, Sequence[Any]], factors: Sequence[str]) -> None:
    """A lane for each factor, the outermost loop on top; its stairs go up with the number of the level."""
    for lane, name in enumerate(reversed(list(factors))):
        levels = levels_of[name]
        place = {level: k / max(len(levels) - 1, 1) for k, level in enumerate(levels)}
        height = np.array([place[level] for level in steps[name]])
        ax.step(*_ends(lane + 0.08 + 0.42 * height), where="post", color=REFERENCE, lw=0.7, label=f"stairs of {name}")
        text = f"{factor_label(name)}: {in_a_row([level_label(level) for level in levels])}"
        text = text if len(text) <= LONGEST_LANE else f"{text[: LONGEST_LANE - 1]}…"
        ax.text(0.0, lane + 0.56, text, fontsize=7, va="bottom", ha="left", color="#444444", bbox=BACKGROUND)
    ax.set_ylim(0, len(factors))
    ax.set_xlim(0, len(steps))
    ax.set_xlabel(counted(len(steps), "combination"))


def _draw_breaks(axes: Sequence[Axes], outermost: pd.Series) -> None:
    """Lines where the outermost loop goes to its next level."""
    changes = np.flatnonzero((outermost != outermost.shift()).to_numpy())[1:]
    for ax in axes:
        for place in changes:
            ax.axvline(place, color=GRID, lw=1.2, zorder=0.5)
