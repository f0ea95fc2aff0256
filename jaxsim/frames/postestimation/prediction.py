"""Expected responses of rows, from a fitted model."""

from __future__ import annotations

import pandas as pd

from jaxsim.errors import choose
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.postestimation.new_rows import new_rows

LEVELS = ("group", "population")


def predict(fit: Fitted, data: pd.DataFrame | None = None, level: str = "group") -> pd.Series:
    """Expected responses.

    Args:
        fit: the model.
        data: rows with its predictors and, at the level of groups, its groups; the fitted rows when None.
        level: ``group``: with the effects of the row's own group, which are zero for a group that the model has not seen;
            ``population``: with fixed effects alone.

    Returns:
        A number for each row, with the labels of the rows.

    Raises:
        InputError: for a column that is not there, a missing value, a level that no fitted row has, or groups of another type.
    """
    choose("level", level, LEVELS)
    grouped = level == "group" and fit.coef is not None
    if data is None:
        if grouped:
            return fit.fitted.rename("prediction")
        return pd.Series(fit.model.x.values @ fit.beta, index=fit.model.rows.index, name="prediction")
    rows = new_rows(fit.model, data, grouped=grouped)
    values = rows.x @ fit.beta
    if grouped:
        values = values + fit.of_group(rows.x, rows.z, rows.codes)
    return pd.Series(values, index=rows.index, name="prediction")
