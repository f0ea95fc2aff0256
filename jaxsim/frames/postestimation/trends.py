"""Slopes of a numeric variable at the levels of factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief, finite
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.adjust import Family, multiplier
from jaxsim.frames.postestimation.estimability import estimates
from jaxsim.frames.postestimation.marginal_means import Means, families, interval_method, names_of, wanted_names
from jaxsim.frames.postestimation.reference_grid import is_number, known_predictor, predictors, reference_grid
from jaxsim.frames.postestimation.tested import level_of, linear_tests_of
from jaxsim.frames.regression import Regression
from jaxsim.inference import t_table

# Half of the step over which slopes are taken, relative to the variable's range. The error is its square (none for a parabola).
STEP = 1e-4


def trends(
    fit: Fitted,
    variable: str,
    by: str | Sequence[str] | None = None,
    adjust: str | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    df: str | None = None,
    conf_level: float | None = None,
) -> pd.DataFrame:
    """Slopes of the expected response in a numeric variable, as emmeans' ``emtrends``.

    Args:
        fit: the model.
        variable: a column of numbers.
        by: factors at whose levels the slopes are wanted; the mean over all levels if None, and over those of all other factors.
        adjust, df, conf_level: as for :func:`~jaxsim.frames.postestimation.marginal_means.emmeans`.
        at: values of columns; one of the variable itself is where a curve's slope is taken (else its mean).

    Returns:
        A column for each factor, then ``trend, std_error, df, statistic, p_value, conf_low, conf_high``.

    Raises:
        InputError: as ``emmeans``; also for a variable that does not hold numbers.
    """
    method = interval_method(adjust)
    tests, level = linear_tests_of(fit, df), level_of(fit, conf_level)
    asked = slopes(fit.model, variable, None, by, at)
    rows = asked.rows
    trend, error, degrees = estimates(fit, tests, rows, "slopes")
    trend = trend + asked.offset
    found = t_table(trend, error, degrees)
    half = multiplier(level, degrees, Family(len(rows), len(rows), int(np.linalg.matrix_rank(rows))), method) * error
    return asked.levels.assign(
        trend=trend,
        std_error=error,
        df=degrees,
        statistic=found.statistic,
        p_value=found.p_value,
        conf_low=trend - half,
        conf_high=trend + half,
    )


def slopes(
    model: MixedModel | Regression,
    variable: str,
    specs: str | Sequence[str] | None,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any] | None,
) -> Means:
    """The slopes in ``variable``, and those of the offset, at the levels of ``specs`` within those of ``by``."""
    given = dict(at or {})
    known_predictor(variable, predictors(model))
    numbers = model.rows.frame[variable]
    if not is_number(numbers):
        raise InputError(f"{brief(variable)} does not hold numbers, so it has no slope; compare its levels with contrasts.")
    place = given.get(variable, float(numbers.mean()))
    if not finite(place.item() if isinstance(place, np.generic) else place):
        raise InputError(f"at={{{variable!r}: {brief(place)}}} must be the one number at which the slope is taken.")
    step = STEP * float(np.ptp(numbers.to_numpy(float)))
    grid = reference_grid(model, {**given, variable: [float(place) - step, float(place) + step]})
    others = [name for name in grid.names if name != variable]
    wanted: tuple[str, ...] = ()
    if specs is not None:
        wanted, divided = wanted_names(specs, by, others)
    else:
        divided = () if by is None else names_of("by", by, others)
    levels, rows, offset = grid.over([*wanted, *divided, variable])
    below, above = np.split(np.column_stack([rows, offset]), 2)
    slope = (above - below) / (2 * step)
    levels = levels[[*wanted, *divided]].iloc[: len(below)]
    return Means(levels, slope[:, :-1], slope[:, -1], families(levels, divided), divided)
