"""An empty figure: a title, a legend, panels on a grid with headings, and a line of notes. Sizes are in inches."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxsim.errors import InputError
from jaxsim.picture import Picture
from jaxsim.report.figures.layout import COEFFICIENT, MOST_PANELS, Layout
from jaxsim.report.figures.style import LONGEST_TICK, Look, factor_label, level_label
from jaxsim.report.minus import typeset
from jaxsim.style import GRID

WIDTH = 9.2
LEFT, RIGHT, GAP = 0.78, 0.36, 0.14
OWN_SCALE_GAP = 0.58  # room for the tick labels of a panel that shares no scale
TITLE, LEGEND_LINE, HEADING_LINE, AXIS, NOTE_LINE = 0.36, 0.24, 0.17, 0.63, 0.17
PANEL_HEIGHTS = {1: 3.4, 2: 2.3}  # and this with three rows or more:
SMALL_PANEL = 1.75
NOTE_WIDTH = 166  # characters
LEGEND_HANDLE, CHARACTER = 0.62, 0.067  # widths of a legend entry's mark with its margins, and of a character
MOST_TICKS = 9
TITLE_LABEL = "title"  # of the text that is a figure's title
BESIDE: Any = dict(xycoords="axes fraction", textcoords="offset points", rotation=270, va="center", linespacing=1.1)


@dataclass(frozen=True)
class Frame:
    """What surrounds the panels of a figure.

    Attributes:
        title, y_label, note: texts; the note is wrapped below the panels.
        handles: of the legend.
        key: of another legend above it, of colours alone, that takes one line.
        columns, rows: headings above the columns and beside the rows of panels; an empty text for none.
        panel: height of a panel in inches; by the number of rows when None.
        shared_y: ``all``, ``row`` (one scale for each row of panels) or ``none``.
        gap: between rows of panels, in inches.
        left: margin for the tick labels and the label, in inches.
    """

    title: str
    y_label: str
    handles: Sequence[Artist] = ()
    note: str = ""
    key: Sequence[Artist] = ()
    columns: Sequence[str] = ("",)
    rows: Sequence[str] = ("",)
    panel: float | None = None
    shared_y: str = "all"
    gap: float = GAP
    left: float = LEFT


def canvas(
    layout: Layout, *, title: str, y_label: str, handles: Sequence[Artist], note: str = "", shared_y: str = "all"
) -> tuple[Figure, np.ndarray]:
    """A figure with a panel for each level of the layout's columns and rows, levels along the axis; axes ``[rows, columns]``."""
    n_rows = len(layout.levels_of(layout.rows))
    columns = headings(layout, layout.columns, panel_width(len(layout.levels_of(layout.columns))))
    rows = headings(layout, layout.rows, PANEL_HEIGHTS.get(n_rows, SMALL_PANEL) + GAP)
    if shared_y == "none" and len(rows) * len(columns) > 1:
        note = f"{note} Each panel has its own vertical scale."
    figure, axes = frame(Frame(title, y_label, handles, note, columns=columns, rows=rows, shared_y=shared_y))
    label_levels(axes, layout, shared_y)
    return figure, axes


def panel_width(columns: int) -> float:
    """Room for each of some columns of panels, in inches."""
    return (WIDTH - LEFT - RIGHT) / columns


