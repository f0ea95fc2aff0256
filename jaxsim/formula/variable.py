"""A variable of a formula as a model has learned it: levels and numbers of the fitted rows, for all rows that come later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api import types

from jaxsim.errors import InputError
from jaxsim.formula.coding import Coding
from jaxsim.formula.columns import Column, level_name
from jaxsim.formula.contrasts import TREATMENT, Contrast
from jaxsim.formula.expression import Memory, evaluate
from jaxsim.formula.functions import column_names
from jaxsim.formula.text_numbers import note
from jaxsim.formula.tokens import Token


@dataclass(frozen=True, eq=False)
class Variable:
    """One variable of a formula, and what the fitted rows say about it.

    Attributes:
        tokens: the column or the call.
        label: as R would name it.
        levels: that occur in the fitted rows, in their order; None for numbers.
        logical: for a variable of true and false.
        memory: what calls such as ``scale(x)`` have learned.
        contrast: that a factor is coded by.
        numeric: its columns that held numbers.
        note: what a user should know about the coding; empty if nothing.
    """

    tokens: tuple[Token, ...]
    label: str
    levels: tuple[str, ...] | None
    logical: bool
    memory: Memory
    contrast: Contrast = TREATMENT
    numeric: tuple[str, ...] = ()
    note: str = ""

    def on(self, frame: pd.DataFrame) -> Column:
        """The variable on other rows, coded as it was learned.

        Raises:
            InputError: for a level that was not there, for text where there were numbers, and for what cannot be computed.
        """
        column = evaluate(self.tokens, numbers_of_categories(frame, self.numeric), self.memory)
        if self.levels is None:
            if column.levels is not None and not column.logical:
                raise InputError(
                    f"{self.label!r} holds numbers in the fitted rows, and text in the new ones; give numbers "
                    "(pandas.to_numeric converts text)."
                )
            return Column(self.label, column.values)
        if column.levels is None:
            numbers, codes = np.unique(column.values, return_inverse=True)
            names = [level_name(float(number)) for number in numbers]
        else:
            names, codes = list(column.levels), column.values.astype(int)
        place = np.array([self._place(name) for name in names])
        new = next((names[code] for code in np.unique(codes) if np.isnan(place[code])), None)
        if new is not None:
            listed = ", ".join(map(repr, self.levels[:5])) + (", .." if len(self.levels) > 5 else "")
            raise InputError(f"{self.label!r} has the level {new!r}, which no fitted row has; there were {listed}.")
        return Column(self.label, place[codes], self.levels, self.logical)

    def _place(self, name: str) -> float:
        """Position of a level; True, TRUE and "true" are the same, as are 1 and 0 for true and false. NaN for a new one."""
        assert self.levels is not None
        if name in self.levels:
            return float(self.levels.index(name))
        truth = {"1": "true", "0": "false"}.get(name, name.casefold()) if self.logical else name.casefold()
        same = [i for i, level in enumerate(self.levels) if truth in ("true", "false") and level.casefold() == truth]
        return float(same[0]) if len(same) == 1 else np.nan


def learn(tokens: Sequence[Token], frame: pd.DataFrame, coding: Coding) -> tuple[Variable, Column]:
    """A variable, and its values on the rows ``frame`` it is learned from; levels that do not occur are left out."""
    memory = Memory()
    column = evaluate(tokens, frame, memory, learning=True)
    said = ""
    if column.levels is not None:
        used, codes = np.unique(column.values.astype(int), return_inverse=True)
        levels = tuple(column.levels[i] for i in used)
        said = "" if column.contrast is not None else coding.note(column.label, column.ordered)
        said = said or (note(frame[tokens[0].text], tokens[0].text) if len(tokens) == 1 else "")
        column = replace(column, values=codes.astype(float), levels=levels)
    numeric = tuple(name for name in dict.fromkeys(column_names(tokens)) if types.is_numeric_dtype(frame[name].dtype))
    contrast = column.contrast or coding.contrast(column.ordered)
    return Variable(tuple(tokens), column.label, column.levels, column.logical, memory, contrast, numeric, said), column


def numbers_of_categories(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The frame with categories of numbers as numbers in these columns."""
    for name in names:
        kind = frame[name].dtype
        if isinstance(kind, pd.CategoricalDtype) and types.is_numeric_dtype(kind.categories.dtype):
            frame = frame.assign(**{name: frame[name].astype(kind.categories.dtype)})
    return frame
