"""Heat maps of a rate over two factors: a panel for each strategy and each level of a third factor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jaxsim.errors import InputError
from jaxsim.report.figures import rates
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.canvas import CHARACTER, LEFT, Frame, frame, headings, label_levels, panel_width
from jaxsim.report.figures.layout import COEFFICIENT, MOST_PANELS, Layout, is_numeric, where
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import Rate
from jaxsim.report.figures.style import LONGEST_TICK, factor_label, level_label

TILE, SHORTEST, ALONE = 0.21, 0.72, 2.1  # heights of a tile, and of the shortest panel among others and alone, in inches
GAP, TITLED_GAP = 0.09, 0.3
WRAPPED = 4  # strategies side by side where there is no third factor
LIBERAL = 1.5  # times the level of a test: Bradley's (1978) limit of what is robust enough
EMPTY: Any = dict(facecolor="white", edgecolor="#bdbdbd", hatch="//////")


@dataclass(frozen=True)
class Scale:
    """Classes of rates: ``edges`` from the lowest to the highest, and a colour between each two."""

    edges: tuple[float, ...]
    colors: tuple[str, ...]

    def handles(self) -> list[Patch]:
        """Legend entries of the classes."""
        pairs = zip(self.edges[:-1], self.edges[1:], self.colors, strict=True)
        return [Patch(facecolor=color, edgecolor="#888888", lw=0.4, label=f"{low:g}–{high:g}") for low, high, color in pairs]

    def dark(self, value: float) -> bool:
        """Whether the colour of a rate is dark: a mark on it must be light."""
        place = min(max(int(np.searchsorted(self.edges, value, side="right")) - 1, 0), len(self.colors) - 1)
        return float(np.dot(to_rgb(self.colors[place]), (0.299, 0.587, 0.114))) < 0.5


def draw_map(numbers: Numbers, rate: Rate, scale: Scale, *, title: str, mark: str, crossed: bool = False, note: str = "") -> Figure:
    """A whole heat map.

    Args:
        numbers: of the results.
        rate: what is shown.
        scale: of its colours.
        title: of the figure.
        mark: what a dot on a tile says, for the legend.
        crossed: whether tiles are crossed where what they show counts for nothing: the strategy makes far more errors there than
            it says (see :data:`LIBERAL`).
        note: what else must be said.

    Raises:
        Absent: without the rate, or with fewer than two factors to spread it over.
    """
    numbers = rates.of(numbers, rate)
    layout = places(numbers, rate)
    if layout is None:
        raise Absent(f"it needs two factors to spread over{' in by' * bool(numbers.by)}")
    rates.check_pooled(numbers, rate, layout.pooled)
    table = rates.needed(numbers, rate, layout.by)
    models = tuple(numbers.looks_of(table))
    panels = list(_panels(models, layout, table))
    values = [tile_values(layout, lines, "value") for lines in panels]
    dots = [marked(rate, numbers, layout, lines) for lines in panels]
    why, crosses = _crosses(numbers, models, layout) if crossed else ("", [])
    crosses = crosses or [np.zeros(value.shape, bool) for value in values]
    handles: list[Artist] = [Line2D([], [], color="black", marker=".", ms=5, lw=0, label=mark)]
    if np.any(crosses):
        handles.append(Line2D([], [], color="black", marker="x", ms=4, mew=0.8, lw=0, label=why))
    if np.isnan(values).any():
        handles.append(Patch(**EMPTY, lw=0.4, label="no such cell or fit"))
    text = f"{rates.note(numbers, rate, table, layout.pooled, 'a tile')} {note} {numbers.silent(table)}"
    figure, axes = frame(_frame(models, layout, title, (handles, scale.handles()), " ".join(text.split())))
    _label_panels(axes, models, layout)
    each = len(layout.levels_of(layout.columns))
    for k, (ax, value, dot, cross) in enumerate(zip(axes.flat, values, dots, crosses, strict=False)):
        _draw_panel(ax, layout, value, scale, models[k // each])
        _draw_marks(ax, value, dot & ~cross, scale, dict(marker=".", ms=3, label="dots"))
        _draw_marks(ax, value, cross & np.isfinite(value), scale, dict(marker="x", ms=3, mew=0.6, label="crosses"))
    return figure


def places(numbers: Numbers, rate: Rate) -> Layout | None:
    """A layout whose ``rows`` is the vertical axis of every panel, and ``columns`` a third factor or coefficients that are not
    averaged; None with fewer than two factors."""
    found = rates.layout_of(numbers, rate)
    others = [name for name in (found.columns, found.rows, *found.pooled) if name is not None]
    if found.x is None or not others or (numbers.by is not None and found.columns is None):
        return None
    if numbers.by is not None:  # its second is the vertical axis, its third the columns
        return _by_coefficient(numbers, dataclasses.replace(found, columns=found.rows, rows=found.columns))
    columns = next((name for name in others[: len(others) * (len(others) > 1)] if len(found.levels[name]) <= MOST_PANELS), None)
    left = [name for name in others if name != columns]
    vertical = max(left[:2], key=lambda name: (name == left[0]) + 2 * is_numeric(found.levels[name]))
    pooled = tuple(name for name in left if name != vertical)
    return _by_coefficient(numbers, Layout(found.x, columns, vertical, pooled, found.levels))


def _by_coefficient(numbers: Numbers, found: Layout) -> Layout:
    """Coefficients that are not averaged in the columns of panels, whose factor is then pooled."""
    if len(numbers.labels) < 2:
        return found
    if len(numbers.labels) > MOST_PANELS:
        raise Absent(
            f"it shows at most {MOST_PANELS} coefficients beside each other, and here are {len(numbers.labels)}; name some in terms"
        )
    if found.columns is not None and numbers.by is not None:
        raise InputError(
            f"by: columns of panels are coefficients, which are not averaged; leave out {found.columns!r}, or name one in terms."
        )
    pooled = (*found.pooled, *([found.columns] if found.columns is not None else []))
    return Layout(found.x, COEFFICIENT, found.rows, pooled, {**found.levels, COEFFICIENT: numbers.labels})


def marked(rate: Rate, numbers: Numbers, layout: Layout, lines: pd.DataFrame) -> np.ndarray:
    """Tiles whose Monte Carlo interval excludes the nominal level (for power: lies above the target), bool ``[y, x]``."""
    low, high = tile_values(layout, lines, "low"), tile_values(layout, lines, "high")
    if rate is rates.POWER:
        return low >= rates.TARGET_POWER
    nominal = rate.nominal(numbers)
    return (low > nominal) | (high < nominal)


def tile_values(layout: Layout, lines: pd.DataFrame, column: str) -> np.ndarray:
    """A column of one panel's lines, ``[y, x]``; NaN where there is none."""
    values = np.full((len(layout.levels_of(layout.rows)), len(layout.x_levels)), np.nan)
    vertical = {level: k for k, level in enumerate(layout.levels_of(layout.rows))}
    rows = [vertical[level] for level in lines[layout.rows].astype(object)]
    values[rows, layout.positions(lines)] = lines[column].to_numpy(float)
    return values


