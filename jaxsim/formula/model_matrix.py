"""R's ``model.matrix``: columns, their order and names, and which factors get contrasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.formula.columns import Column, check_size
from jaxsim.formula.expression import evaluate
from jaxsim.formula.parse import Terms

INTERCEPT = "(Intercept)"


@dataclass(frozen=True)
class ModelMatrix:
    """``values`` ``[N, P]``, ``names`` ``P`` of them as in R, and the number of the term each column belongs to, ``[P]``.

    ``categorical`` says whether a factor takes part.
    """

    values: np.ndarray
    names: tuple[str, ...]
    term_of: tuple[int, ...]
    categorical: bool


def model_matrix(terms: Terms, frame: pd.DataFrame) -> ModelMatrix:
    """Treatment coding by R's rules; raises :class:`InputError` for a factor with one level."""
    columns = [evaluate(variable, frame) for variable in terms.variables]
    contrasts = contrast_coded(terms, columns)
    parts: list[np.ndarray] = [np.ones((len(frame), 1))] if terms.intercept else []
    names: list[str] = [INTERCEPT] if terms.intercept else []
    term_of = [0] * len(names)
    for number, member in enumerate(terms.members, start=1):
        product, labels = np.ones((len(frame), 1)), [""]
        for i in member:
            coded, levels = code(columns[i], (number - 1, i) in contrasts)
            # The levels of the first variable vary fastest, as in R.
            product = (coded[:, :, None] * product[:, None, :]).reshape(len(frame), -1)
            labels = [f"{label}:{level}" if label else level for level in levels for label in labels]
        parts.append(product)
        names += labels
        term_of += [number] * len(labels)
    values = np.concatenate(parts, axis=1) if parts else np.zeros((len(frame), 0))
    for column, name in zip(values.T, names, strict=True):
        check_size(column, name)
    return ModelMatrix(values, tuple(names), tuple(term_of), any(column.levels is not None for column in columns))


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


def code(column: Column, contrasts: bool) -> tuple[np.ndarray, list[str]]:
    """Columns of one variable ``[N, k]`` and their names; levels that do not occur are left out."""
    if column.levels is None:
        return column.values[:, None], [column.label]
    used = np.unique(column.values).astype(int)
    if len(used) < 2:
        raise InputError(
            f"the factor {column.label!r} has the one level {column.levels[used[0]]!r} on the complete rows; leave it out."
        )
    kept = used[1:] if contrasts else used
    return (column.values[:, None] == kept).astype(float), [f"{column.label}{column.levels[i]}" for i in kept]
