"""Rows at which the effect of a predictor is shown: it takes its values, the others stay where they are typical."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import choose
from jaxsim.formula.parse import column_names
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.postestimation.reference_grid import columns_of, predictors

# Points of a curve over a number.
POINTS = 101


def levels_of(fit: Fitted) -> dict[str, list[Any]]:
    """The values of each column that a factor is made of, in the order of the factor's levels, the reference first."""
    frame = fit.model.rows.frame
    found: dict[str, list[Any]] = {}
    for variable in fit.model.x.recipe.variables:
        if variable.levels is None:
            continue
        codes = variable.on(frame).values
        first = [int(np.argmax(codes == code)) for code in range(len(variable.levels))]
        for name in column_names(variable.tokens):
            found[name] = list(dict.fromkeys(frame[name].iloc[first]))
    return found


def grid(fit: Fitted, name: str, by: str | None = None) -> pd.DataFrame:
    """A row for each value of ``name`` (and of ``by``): levels of a factor, points between the least and the largest number.

    The other numbers are at their mean over the fitted rows, the other factors at their reference level.

    Raises:
        InputError: for a column that is no predictor of the model.
    """
    frame, levels, known = fit.model.rows.frame, levels_of(fit), predictors(fit.model)
    choose("predictor", name, known)
    values = levels.get(name) or list(np.linspace(frame[name].min(), frame[name].max(), POINTS))
    rows = pd.DataFrame({name: values})
    if by is not None:
        choose("by", by, [other for other in known if other != name])
        around = levels.get(by) or list(np.unique(np.quantile(frame[by], [0.1, 0.5, 0.9])))
        rows = rows.merge(pd.DataFrame({by: around}), how="cross")
    for other in columns_of(fit.model):
        if other not in rows:
            rows[other] = levels[other][0] if other in levels else frame[other].mean()
    return rows
