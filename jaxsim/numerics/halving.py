"""Cholesky factors of matrices of some tens to hundreds of rows, by products of matrices.

LAPACK's factorisation is one call a matrix, and calls from several threads at once can block the pool that they run in: batches of
datasets are factored by halves (Golub & Van Loan 2013, section 4.2.9) down to blocks that :mod:`jaxsim.numerics.small` unrolls.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxsim.numerics import small
from jaxsim.numerics.arrays import library

Array = jax.Array

# Rows up to which a block is factored by itself.
LEAF = 8


def inverse_factor(matrix: Array) -> tuple[Array, Array]:
    """``L^-1`` ``[n, n]`` of a positive definite ``L L'``, and its log-determinant ``[]``.

    NaN in the matrix are NaN in the result; of a matrix that is not definite the result is meaningless.
    """
    if library(matrix) is np:
        return _of_one(matrix)
    inverse, pivots = _halved(matrix)
    return inverse, library(matrix).log(pivots).sum()


def _of_one(matrix: Any) -> tuple[Any, Any]:
    if not matrix.size:
        return matrix, np.zeros(())
    if not np.isfinite(matrix).all():
        return np.full_like(matrix, np.nan), np.asarray(np.nan)
    from scipy import linalg  # noqa: PLC0415 - slow to import, and batches do without it

    factor = linalg.cholesky(matrix, lower=True, check_finite=False)
    inverse, _ = linalg.lapack.dtrtri(factor, lower=1)
    return inverse, 2 * np.log(np.diagonal(factor)).sum()


def _halved(matrix: Array) -> tuple[Array, Array]:
    """``L^-1`` and the pivots ``[n]``."""
    xp, size = library(matrix), matrix.shape[0]
    if size <= LEAF:
        factor, pivots = small.cholesky(matrix)
        return small.inverse_lower(factor), pivots
    middle = LEAF * max(1, size // (2 * LEAF))
    first, pivots = _halved(matrix[:middle, :middle])
    lower = matrix[middle:, :middle] @ first.T
    second, others = _halved(matrix[middle:, middle:] - lower @ lower.T)
    beside = -second @ (lower @ first)
    top = xp.concatenate([first, xp.zeros((middle, size - middle))], axis=1)
    return xp.concatenate([top, xp.concatenate([beside, second], axis=1)]), xp.concatenate([pivots, others])
