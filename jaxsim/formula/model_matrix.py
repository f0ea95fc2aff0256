"""R's ``model.matrix``: columns, their order and names, and which factors get contrasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.formula.algebra import Terms
from jaxsim.formula.coding import DEFAULT, Coding
from jaxsim.formula.columns import Column, check_size
from jaxsim.formula.contrasts import Contrast
from jaxsim.formula.variable import Variable, learn
from jaxsim.numerics.row_basis import dependent

INTERCEPT = "(Intercept)"


@dataclass(frozen=True, eq=False)
class Recipe:
    """How to make the columns of one side of a formula from a DataFrame, as learned from the rows that were fitted.

    Attributes:
        terms: of the formula.
        variables: one for each of ``terms.variables``.
        contrasts: ``(term, variable)`` pairs in which a factor is coded by contrasts.
        kept: positions of the columns that are estimated among all; None for all of them.
    """

    terms: Terms
    variables: tuple[Variable, ...]
    contrasts: frozenset[tuple[int, int]]
    kept: tuple[int, ...] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the coding."""
        return tuple(variable.note for variable in self.variables if variable.note)

    def on(self, frame: pd.DataFrame) -> np.ndarray:
        """The columns that are estimated for any complete rows, ``[N, P]``; :class:`InputError` as :meth:`Variable.on`."""
        every = self.full_on(frame)
        return every if self.kept is None else every[:, list(self.kept)]

    def full_on(self, frame: pd.DataFrame) -> np.ndarray:
        """As :meth:`on`, with the aliased columns in their places."""
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

    ``recipe`` makes the same columns of other rows; ``aliased`` names the columns that were left out, being combinations of those
    before them.
    """

    values: np.ndarray
    names: tuple[str, ...]
    term_of: tuple[int, ...]
    recipe: Recipe
    aliased: tuple[str, ...] = ()

    @property
    def categorical(self) -> bool:
        """Whether a factor takes part."""
        return any(variable.levels is not None for variable in self.recipe.variables)

    @property
    def messages(self) -> tuple[str, ...]:
        """What a user should know about the columns that were left out."""
        if not self.aliased:
            return ()
        one = len(self.aliased) == 1
        what = (
            "is a combination of the columns before it: it was" if one else "are combinations of the columns before them: they were"
        )
        return (
            f"{', '.join(self.aliased)} {what} dropped, as in R, and the others are estimated (aliased='refuse' stops instead)",
        )

    def without_aliased(self) -> ModelMatrix:
        """The same without the columns that are combinations of those before them: what R's ``lm`` and ``lmer`` estimate.

        Such columns arise where combinations of levels do not occur (an empty cell of ``sex * dose``), where a variable follows
        from others, or where it is constant beside an intercept.
        """
        aliased = dependent(self.values)
        if not aliased or len(aliased) == len(self.names):
            return self
        kept = [i for i in range(len(self.names)) if i not in aliased]
        return ModelMatrix(
            self.values[:, kept],
            tuple(self.names[i] for i in kept),
            tuple(self.term_of[i] for i in kept),
            replace(self.recipe, kept=tuple(kept)),
            tuple(self.names[i] for i in aliased),
        )


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
