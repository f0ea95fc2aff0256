"""What tests of whole terms mean: the hypotheses of types I, II and III, for any coding of the factors.

A term F1 is contained in F2 if F2 has all factors of F1, more of them, and the same numeric variables (the rule of SAS).
A hypothesis is that combinations of the coefficients are zero. Any combinations with the same span are the same hypothesis and have
the same F, but not quite the same degrees of freedom by Satterthwaite's method: these are lmerTest's (where there is one term only,
those of type I).

- Type I: each term after those before it. With ``X = Q R``, R with a unit diagonal, the rows of ``R`` that belong to the term.
- Type II: the same, with the columns of all terms that do not contain it before it. Of a term that none contains that is its own
  coefficients.
- Type III: in the model with a column for every level and every combination of levels, whose estimable functions are the span of
  its rows, those that have zeros for all terms but the term and those that contain it, and are orthogonal to the hypotheses of the
  latter. Where no cell is empty that compares means with equal weights, as coding by sums to zero does.

lmerTest's hypotheses of types II and III are others in four cases: ``a + a:b`` without ``b``, where it takes a for not contained
in a:b, interactions without an intercept (type III), and ``a * x`` where a level has too few rows for a slope (type III), all of
which depend on the reference levels there; and a column that repeats another (``x + x2`` with ``x2 = 2 x``), where type III here
has no testable hypothesis of either, because no row tells them apart, and lmerTest tests the one that was kept. In interactions it
also takes ``poly(x, 2)``, ``scale(x)`` and numbers with a name in backquotes for factors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jaxsim.formula.columns import Column
from jaxsim.formula.model_matrix import ModelMatrix, code
from jaxsim.formula.tokens import show
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.row_terms import weights_of
from jaxsim.frames.regression import Regression
from jaxsim.numerics.row_basis import dependent

# A direction of the row space, or of hypotheses, whose length is below this fraction of the longest is rounding.
RANK = 1e-9


def term_names(x: ModelMatrix) -> list[str]:
    """As R writes them, in order."""
    variables = x.recipe.terms.variables
    return [":".join(show(variables[i]) for i in member) for member in x.recipe.terms.members]


def hypotheses(model: MixedModel | Regression, kind: int) -> list[np.ndarray]:
    """Independent rows ``[q, P]`` of each term; none for a term without a testable hypothesis."""
    if len(model.x.recipe.terms.members) == 1:
        kind = 1
    if kind == 3:
        return _marginal(model)
    contained = [bool(column.any()) for column in _contains(model.x).T]
    return [
        np.eye(len(model.x.names))[own] if kind == 2 and not contained[j] else _after(_rows(model), before, own)
        for j, (before, own) in enumerate(_before(model.x, kind))
    ]


def _contains(x: ModelMatrix) -> np.ndarray:
    """Whether term i contains term j, ``[i, j]``."""
    numeric = [variable.levels is None for variable in x.recipe.variables]
    parts = [({i for i in member if not numeric[i]}, {i for i in member if numeric[i]}) for member in x.recipe.terms.members]
    found = [[large[0] > small[0] and large[1] == small[1] for small in parts] for large in parts]
    return np.array(found, bool).reshape(len(parts), len(parts))


def _before(x: ModelMatrix, kind: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each term, the columns that come before it, and its own."""
    term_of, contains = np.array(x.term_of), _contains(x)
    found = []
    for j in range(len(x.recipe.terms.members)):
        others = range(j) if kind == 1 else [i for i in range(len(contains)) if i != j and not contains[i, j]]
        earlier = np.isin(term_of, [0, *(i + 1 for i in others)])
        found.append((np.flatnonzero(earlier), np.flatnonzero(term_of == j + 1)))
    return found


def _rows(model: MixedModel | Regression) -> np.ndarray:
    """The model matrix in whose rows terms are orthogonal to those before: of least squares times the root of the weights, so that
    sums of squares are those of the residuals (as R's ``anova`` of ``lm``); of mixed models as it is (as lmerTest)."""
    return model.x.values if isinstance(model, MixedModel) else model.x.values * np.sqrt(weights_of(model))[:, None]


