"""Combinations of all columns of a model, aliased ones among them: which of them the fitted rows say something about, and what."""

from __future__ import annotations

import warnings

import numpy as np

from jaxsim.frames.fitted import Fitted
from jaxsim.frames.linear_tests import NOT_IDENTIFIED, LinearTests, PartialTests, combined, variances
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.regression import Regression

# What rounding leaves of a combination that is estimable, relative to its largest weight (R's estimability has 1e-8 of squares).
TOLERANCE = 1e-7


def estimable(model: MixedModel | Regression, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The combinations in the coefficients that are estimated, ``[K, P]``, and whether they are estimable, ``[K]``.

    With the aliased columns ``A = X B`` of the kept ones ``X``, a combination has a value that does not depend on which columns
    were dropped if its weights of the aliased columns are those that ``B`` gives (it is then orthogonal to the null space).

    Args:
        model: that was fitted.
        rows: combinations of all columns, as :meth:`~jaxsim.formula.model_matrix.Recipe.full_on` makes them, ``[K, R]``.
    """
    recipe = model.x.recipe
    if recipe.kept is None:
        return rows, np.ones(len(rows), bool)
    kept = list(recipe.kept)
    others = np.setdiff1d(np.arange(rows.shape[1]), kept)
    aliased = recipe.full_on(model.rows.frame)[:, others]
    made_of = np.linalg.lstsq(model.x.values, aliased, rcond=None)[0]
    off = np.abs(rows[:, others] - rows[:, kept] @ made_of).max(axis=1, initial=0.0)
    return rows[:, kept], off <= TOLERANCE * np.maximum(1.0, np.abs(rows).max(axis=1, initial=0.0))


def estimates(fit: Fitted, tests: LinearTests, rows: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of combinations of all columns ``[K, R]``: estimate, standard error and degrees of freedom, ``[K]`` each.

    What cannot be had is NaN, and a warning says why; ``what`` is the plural of what the combinations are.
    """
    kept, known = estimable(fit.model, rows)
    if not known.all():
        _warn(
            f"{int((~known).sum())} of {len(known)} {what} cannot be estimated: combinations of levels that no row has decide them "
            f"({', '.join(fit.model.x.aliased)} was dropped); they are NaN"
        )
    estimate, df = combined(kept, fit.beta), tests.df(kept)
    error = np.sqrt(variances(kept, tests.vcov))
    lacking = known & np.isnan(df)
    if lacking.any():
        count = f"{int(lacking.sum())} of {len(df)} {what}"
        _warn(
            f"{count} have no standard error, and no degrees of freedom: {NOT_IDENTIFIED}"
            if isinstance(tests, PartialTests)
            else f"{count} have no degrees of freedom: the data say nothing about a variance that matters to them; another df or "
            "vcov may have them"
        )
    blank = np.where(known, 1.0, np.nan)
    return estimate * blank, error * blank, df * blank


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=5)
