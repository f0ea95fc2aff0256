"""What is asked for: one dataset, and an R function that a user wrote."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.formula.columns import require
from jaxsim.r.request import coded


@dataclass(frozen=True, eq=False)
class CodeRequest:
    """One dataset and the R function that is to be called with it.

    Attributes:
        code: R code whose last value is a function of one argument, the data frame. It returns a data.frame with the columns
            ``term``, ``estimate`` and any of ``std_error, statistic, df, p_value, conf_low, conf_high``; or a named numeric vector
            of estimates; or a list with one of these as ``table`` and any of ``status`` (a label of
            :class:`~jaxsim.status.Status`), ``message``, ``sigma``, ``criterion``, ``converged``, ``singular``.
        data: a row per observation; the function gets all columns. Text and categories are factors there, with the levels that
            :func:`jaxsim.lmer` gives them; missing values are NA.
        time_limit: seconds that the function may take; None for the pool's.
    """

    code: str
    data: pd.DataFrame
    time_limit: float | None = None

    def __post_init__(self) -> None:
        check_text(self.code)
        require(self.data, [])
        require(self.data, list(self.data.columns))
        limit = self.time_limit
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0):
            raise InputError(f"time_limit={limit!r} must be a positive number of seconds, or None for the pool's.")


def check_text(code: str) -> None:
    """Raise :class:`InputError` for what cannot be R code at first sight."""
    if not isinstance(code, str) or not code.strip():
        raise InputError(f"code={code!r} must be text that gives an R function, such as 'function(data) {{ ... }}'.")


def encode_code(code: str) -> str:
    """The code as R reads it, which knows one kind of line end only."""
    return code.replace("\r\n", "\n")


def encode_data(data: pd.DataFrame) -> pd.DataFrame:
    """The data as a worker needs them; :class:`InputError` for a column that R could not be given."""
    return pd.DataFrame({str(name): _arriving(data[name]) for name in data.columns})


def _arriving(series: pd.Series) -> pd.Series:
    """A column as R should see it, missing values included."""
    there = series.notna().to_numpy()
    column = coded(series.dropna().reset_index(drop=True).infer_objects())
    if there.all():
        return column
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = np.full(len(series), -1)
        codes[there] = column.cat.codes
        return pd.Series(pd.Categorical.from_codes(codes.tolist(), column.cat.categories))
    if column.dtype == bool:
        logical = pd.Series(pd.NA, index=range(len(series)), dtype="boolean")
        logical[there] = column.to_numpy()
        return logical
    values = np.full(len(series), math.nan)
    values[there] = column
    return pd.Series(values)
