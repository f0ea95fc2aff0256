"""What of a figure belongs to which strategy, read off the labels of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxsim.report.figures.needed import LIMITS, NEEDED
from jaxsim.report.figures.verdicts import unmarked

PARTS = (LIMITS, NEEDED, "interval of ", "ribbon of ", "boxes of ", "whiskers of ", "medians of ")
EVENTS = (": singular", ": failed")
TILES = "tiles of "


def parts(figure: Figure, models: Sequence[str]) -> Iterator[tuple[Artist, int]]:
    """Every part of one strategy alone, with the strategy's number: points, intervals, panels of maps, entries of the legend."""
    for ax in figure.axes:
        yield from ((artist, k) for artist in (*ax.lines, *ax.collections) if (k := owner(artist, models)) is not None)
    yield from ((ax, k) for ax, k in panels(figure, models))
    for legend in figure.legends:
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            k = _number(text.get_text(), models)
            if handle is not None and k is not None:
                yield from ((handle, k), (text, k))


def owner(artist: Artist, models: Sequence[str]) -> int | None:
    """Number of the strategy that a part shows; None if it is of several or of none."""
    label = str(artist.get_label())
    return _number(next((label.removeprefix(part) for part in PARTS if label.startswith(part)), label), models)


def is_mark(part: Artist) -> bool:
    """Whether a part is a mark at the number that a strategy needs, or its limits."""
    return str(part.get_label()).startswith((LIMITS, NEEDED))


def _number(label: str, models: Sequence[str]) -> int | None:
    names = (label, *(label.removesuffix(event) for event in EVENTS), unmarked(label))
    return next((models.index(name) for name in names if name in models), None)


def panels(figure: Figure, models: Sequence[str]) -> list[tuple[Axes, int]]:
    """Panels of a heat map, with the number of the strategy of each."""
    named = [(ax, str(mesh.get_label()).removeprefix(TILES)) for ax in figure.axes if (mesh := _mesh(ax)) is not None]
    return [(ax, models.index(name)) for ax, name in named if name in models]


def tiles(ax: Axes) -> np.ndarray | None:
    """Numbers of the tiles of a panel, NaN where there are none; None if it has no tiles."""
    mesh = _mesh(ax)
    return None if mesh is None else np.ma.filled(np.ma.asarray(mesh.get_array(), float), np.nan)


def _mesh(ax: Axes) -> Any:
    """The tiles of a panel; None if it has none."""
    return next((collection for collection in ax.collections if str(collection.get_label()).startswith(TILES)), None)
