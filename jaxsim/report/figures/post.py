"""The 2019 study's three figures: sums over the coefficients of one fit."""

from __future__ import annotations

from matplotlib.figure import Figure

from jaxsim.report.figures.boxes import draw_boxes
from jaxsim.report.figures.numbers import Numbers


def draw_coefficient_error(numbers: Numbers) -> Figure:
    """Absolute errors."""
    title = "Absolute error of the coefficients, summed within each fit"
    return draw_boxes(numbers, "Coef_abs_err", title=title, y_label="sum of |estimate − truth| (units of the coefficients)")


def draw_se_sum(numbers: Numbers) -> Figure:
    """Standard errors."""
    title = "Standard errors of the coefficients, summed within each fit"
    return draw_boxes(numbers, "SE_sum", title=title, y_label="sum of standard errors (units of the coefficients)")


def draw_t_sum(numbers: Numbers) -> Figure:
    """Test statistics."""
    title = "Test statistics of the coefficients, summed within each fit"
    return draw_boxes(numbers, "T_sum", title=title, y_label="sum of |t| (no unit)")
