"""Boxes of many fits by condition and strategy: the form of the 2019 study's figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.canvas import canvas, mark_empty
from jaxsim.report.figures.first import shown_replicates
from jaxsim.report.figures.layout import Layout, enumeration
from jaxsim.report.figures.numbers import Numbers, datasets_in_words
from jaxsim.report.figures.points import CROWDED, SPREAD
from jaxsim.report.figures.rates import effect_factors
from jaxsim.report.figures.style import Look

POST = {"group_sd": "Btwn_grp_sigma", "n_groups": "Num_grp", "n_obs": "Num_obs_grp"}
MARGIN = 1.2
BOX = 0.82  # width of a box as a part of its place


def draw_boxes(numbers: Numbers, column: str, *, title: str, y_label: str) -> Figure:
    """Boxes of one column of the post's table over the 2019 grid.

    Boxes are quartiles, whiskers reach the last fit within 1.5 interquartile ranges; fits beyond are not drawn (they are
    thousands in a large study), but the scale is logarithmic so that the whiskers of all conditions can be seen.

    Raises:
        Absent: if the study has not its three factors; and where boxes would mislead: with effects of several sizes, which would be
            pooled, or too many boxes to be told apart.
    """
    check_factors(numbers, tuple(POST))
    if effect_factors(numbers):
        raise Absent(f"it would pool effects of several sizes, of {', '.join(effect_factors(numbers))}")
    levels = {name: tuple(pd.unique(numbers.results.cells[name].astype(object))) for name in POST}
    layout = Layout("group_sd", "n_groups", "n_obs", (), levels)
    boxes = len(levels["group_sd"]) * len(levels["n_groups"]) * len(numbers.looks)
    if boxes > CROWDED:
        raise Absent(
            f"of {boxes} boxes beside each other none could be told from the next; at most {CROWDED} can, name some strategies"
        )
    handles = [Patch(facecolor=look.color, edgecolor="none", alpha=0.75, label=name) for name, look in numbers.looks.items()]
    pooled = [name for name in numbers.results.factors if name not in POST]
    figure, axes = canvas(
        layout,
        title=title,
        y_label=y_label,
        handles=handles,
        note=f"{_datasets(numbers)}; logarithmic scale; fits beyond the whiskers are not drawn."
        + (f" All levels of {enumeration(pooled)} are pooled." if pooled else ""),
    )
    table = numbers.post.rename(columns={theirs: ours for ours, theirs in POST.items()})
    five = _five_numbers(table[table[column] > 0], column)
    for i, j, panel in layout.panels(five):
        for k, (model, look) in enumerate(numbers.looks.items()):
            lines = panel[panel["Model"].astype(str) == model]
            place = SPREAD * 1.2 / len(numbers.looks)
            at = np.asarray(layout.positions(lines), float) + (k - (len(numbers.looks) - 1) / 2) * place
            _draw_boxes(axes[i, j], at, lines[list(FIVE)].to_numpy(float), look, BOX * place, model)
        if panel.empty:
            mark_empty(axes[i, j], "no usable fit")
    _log_scale(axes, five)
    return figure


def check_factors(numbers: Numbers, factors: Sequence[str]) -> None:
    """Raise :class:`Absent` without the factors that a figure is of."""
    lacking = [name for name in factors if name not in numbers.results.factors]
    if lacking:
        raise Absent(f"it is of the 2019 study's factors {', '.join(factors)}, of which the grid lacks {', '.join(lacking)}")


def _datasets(numbers: Numbers) -> str:
    """How many datasets of each cell are shown."""
    return datasets_in_words(numbers.results.study, numbers.models, shown_replicates(numbers.results))


FIVE = ("bottom", "lower", "middle", "upper", "top")


def _five_numbers(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Whiskers and quartiles of each condition and strategy: columns ``FIVE``."""
    by = ["Model", *POST]
    if table.empty:
        return table.reindex(columns=[*by, *FIVE])
    grouped = table.groupby(by, observed=True)[column]
    quartiles = grouped.quantile(np.array([0.25, 0.5, 0.75])).unstack()
    quartiles.columns = pd.Index(["lower", "middle", "upper"])
    joined = table[[*by, column]].join(quartiles, on=by)
    reach = 1.5 * (joined["upper"] - joined["lower"])
    inside = joined[(joined[column] >= joined["lower"] - reach) & (joined[column] <= joined["upper"] + reach)]
    ends = inside.groupby(by, observed=True)[column].agg(["min", "max"]).set_axis(["bottom", "top"], axis=1)
    return quartiles.join(ends).reset_index()


def _log_scale(axes: np.ndarray, five: pd.DataFrame) -> None:
    """A logarithmic scale around all whiskers, with plain numbers at a few ticks (minor ticks would take most of the time)."""
    low, high = (five["bottom"].min() / MARGIN, five["top"].max() * MARGIN) if len(five) else (1.0, 10.0)
    steps = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    for ax in axes.flat:  # a scale has its own ticks in every panel
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=steps, numticks=8))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
    axes[0, 0].set_ylim(low, high)


def _draw_boxes(ax: Axes, at: np.ndarray, five: np.ndarray, look: Look, width: float, model: str) -> None:
    """All boxes of one strategy in one panel; three collections instead of six lines a box keep the files small."""
    if not len(at):
        return
    bottom, lower, middle, upper, top = five.T
    left, right = at - width / 2, at + width / 2
    corners = np.stack([np.stack([left, lower]), np.stack([right, lower]), np.stack([right, upper]), np.stack([left, upper])])
    boxes = PolyCollection(
        list(corners.transpose(2, 0, 1)), facecolors=look.color, edgecolors=look.color, linewidths=1.0, alpha=0.75
    )
    ends = [np.stack([at, bottom, at, lower], 1), np.stack([at, upper, at, top], 1)]
    whiskers = LineCollection(list(np.concatenate(ends).reshape(-1, 2, 2)), colors=look.color, linewidths=1.0)
    segments = np.stack([left, middle, right, middle], 1).reshape(-1, 2, 2)
    medians = LineCollection(list(segments), colors="black", linewidths=0.7)
    for name, collection in (("boxes", boxes), ("whiskers", whiskers), ("medians", medians)):
        collection.set_label(f"{name} of {model}")
        ax.add_collection(collection, autolim=False)
