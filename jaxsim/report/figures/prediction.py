"""How far predictions of responses are off that a strategy has not seen."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.errors import draw_errors, measured
from jaxsim.report.figures.numbers import Numbers


def draw_known(numbers: Numbers) -> Figure:
    """Of further rows of the groups that a dataset has; :class:`Absent` if the study did not ask for it."""
    return _draw(numbers, "prediction_rmse_known", "Prediction error: further rows of the same groups")


def draw_new(numbers: Numbers) -> Figure:
    """Of rows of groups that it does not have; :class:`Absent` if the study did not ask for it."""
    return _draw(numbers, "prediction_rmse_new", "Prediction error: rows of new groups")


def _draw(numbers: Numbers, name: str, title: str) -> Figure:
    table = measured(numbers, name, "Prediction")
    note = numbers.note_of_fits()
    y_label = "root mean squared error (response)"
    return draw_errors(numbers, table, title=title, y_label=y_label, note=note, from_zero=False, of_fits=True)
