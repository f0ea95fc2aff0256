"""What is added to the linear predictor of each row with a coefficient of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.formula.coding import DEFAULT
from jaxsim.formula.columns import Column
from jaxsim.formula.functions import column_names
from jaxsim.formula.tokens import Token
from jaxsim.formula.variable import Variable, learn


@dataclass(frozen=True, eq=False)
class OffsetRecipe:
    """How to make the offset of other rows.

    Attributes:
        variables: whose values add up to it.
        loose: whether it was given as numbers beside the data, which other rows do not have.
    """

    variables: tuple[Variable, ...]
    loose: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that it needs."""
        return tuple(dict.fromkeys(name for variable in self.variables for name in column_names(variable.tokens)))

    def on(self, frame: pd.DataFrame) -> np.ndarray:
        """Of any complete rows, ``[N]``; :class:`InputError` where it was given as numbers beside the data."""
        if self.loose:
            raise InputError(
                "the model has an offset that was given as numbers beside the data, so that of other rows is not known; "
                "make it a column of the data, offset='name'."
            )
        return added([variable.on(frame) for variable in self.variables], len(frame))


def learn_offset(parts: Sequence[Sequence[Token]], frame: pd.DataFrame, loose: bool) -> tuple[OffsetRecipe, np.ndarray]:
    """The recipe, and the offset of the rows ``frame`` that it is learned from, ``[N]``; :class:`InputError` for text."""
    learned = [learn(tokens, frame, DEFAULT) for tokens in parts]
    recipe = OffsetRecipe(tuple(variable for variable, _ in learned), loose)
    return recipe, added([column for _, column in learned], len(frame))


def added(columns: Sequence[Column], n_rows: int) -> np.ndarray:
    """The sum of some columns, ``[N]``."""
    total = np.zeros(n_rows)
    for column in columns:
        if column.values.ndim > 1 or (column.levels is not None and not column.logical):
            raise InputError(f"the offset {column.label!r} must be one column of numbers.")
        total = total + column.values
    return total
