"""How often "the coefficient is zero" is rejected: power where it is not zero, the type I error where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from jaxsim.report.figures import rates
from jaxsim.report.figures.coverage import band_note, draw_band
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import interval_figure
from jaxsim.report.figures.rates import POWER, TYPE_ONE_ERROR


def draw_power(numbers: Numbers) -> Figure:
    """Rejection rate where the true value is not zero; :class:`Absent` if it always is."""
    numbers = rates.of(numbers, POWER)
    layout = rates.layout_by_coefficient(numbers, POWER)
    if numbers.by is not None:  # by itself the figure keeps effects apart while there is any place for them
        rates.check_pooled(numbers, POWER, layout.pooled)
    table = rates.needed(numbers, POWER, layout.by)
    figure, axes = interval_figure(
        numbers,
        table,
        line=numbers.alpha,
        layout=layout,
        title=f"Power: rejection of a zero coefficient at level {numbers.alpha:g} where it is not zero",
        y_label="rejection rate",
        note=f"{rates.note(numbers, POWER, table, layout.pooled, 'a point')} {_truths(numbers)} Black line: {numbers.alpha:g}.",
    )
    axes[0, 0].set_ylim(-0.02, 1.02)
    return figure


def draw_type_one_error(numbers: Numbers) -> Figure:
    """Rejection rate where the true value is zero; :class:`Absent` if it never is."""
    numbers = rates.of(numbers, TYPE_ONE_ERROR)
    layout = rates.layout_by_coefficient(numbers, TYPE_ONE_ERROR)
    table = rates.needed(numbers, TYPE_ONE_ERROR, layout.by)
    figure, axes = interval_figure(
        numbers,
        table,
        line=numbers.alpha,
        layout=layout,
        title=f"Type I error: rejection of a zero coefficient at level {numbers.alpha:g} where it is zero",
        y_label="rejection rate",
        note=f"{rates.note(numbers, TYPE_ONE_ERROR, table, layout.pooled, 'a point')} {band_note(table, 'tests')}",
    )
    draw_band(axes, table, numbers.alpha)
    axes[0, 0].set_ylim(bottom=-0.005)
    return figure


def _truths(numbers: Numbers) -> str:
    """What power depends on most: the true values, as far as processes are told them."""
    study = numbers.results.study
    values: dict[str, set[float]] = {}
    for process in (cell.process for cell in study.cells):
        given = getattr(process, "fixed_effects", None)
        if given is not None and not isinstance(given, tuple):
            drawn = dict.fromkeys(str(getattr(cell.process, "fixed_effects", None)) for cell in study.cells)
            return f"True values are drawn: {' or '.join(drawn)}."
        told = dict(zip(study.names.fixed, given, strict=True)) if given is not None else _by_name(process.values)
        for term in numbers.shown:
            values.setdefault(term, set()).update({told[term]} if isinstance(told.get(term), float) else set())
    known = [f"{term} {_span(sorted(found))}" for term, own in values.items() if (found := {value for value in own if value != 0})]
    return f"True values: {', '.join(known)}." if known else "True values are those of the tables."


def _by_name(values: Mapping[str, Any]) -> dict[str, Any]:
    """Effects of a :class:`jaxsim.Design`, which has each by its name."""
    return {name.removeprefix("effects."): value for name, value in values.items() if name.startswith("effects.")}


def _span(values: Sequence[float]) -> str:
    return f"{values[0]:.3g}" if len(values) == 1 else f"{values[0]:.3g} to {values[-1]:.3g}"
