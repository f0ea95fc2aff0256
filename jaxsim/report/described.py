"""A figure in words, for those who do not see it: the range of every strategy's numbers, read off what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxsim.report.figures.needed import NEEDED
from jaxsim.report.minus import typeset
from jaxsim.report.series import is_mark, owner, panels, tiles

MEDIANS = "medians of "


def describe(figure: Figure, models: Sequence[str]) -> str:
    """One sentence a series: from its lowest to its highest number over all panels, and how many there are.

    Args:
        figure: as :func:`jaxsim.report.figures.draw` makes them: its first text is the label of the vertical axis.
        models: labels of the strategies.
    """
    maps = panels(figure, models)
    if maps:
        series = _joined([(models[k], tiles(ax)) for ax, k in maps])
        return _sentence("Tiles by strategy", series)
    series = _joined([*_lines(figure, models), *_medians(figure, models)])
    label = figure.texts[0].get_text()
    if series:
        crossed = _sentence("A mark on the line is at the number that is needed", _joined(_needed(figure)))
        return f"{_sentence(label[:1].upper() + label[1:], series)} {crossed}".strip()
    return _sentence(label[:1].upper() + label[1:], _joined(_levels(figure))) or "No usable fit."


def _lines(figure: Figure, models: Sequence[str]) -> list[tuple[str, Any]]:
    """Points and steps of every strategy, by the line's label (a strategy may have two lines, singular and failed)."""
    drawn = [line for ax in figure.axes for line in ax.lines if owner(line, models) is not None and not is_mark(line)]
    return [(str(line.get_label()), np.asarray(line.get_ydata(), float)) for line in drawn]


def _needed(figure: Figure) -> list[tuple[str, Any]]:
    """Numbers that marks on a target line are at, rounded up, by strategy."""
    marks = [line for ax in figure.axes for line in ax.lines if str(line.get_label()).startswith(NEEDED)]
    return [(str(line.get_label()).removeprefix(NEEDED), np.ceil(np.asarray(line.get_xdata(), float))) for line in marks]


def _medians(figure: Figure, models: Sequence[str]) -> list[tuple[str, Any]]:
    drawn: list[Any] = [c for ax in figure.axes for c in ax.collections if str(c.get_label()).startswith(MEDIANS)]
    return [(f"median of {models[k]}", _heights(c)) for c in drawn if (k := owner(c, models)) is not None]


def _heights(collection: Any) -> np.ndarray:
    return np.array([segment[0, 1] for segment in collection.get_segments()])


def _levels(figure: Figure) -> list[tuple[str, Any]]:
    """Clouds of points that are of no strategy, by the tick of the horizontal axis that they stand at."""
    found: list[tuple[str, Any]] = []
    for ax in figure.axes:
        words = {round(at): tick.get_text() for at, tick in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)}
        for line in ax.lines:
            x, y = (np.asarray(values, float) for values in line.get_data())
            if line.get_marker() not in ("None", None, "") and len(x):
                found.append((f"at {words.get(round(float(x.mean())), '?')}", y))
    return found


def _joined(series: Sequence[tuple[str, Any]]) -> dict[str, np.ndarray]:
    """Finite numbers of each name, of all panels together."""
    found: dict[str, list[np.ndarray]] = {}
    for name, values in series:
        found.setdefault(name, []).append(np.ravel(values))
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    return {name: values[np.isfinite(values)] for name, values in joined.items()}


def _sentence(what: str, series: dict[str, np.ndarray]) -> str:
    told = [f"{name} {_range(values)}" if len(values) else f"{name} no number" for name, values in series.items()]
    return f"{what}: {'; '.join(told)}." if told else ""


def _range(values: np.ndarray) -> str:
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return typeset(low if low == high else f"{low} to {high}")