def _after(x: np.ndarray, before: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The hypothesis that the columns ``own`` of ``x`` add nothing to those ``before``, whatever else there is."""
    rest = np.setdiff1d(np.arange(x.shape[1]), np.concatenate([before, own]))
    order = np.concatenate([before, own, rest])
    _, upper = np.linalg.qr(x[:, order])
    own_rows = upper[len(before) : len(before) + len(own)]
    rows = np.zeros((len(own), len(order)))
    rows[:, order] = own_rows / np.diagonal(own_rows[:, len(before) :])[:, None]
    return rows


def _marginal(model: MixedModel | Regression) -> list[np.ndarray]:
    x = model.x
    every, term_of, of_reference = _all_levels(model)
    left, sizes, right = np.linalg.svd(every, full_matrices=False)
    real = sizes > RANK * sizes[0]
    estimable = right[real]
    # A row of the span is a'every with a = left / sizes ..; the same function of the coefficients is a'X.
    carry = (left[:, real] / sizes[real]).T @ x.values
    contains = _contains(x)
    spans = [np.zeros((0, len(estimable)))] * len(contains)
    for j in sorted(range(len(contains)), key=lambda j: -len(x.recipe.terms.members[j])):
        above = np.flatnonzero(contains[:, j])
        own = _null(estimable[:, ~np.isin(term_of, [j + 1, *(above + 1)])].T)
        if len(above):
            # Rows of spans are combinations of the rows of ``estimable``, which are orthonormal.
            own = _null(np.concatenate([spans[i] for i in above]) @ own.T) @ own
        spans[j] = own
    own_columns = [term_of == j + 1 for j in range(len(contains))]
    return [_plain(spans[j], estimable[:, own], of_reference[own]) @ carry for j, own in enumerate(own_columns)]


def _plain(span: np.ndarray, own: np.ndarray, of_reference: np.ndarray) -> np.ndarray:
    """The same span by rows that are 0 and 1 in the term's own columns of treatment coding (the first independent ones)."""
    weights, order = span @ own, np.argsort(of_reference, kind="stable")
    skipped = dependent(weights[:, order])
    kept = [column for i, column in enumerate(order) if i not in skipped]
    return np.linalg.solve(weights[:, kept], span) if len(kept) == len(span) else span


def _null(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal rows ``[k, n]`` that a matrix ``[m, n]`` maps to zero."""
    if not matrix.size:
        return np.eye(matrix.shape[1])
    _, sizes, right = np.linalg.svd(matrix)
    return right[int((sizes > RANK * max(1.0, sizes[0])).sum()) :]


def _all_levels(model: MixedModel | Regression) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns with an indicator of every level, ``[N, R]``, numbers in units of their root mean square; of each its term, and
    whether it belongs to the first level of a factor that has contrasts in the term, ``[R]``."""
    recipe, frame = replace(model.x.recipe, contrasts=frozenset()), model.rows.frame
    columns = [_scaled(variable.on(frame)) for variable in recipe.variables]
    values, _, term_of = recipe.columns(columns, len(frame))
    flags = [np.zeros(1, bool)] if recipe.terms.intercept else []
    for number, member in enumerate(recipe.terms.members):
        found = np.zeros(1, bool)
        for i in member:
            own = np.zeros(code(columns[i], None)[0].shape[1], bool)
            own[0] = columns[i].levels is not None and (number, i) in model.x.recipe.contrasts
            found = (own[:, None] | found).reshape(-1)
        flags.append(found)
    return values, np.array(term_of), np.concatenate(flags)


def _scaled(column: Column) -> Column:
    if column.levels is not None:
        return column
    scale = np.sqrt(np.mean(column.values**2))
    return replace(column, values=column.values / (scale if scale > 0 else 1.0))