def _panels(models: Sequence[str], layout: Layout, table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Lines of each panel: a strategy and a level of the columns, row by row."""
    for model in models:
        lines = table[table["model"].astype(str) == model]
        for level in layout.levels_of(layout.columns):
            yield where(lines, {layout.columns: level})


def _crosses(numbers: Numbers, models: Sequence[str], layout: Layout) -> tuple[str, list[np.ndarray]]:
    """Why tiles are crossed, and which of each panel, bool ``[y, x]``: type I error of these very coefficients far above its level,
    beyond Monte Carlo error.

    It is the same for all of their effects, which are zero where it is known. Where they are nowhere zero, or effects are along the
    axes, it is too low a coverage that crosses tiles out.
    """
    columns, effects = layout.levels_of(layout.columns), rates.effect_factors(numbers)
    own = dataclasses.replace(layout, columns=None if layout.columns in effects else layout.columns)
    level = None if {layout.x, layout.rows} & set(effects) else rates.measure(numbers, rates.TYPE_ONE_ERROR, own.by)
    coverage = rates.measure(numbers, rates.COVERAGE, layout.by)
    limits = LIBERAL * numbers.alpha, 1 - LIBERAL * (1 - numbers.results.study.conf_level)
    each = 1 if own == layout else len(columns)
    known = [] if level is None else [lines for lines in _panels(models, own, _within(own, level)) for _ in range(each)]
    masks, why = [], dict[str, None]()
    covered = [] if coverage is None else list(_panels(models, layout, _within(layout, coverage)))
    for k in range(max(len(known), len(covered))):
        if known and np.isfinite(known[k]["value"].to_numpy(float)).any():
            masks.append(tile_values(own, known[k], "low") > limits[0])
            why[f"type I error above {limits[0]:g} there"] = None
        elif covered:
            masks.append(tile_values(layout, covered[k], "high") < limits[1])
            why[f"coverage below {limits[1]:g} there"] = None
    return " or ".join(why), masks


def _within(layout: Layout, table: pd.DataFrame) -> pd.DataFrame:
    """Lines at the layout's levels: cells with effects, or without, may have levels that the others have not."""
    for name in layout.by:
        table = table[table[name].isin(layout.levels[name])]
    return table


def _frame(
    models: Sequence[str], layout: Layout, title: str, legends: tuple[Sequence[Artist], Sequence[Artist]], note: str
) -> Frame:
    vertical = layout.levels_of(layout.rows)
    longest = max(len(level_label(level, LONGEST_TICK)) for level in vertical)
    if layout.columns is None:
        across = min(WRAPPED, len(models))
        columns, rows = [" "] * across, [""] * -(-len(models) // across)
    else:
        columns = headings(layout, layout.columns, panel_width(len(layout.levels_of(layout.columns))))
        rows = list(models)
    return Frame(
        title,
        factor_label(str(layout.rows)),
        *(legends[0], note, legends[1], columns, rows),
        panel=max(TILE * len(vertical), ALONE if len(rows) == 1 else SHORTEST, CHARACTER * max(map(len, rows))),
        gap=GAP if layout.columns is not None else TITLED_GAP,
        left=max(LEFT, 0.42 + CHARACTER * longest),
    )


def _label_panels(axes: np.ndarray, models: Sequence[str], layout: Layout) -> None:
    """Levels along the axis; without a third factor a strategy above each panel, and no panel beyond the last strategy."""
    label_levels(axes, dataclasses.replace(layout, rows=None), "all")
    if layout.columns is not None:
        return
    for ax, model in zip(axes.flat, models, strict=False):
        ax.set_title(model, pad=4)
    for k in range(len(models), axes.size):
        axes.flat[k].set_visible(False)
        above = axes.flat[k - axes.shape[1]]  # now the lowest of its column
        above.tick_params(labelbottom=True)
        above.set_xlabel(layout.x_label)


def _draw_panel(ax: Axes, layout: Layout, value: np.ndarray, scale: Scale, model: str) -> None:
    ax.grid(visible=False)
    ax.patch.set(**EMPTY)
    mesh = ax.pcolormesh(
        np.arange(value.shape[1] + 1) - 0.5,
        np.arange(value.shape[0] + 1) - 0.5,
        np.ma.masked_invalid(value),
        cmap=ListedColormap(scale.colors),
        norm=BoundaryNorm(scale.edges, len(scale.colors), clip=True),
        edgecolors="white",
        linewidth=0.4,
    )
    mesh.set_label(f"tiles of {model}")
    ax.set_ylim(-0.5, value.shape[0] - 0.5)
    ax.set_yticks(range(value.shape[0]), [level_label(level, LONGEST_TICK) for level in layout.levels_of(layout.rows)])


def _draw_marks(ax: Axes, value: np.ndarray, mask: np.ndarray, scale: Scale, style: dict[str, Any]) -> None:
    for color in ("black", "white"):
        found = [(x, y) for y, x in np.argwhere(mask) if scale.dark(value[y, x]) == (color == "white")]
        if found:
            ax.plot(*np.transpose(found), linestyle="none", color=color, **style)
