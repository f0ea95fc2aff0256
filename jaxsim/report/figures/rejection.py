"""How often "the coefficient is zero" is rejected: power where it is not zero, the type I error where it is."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from jaxsim.report.figures import rates
from jaxsim.report.figures.coverage import band_note, draw_band
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import interval_figure
from jaxsim.report.figures.rates import POWER, TYPE_ONE_ERROR


def draw_power(numbers: Numbers) -> Figure:
    """Rejection rate where the true value is not zero; :class:`Absent` if it always is."""
    layout = rates.layout_of(numbers, POWER)
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
    layout = rates.layout_of(numbers, TYPE_ONE_ERROR)
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
    """What power depends on most: the true values."""
    study, shown = numbers.results.study, numbers.shown
    given = dict.fromkeys(getattr(cell.process, "fixed_effects", None) for cell in study.cells)
    effects = [values for values in given if isinstance(values, tuple)]
    if None in given:
        return "True values are those of the tables."
    if len(effects) < len(given):
        return f"True values are drawn: {' or '.join(map(str, given))}."
    places = {term: study.names.fixed.index(term) for term in shown if term in study.names.fixed}
    values = {term: sorted({found[k] for found in effects if found[k] != 0}) for term, k in places.items()}
    return f"True values: {', '.join(f'{term} {_span(found)}' for term, found in values.items() if found)}."


def _span(values: Sequence[float]) -> str:
    return f"{values[0]:.3g}" if len(values) == 1 else f"{values[0]:.3g} to {values[-1]:.3g}"
