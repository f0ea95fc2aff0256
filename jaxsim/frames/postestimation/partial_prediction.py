"""Predictions of a mixed model of which REML knows only a part (:mod:`jaxsim.frames.identification`).

Let ``N`` be the combinations of the random effects that leave no trace: in every group h the columns ``Z_h N`` are combinations
``X G_h`` of the fixed effects. An estimate of ``x'beta`` then contains ``x'G_h u_h`` of the effects ``u_h`` along ``N``, whose
variance nobody knows. The error of a prediction for a row ``(x, z)`` of group g does not, if ``x'G_h`` is ``z'N`` for its own group
and zero for all others; then it is that of the model without these effects.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from jaxsim.frames.fitted import Fitted
from jaxsim.frames.identification import Identified, of_model
from jaxsim.frames.linear_tests import PartialTests
from jaxsim.frames.mixed_fit import estimate, least_squares
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.new_rows import NewRows
from jaxsim.frames.whitening import whitened
from jaxsim.numerics.row_basis import orthonormal

# What rounding leaves of weights that cancel, relative to their size.
TOLERANCE = 1e-7


def without_unknown(fit: Fitted, rows: NewRows, new: bool) -> tuple[Fitted, NewRows]:
    """The fit without the effects that leave no trace, and rows for it, ``known`` where that makes no difference to them.

    Args:
        fit: whose status is ``unidentified``.
        rows: that are predicted.
        new: whether the random effects of rows without a known group are part of what is predicted.
    """
    model, tests = fit.model, fit.tests
    assert isinstance(model, MixedModel)
    assert isinstance(tests, PartialTests)
    plain = whitened(model)
    found = of_model(plain)
    reduced = replace(model, blocks=found.left_of(model))
    left = estimate(reduced, True, "satterthwaite") if reduced.blocks else least_squares(whitened(reduced), "satterthwaite")
    at, columns = reduced.structure.entries.T if reduced.blocks else np.zeros((2, 0), int)
    smaller = replace(
        fit,
        status=left.status.label,
        model=reduced,
        table=fit.table.assign(estimate=left.beta),
        vcov=pd.DataFrame(tests.whole.vcov, index=fit.vcov.index, columns=fit.vcov.columns),
        theta=left.factor[at, columns],
        random_effects=pd.DataFrame(left.modes[0], index=model.labels),
        tests=tests.whole,
    )
    known = _no_difference(plain, found, rows, new)
    known = known if rows.known is None else known & rows.known
    return smaller, replace(rows, z=None if rows.z is None else rows.z @ found.back, known=known)


def _no_difference(model: MixedModel, found: Identified, rows: NewRows, new: bool) -> np.ndarray:
    """Whether the error of each row's prediction is the same whatever the variance along ``N``, ``[N]``."""
    traceless = block_diag(*(_others(block.values, kept) for block, kept in zip(model.blocks, found.kept, strict=True)))
    own = np.zeros((len(rows.x), traceless.shape[1])) if rows.z is None else rows.z @ traceless
    same = np.ones(len(rows.x), bool) if not new else (rows.codes >= 0) | (np.abs(own) <= TOLERANCE).all(1)
    columns = model.z @ traceless
    for g in range(len(model.labels)):
        within = (model.codes == g)[:, None]
        through = np.linalg.lstsq(model.x.values, columns * within, rcond=None)[0]
        expected = np.where((rows.codes == g)[:, None], own, 0.0)
        size = np.abs(rows.x) @ np.abs(through) + np.abs(expected)
        same &= (np.abs(rows.x @ through - expected) <= TOLERANCE * np.maximum(size, 1.0)).all(1)
    return same


def _others(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Combinations of a block's columns that are orthogonal to those that are kept, ``[q, q - r]``."""
    basis = orthonormal(values)
    directions, _, _ = np.linalg.svd(basis.r @ kept, full_matrices=True) if kept.shape[1] else (np.eye(len(kept)), None, None)
    return basis.inverse @ directions[:, kept.shape[1] :]
