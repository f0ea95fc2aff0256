"""The first stage on rows: every group's own regression, by QR of its own columns."""

from __future__ import annotations

import numpy as np

from jaxsim.bridges.basis import dependent, orthonormal, residual
from jaxsim.crossproduct import CrossProducts, from_rows, pad_groups
from jaxsim.status import Status
from jaxsim.sweep.plan import padded_groups


def own_status(columns: np.ndarray, codes: np.ndarray) -> Status:
    """Whether every group can be fitted alone: ``columns`` ``[N, P]``, ``codes`` 0 .. G - 1 ``[N]``."""
    if (np.bincount(codes) < columns.shape[1]).any():
        return Status.TOO_FEW_ROWS
    deficient = any(dependent(columns[codes == g]) for g in range(codes.max() + 1))
    return Status.RANK_DEFICIENT if deficient else Status.OK


def own_coefficients(columns: np.ndarray, y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Coefficients of every group's own regression, ``[G, P]``; all groups must have full rank.

    A basis of all rows would not do: columns that differ much between groups are nearly collinear in it within each.
    """
    return np.stack([residual(orthonormal(columns[codes == g]), y[codes == g])[0] for g in range(codes.max() + 1)])


def second_stage(own: np.ndarray) -> CrossProducts:
    """Data whose groups' own regressions are exactly these coefficients ``[G, P]``: the identity as model matrix of each."""
    n_groups, p = own.shape
    columns = tuple(f"b{i}" for i in range(p))
    data = from_rows(np.tile(np.eye(p), (n_groups, 1)), own.ravel(), np.repeat(np.arange(n_groups), p), columns)
    return pad_groups(data, padded_groups(n_groups))
