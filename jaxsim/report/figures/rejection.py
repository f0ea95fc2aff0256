"""How often "the coefficient is zero" is rejected: power where it is not zero, the type I error where it is."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from jaxsim.report.figures.coverage import band_note, draw_band
from jaxsim.report.figures.numbers import ALPHA, Numbers
from jaxsim.report.figures.points import interval_figure


def draw_power(numbers: Numbers) -> Figure | None:
    """Rejection rate where the true value is not zero; None if it always is."""
    estimates = numbers.estimates_where(truth_is_zero=False)
    if estimates.empty:
        return None
    figure, axes = interval_figure(
        numbers,
        numbers.rejection(estimates),
        line=ALPHA,
        title=f"Power: rejection of a zero coefficient at level {ALPHA:g} where it is not zero",
        y_label="rejection rate",
        note=f"{numbers.note(estimates)} {_truths(estimates)} Black line: {ALPHA:g}.",
    )
    axes[0, 0].set_ylim(-0.02, 1.02)
    return figure


def draw_type_one_error(numbers: Numbers) -> Figure | None:
    """Rejection rate where the true value is zero; None if it never is."""
    estimates = numbers.estimates_where(truth_is_zero=True)
    if estimates.empty:
        return None
    table = numbers.rejection(estimates)
    figure, axes = interval_figure(
        numbers,
        table,
        line=ALPHA,
        title=f"Type I error: rejection of a zero coefficient at level {ALPHA:g} where it is zero",
        y_label="rejection rate",
        note=f"{numbers.note(estimates)} {band_note(table, 'tests')}",
    )
    draw_band(axes, table, ALPHA)
    axes[0, 0].set_ylim(bottom=-0.005)
    return figure


def _truths(estimates: pd.DataFrame) -> str:
    """What power depends on most: the true values."""
    truth = estimates.groupby("term", observed=True)["truth"].agg(["min", "max"])
    if (truth["max"] > truth["min"]).any():
        return f"True values vary; their mean absolute value is {estimates['truth'].abs().mean():.2g}."
    return f"True values: {', '.join(f'{name} {value:g}' for name, value in truth['min'].items())}."
