"""What a model may be given for each row beside its formula: weights, frequencies, an offset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from jaxsim.errors import InputError, brief
from jaxsim.formula.columns import Rows, require
from jaxsim.formula.offset import OffsetRecipe, learn_offset
from jaxsim.formula.parse import Formula
from jaxsim.formula.tables import as_name, is_column, with_column
from jaxsim.formula.tokens import Token

# Rows that frequencies may add up to.
MOST_ROWS = 10_000_000


@dataclass(frozen=True, eq=False)
class RowValues:
    """As they were given: each the name of a column, or a number for each row, or None.

    Args:
        weights: a row's residual variance is ``sigma^2`` divided by its weight, as in R's ``lm`` and ``lmer``.
        frequencies: how many rows, all alike, a row stands for.
        offset: what is added to the linear predictor with a coefficient of one.
    """

    weights: Any = None
    frequencies: Any = None
    offset: Any = None

    @property
    def title(self) -> str:
        """For the line that says how a model was fitted."""
        given = {"weights": self.weights, "frequencies": self.frequencies, "offset": self.offset}
        return "".join(f", {what} {name_of(value)}" for what, value in given.items() if value is not None)

    def beside(self, data: pd.DataFrame) -> GivenRows:
        """The data with what was given beside them as columns.

        Raises:
            InputError: for a name that no column has, for another number of values than rows, for what is neither.
        """
        names: dict[str, str] = {}
        frame = data
        for argument in ("weights", "frequencies", "offset"):
            value = getattr(self, argument)
            if value is None:
                continue
            name = as_name(value)
            if isinstance(name, str):
                require(data, [name], f"{argument}={brief(name)} names a column, so there must be")
            else:
                values = as_array(value)
                if not is_column(values):
                    raise InputError(f"{argument}={brief(value)} must be the name of a column, or a number for each row.")
                frame, name = with_column(frame, argument, values)
            names[argument] = name
        loose = "offset" in names and names["offset"] not in data.columns
        return GivenRows(frame, names, loose)


def as_array(value: Any) -> Any:
    """A list as an array; as it is if it is none, or lists of unequal length."""
    try:
        return np.asarray(value) if isinstance(value, (list, tuple)) else value
    except ValueError:
        return value


NO_VALUES = RowValues()


@dataclass(frozen=True, eq=False)
class GivenRows:
    """``frame`` with the columns ``names`` (by argument); ``loose``: whether the offset is no column of the user's data."""

    frame: pd.DataFrame
    names: dict[str, str]
    loose: bool

    def repeated(self, rows: Rows) -> Rows:
        """Each row as often as it stands for; :class:`InputError` for frequencies that are no whole numbers."""
        if "frequencies" not in self.names:
            return rows
        name = self.names["frequencies"]
        counts = self._numbers(rows, "frequencies")
        if (counts != np.floor(counts)).any() or (counts < 0).any() or not counts.sum():
            raise InputError(
                f"frequencies={brief(name)} must be whole numbers, 0 or more: how many rows a row stands for. For rows that are "
                "more or less precise give weights."
            )
        if counts.sum() > MOST_ROWS:
            raise InputError(f"frequencies={brief(name)} add up to {counts.sum():,.0f} rows; at most {MOST_ROWS:,} are possible.")
        places = np.repeat(np.arange(len(counts)), counts.astype(int))
        return replace(rows, frame=rows.frame.iloc[places].reset_index(drop=True), index=rows.index[places])

    def weights(self, rows: Rows) -> np.ndarray | None:
        """Of the rows ``[N]``, None without; :class:`InputError` for weights that are not positive."""
        if "weights" not in self.names:
            return None
        values = self._numbers(rows, "weights")
        if (values <= 0).any():
            count, name = int((values <= 0).sum()), self.names["weights"]
            raise InputError(f"weights={brief(name)} must be positive, and {count} of {len(values)} are not; drop such rows.")
        return values

    def offset(self, rows: Rows, formula: Formula) -> tuple[np.ndarray | None, OffsetRecipe | None]:
        """Of the rows ``[N]``, from the formula and from what was given, and how to make it for others; None without."""
        parts = list(formula.offsets)
        if "offset" in self.names:
            parts.append((Token("name", self.names["offset"]),))
        if not parts:
            return None, None
        recipe, values = learn_offset(parts, rows.frame, self.loose)
        return values, recipe

    def _numbers(self, rows: Rows, argument: str) -> np.ndarray:
        series = rows.frame[self.names[argument]]
        if not types.is_numeric_dtype(series) or types.is_complex_dtype(series):
            raise InputError(f"{argument}={brief(self.names[argument])} must hold numbers; it holds {series.dtype}.")
        return series.to_numpy(float)


def name_of(value: Any) -> str:
    """A column as a title has it."""
    name = as_name(value)
    if isinstance(name, str):
        return name
    own = getattr(value, "name", None)
    return own if isinstance(own, str) else "as given"
