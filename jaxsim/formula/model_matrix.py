"""R's ``model.matrix``: columns, their order and names, and which factors get contrasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.formula.algebra import Terms
from jaxsim.formula.coding import Coding
from jaxsim.formula.columns import Column, check_size
from jaxsim.formula.contrasts import Contrast
from jaxsim.formula.variable import Variable, learn

INTERCEPT = "(Intercept)"
DEFAULT = Coding()


@dataclass(frozen=True, eq=False)
class Recipe:
    """How to make the columns of one side of a formula from a DataFrame, as learned from the rows that were fitted.

    Attributes:
        terms: of the formula.
        variables: one for each of ``terms.variables``.
        contrasts: ``(term, variable)`` pairs in which a factor is coded by contrasts.
    """

    terms: Terms
    variables: tuple[Variable, ...]
    contrasts: frozenset[tuple[int, int]]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the coding."""
        return tuple(variable.note for variable in self.variables if variable.note)

    def on(self, frame: pd.DataFrame) -> np.ndarray:
        """The columns for any complete rows, ``[N, P]``; :class:`InputError` as :meth:`Variable.on`."""
        return self.columns([variable.on(frame) for variable in self.variables], len(frame))[0]

    def columns(self, columns: Sequence[Column], n_rows: int) -> tuple[np.ndarray, tuple[str, ...], tuple[int, ...]]:
        """Values ``[N, P]``, names and terms of the model matrix of some variables' values."""
        parts: list[np.ndarray] = [np.ones((n_rows, 1))] if self.terms.intercept else []
        names: list[str] = [INTERCEPT] if self.terms.intercept else []
        term_of = [0] * len(names)
        for number, member in enumerate(self.terms.members, start=1):
            product, labels = np.ones((n_rows, 1)), [""]
            for i in member:
                coded, levels = code(columns[i], self.variables[i].contrast if (number - 1, i) in self.contrasts else None)
                # The levels of the first variable vary fastest, as in R.
                product = (coded[:, :, None] * product[:, None, :]).reshape(n_rows, -1)
                labels = [f"{label}:{level}" if label else level for level in levels for label in labels]
            parts.append(product)
            names += labels
            term_of += [number] * len(labels)
        values = np.concatenate(parts, axis=1) if parts else np.zeros((n_rows, 0))
        return values, tuple(names), tuple(term_of)


@dataclass(frozen=True, eq=False)
class ModelMatrix:
    """``values`` ``[N, P]``, ``names`` ``P`` of them as in R, and the number of the term each column belongs to, ``[P]``.

    ``recipe`` makes the same columns of other rows.
    """

    values: np.ndarray
    names: tuple[str, ...]
    term_of: tuple[int, ...]
    recipe: Recipe

    @property
    def categorical(self) -> bool:
        """Whether a factor takes part."""
        return any(variable.levels is not None for variable in self.recipe.variables)


def model_matrix(terms: Terms, frame: pd.DataFrame, coding: Coding = DEFAULT) -> ModelMatrix:
    """The columns by R's rules, learned from these rows.

    Raises:
        InputError: for a factor with one level, and for two columns of the same name.
    """
    learned = [learn(variable, frame, coding) for variable in terms.variables]
    columns = [column for _, column in learned]
    for column in columns:
        check_levels(column)
    recipe = Recipe(terms, tuple(variable for variable, _ in learned), frozenset(contrast_coded(terms, columns)))
    values, names, term_of = recipe.columns(columns, len(frame))
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InputError(f"two columns of the model would be named {twice!r}: a column and a level of another. Rename one of them.")
    for column, name in zip(values.T, names, strict=True):
        check_size(column, name)
    return ModelMatrix(values, names, term_of, recipe)


def contrast_coded(terms: Terms, columns: list[Column]) -> set[tuple[int, int]]:
    """``(term, variable)`` pairs in which a factor is coded by contrasts rather than by one column per level.

    R: contrasts if the rest of the term is contained in a term before it (the empty rest counts as contained); but without
    an intercept the first factor of the first term that has one gets a column per level.
    """
    found = set()
    for number, member in enumerate(terms.members):
        for i in member:
            rest = set(member) - {i}
            if not rest or any(rest <= set(earlier) for earlier in terms.members[:number]):
                found.add((number, i))
    if not terms.intercept:
        factors = ((number, i) for number, member in enumerate(terms.members) for i in member if columns[i].levels is not None)
        found.discard(next(factors, (-1, -1)))
    return found


def check_levels(column: Column) -> None:
    """Raise :class:`InputError` for a factor with one level."""
    if column.levels is not None and len(column.levels) < 2:
        raise InputError(f"the factor {column.label!r} has the one level {column.levels[0]!r} on the complete rows; leave it out.")


def code(column: Column, contrast: Contrast | None) -> tuple[np.ndarray, list[str]]:
    """Columns of one variable ``[N, k]`` and their names; of a factor by contrasts, or one for each level that fitted rows have."""
    if column.levels is None:
        if column.values.ndim == 1:
            return column.values[:, None], [column.label]
        return column.values, [f"{column.label}{i}" for i in range(1, column.values.shape[1] + 1)]
    matrix, names = np.eye(len(column.levels)), list(column.levels)
    if contrast is not None:
        matrix, names = contrast.columns(column.label, column.levels)
    return matrix[column.values.astype(int)], [f"{column.label}{name}" for name in names]
