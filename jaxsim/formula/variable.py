"""A variable of a formula as a model has learned it: levels and numbers of the fitted rows, for all rows that come later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.formula.columns import Column, level_name
from jaxsim.formula.expression import Memory, evaluate
from jaxsim.formula.tokens import Token


@dataclass(frozen=True, eq=False)
class Variable:
    """One variable of a formula, and what the fitted rows say about it.

    Attributes:
        tokens: the column or the call.
        label: as R would name it.
        levels: that occur in the fitted rows, the reference first; None for numbers.
        logical: for a variable of true and false.
        memory: what calls such as ``scale(x)`` have learned.
    """

    tokens: tuple[Token, ...]
    label: str
    levels: tuple[str, ...] | None
    logical: bool
    memory: Memory

    def on(self, frame: pd.DataFrame) -> Column:
        """The variable on other rows, coded as it was learned.

        Raises:
            InputError: for a level that was not there, for text where there were numbers, and for what cannot be computed.
        """
        column = evaluate(self.tokens, frame, self.memory)
        if self.levels is None:
            if column.levels is not None and not column.logical:
                raise InputError(f"{self.label!r} holds numbers in the fitted rows, and text in the new ones; give numbers.")
            return Column(self.label, column.values)
        if column.levels is None:
            numbers, codes = np.unique(column.values, return_inverse=True)
            names = [level_name(float(number)) for number in numbers]
        else:
            names, codes = list(column.levels), column.values.astype(int)
        known = {level: float(i) for i, level in enumerate(self.levels)}
        new = next((names[code] for code in np.unique(codes) if names[code] not in known), None)
        if new is not None:
            listed = ", ".join(map(repr, self.levels[:5])) + (", .." if len(self.levels) > 5 else "")
            raise InputError(f"{self.label!r} has the level {new!r}, which no fitted row has; there were {listed}.")
        place = np.array([known.get(name, np.nan) for name in names])
        return Column(self.label, place[codes], self.levels, self.logical)


def learn(tokens: Sequence[Token], frame: pd.DataFrame) -> tuple[Variable, Column]:
    """A variable, and its values on the rows ``frame`` it is learned from; levels that do not occur are left out."""
    memory = Memory()
    column = evaluate(tokens, frame, memory, learning=True)
    if column.levels is not None:
        used, codes = np.unique(column.values.astype(int), return_inverse=True)
        column = Column(column.label, codes.astype(float), tuple(column.levels[i] for i in used), column.logical)
    return Variable(tuple(tokens), column.label, column.levels, column.logical, memory), column