def frame(parts: Frame) -> tuple[Figure, np.ndarray]:
    """Make the figure and its axes ``[rows, columns]``, all with one horizontal scale."""
    n_rows, n_columns = len(parts.rows), len(parts.columns)
    notes = textwrap.wrap(typeset(parts.note), NOTE_WIDTH)
    columns = _legend_columns([str(handle.get_label()) for handle in parts.handles])
    legends = bool(parts.key) + -(-len(parts.handles) // columns)
    heading = HEADING_LINE * max(text.count("\n") + bool(text) for text in parts.columns)
    top = TITLE + LEGEND_LINE * legends + 0.05 + heading
    bottom = AXIS + NOTE_LINE * len(notes)
    panel = parts.panel or PANEL_HEIGHTS.get(n_rows, SMALL_PANEL)
    height = top + n_rows * panel + (n_rows - 1) * parts.gap + bottom
    figure = Picture(figsize=(WIDTH, height))
    axes = _add_axes(figure, (n_rows, n_columns), (top, panel, height), parts)
    for ax, text in zip(axes[0], parts.columns, strict=True):
        ax.set_title(text, pad=5, y=1.0)  # y given: matplotlib need not look for room
    for ax, text in zip(axes[:, -1], parts.rows, strict=True):
        ax.annotate(text, (1, 0.5), (4, 0), **BESIDE)
    middle = (bottom + (height - top - bottom) / 2) / height
    figure.text(0.012, middle, parts.y_label, rotation=90, ha="left", va="center", fontsize=9)
    figure.text(0.012, 1 - 0.1 / height, parts.title, ha="left", va="top", fontsize=11, weight="bold", label=TITLE_LABEL)
    figure.text(0.012, 0.06 / height, "\n".join(notes), ha="left", va="bottom", fontsize=7.5, color="#444444", linespacing=1.35)
    _add_legends(figure, parts, columns, height)
    return figure, axes


def model_handles(looks: dict[str, Look]) -> list[Line2D]:
    """Legend entries of strategies drawn as points with intervals."""
    return [Line2D([], [], color=k.color, marker=k.marker, ms=4.5, lw=1.2, label=name) for name, k in looks.items()]


def mark_empty(ax: Axes, why: str) -> None:
    """Say why a panel shows nothing."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color="#666666")


def _add_legends(figure: Figure, parts: Frame, columns: int, height: float) -> None:
    """The key on one line, the other entries below it in so many columns."""
    if parts.key:
        anchor = (0.008, 1 - (TITLE - 0.05) / height)
        compact = dict(ncols=len(parts.key), columnspacing=1.0, handlelength=1.3, handletextpad=0.5)
        figure.legend(handles=list(parts.key), loc="upper left", bbox_to_anchor=anchor, **compact)
    if parts.handles:
        anchor = (0.008, 1 - (TITLE - 0.05 + LEGEND_LINE * bool(parts.key)) / height)
        handles = in_rows(parts.handles, columns)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, ncols=columns, columnspacing=1.4)


def in_rows(handles: Sequence[Artist], columns: int) -> list[Artist]:
    """Entries of a legend in an order that, column after column as matplotlib places them, is read row after row as given."""
    return [handle for column in range(columns) for handle in handles[column::columns]]


def _legend_columns(labels: Sequence[str]) -> int:
    """How many legend entries fit side by side."""
    longest = max(map(len, labels), default=0)
    return max(1, int((WIDTH - 0.1) / (LEGEND_HANDLE + CHARACTER * longest)))


def _add_axes(figure: Figure, shape: tuple[int, int], sizes: tuple[float, float, float], parts: Frame) -> np.ndarray:
    """Axes ``[rows, columns]``; sizes are the margin above, the height of a panel, and that of the figure."""
    _, n_columns = shape
    top, panel, height = sizes
    gap = OWN_SCALE_GAP if parts.shared_y == "none" else GAP
    width = (WIDTH - parts.left - RIGHT - (n_columns - 1) * gap) / n_columns
    axes = np.empty(shape, dtype=object)
    for i, j in np.ndindex(*shape):
        y_source: Any = {"all": axes[0, 0], "row": axes[i, 0], "none": None}[parts.shared_y]
        base = height - top - (i + 1) * panel - i * parts.gap
        box = ((parts.left + j * (width + gap)) / WIDTH, base / height, width / WIDTH, panel / height)
        ax = figure.add_axes(box, sharex=axes[0, 0], sharey=y_source)
        ax.grid(axis="y", color=GRID, lw=0.6)
        ax.set_axisbelow(True)
        axes[i, j] = ax
    return axes


def headings(layout: Layout, factor: str | None, room: float) -> list[str]:
    """Headings of the panels along one factor, on two lines if they do not fit into ``room`` on one; empty without a factor.

    Raises:
        InputError: for more panels than can be read.
    """
    if factor is None:
        return [""]
    if len(layout.levels_of(factor)) > MOST_PANELS and factor != COEFFICIENT:
        raise InputError(
            f"by: {factor!r} has {len(layout.levels_of(factor))} levels, and more than {MOST_PANELS} panels side by side cannot "
            "be read; put it first, along the axis."
        )
    if factor == COEFFICIENT:
        return [level_label(level) for level in layout.levels_of(factor)]
    found = [(factor_label(factor), level_label(level)) for level in layout.levels_of(factor)]
    separator = ": " if max(len(f"{name}: {level}") for name, level in found) * CHARACTER < room else ":\n"
    return [separator.join(pair) for pair in found]


def label_levels(axes: np.ndarray, layout: Layout, shared_y: str) -> None:
    """Number the levels along the horizontal axis from 0, with their names as ticks."""
    n_rows, n_columns = axes.shape
    levels = layout.x_levels
    step = -(-len(levels) // MOST_TICKS)
    room = int(panel_width(n_columns) * step / len(levels) / CHARACTER)
    labels = ["all datasets" if level is None else _broken(level_label(level, LONGEST_TICK), room) for level in levels[::step]]
    axes[0, 0].set_xticks(range(0, len(levels), step), labels)
    axes[0, 0].set_xlim(-0.5, len(levels) - 0.5)
    for (i, j), ax in np.ndenumerate(axes):
        ax.tick_params(length=2.5, width=0.6, labelbottom=i == n_rows - 1, labelleft=j == 0 or shared_y == "none")
        if i == n_rows - 1:
            ax.set_xlabel(layout.x_label)


def _broken(label: str, room: int) -> str:
    """A label on two lines if it has more characters than there is room for."""
    return label if len(label) <= room else re.sub(r"[ _]|(?=\()", "\n", label, count=1)
