"""What is left of a positive definite matrix when its first rows are eliminated, by blocks that :mod:`jaxsim.numerics.small` can
factor: a third of the work of the inverse factor, where that is not needed."""

from __future__ import annotations

import jax

from jaxsim.numerics import small
from jaxsim.numerics.arrays import library
from jaxsim.numerics.halving import LEAF

Array = jax.Array


def schur(matrix: Array, count: int) -> tuple[Array, Array]:
    """The log-determinant ``[]`` of the first ``count`` rows and columns, and ``D - C A^-1 B`` ``[n - count, n - count]`` of the
    rest.

    Args:
        matrix: ``[[A, B], [C, D]]``, symmetric, ``[n, n]``.
        count: rows of A, which is positive definite (else the result is meaningless).
    """
    xp, rest, logdet = library(matrix), matrix, 0.0
    for begin in range(0, count, LEAF):
        size = min(LEAF, count - begin)
        factor, pivots = small.cholesky(rest[:size, :size])
        panel = rest[size:, :size] @ small.inverse_lower(factor).T
        rest, logdet = rest[size:, size:] - panel @ panel.T, logdet + xp.log(pivots).sum()
    return xp.asarray(logdet), rest
