"""Dense linear algebra for very small matrices, elementwise over everything else.

Matrix axes come first, batch axes last (``[n, n, ...]``), so each statement below is one vectorised operation over all
groups or candidates. LAPACK is avoided on purpose: its batched calls cost more than the arithmetic at these sizes, and
on CPU several of them at once can block the thread pool they run in.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

from jaxsim.numerics.arrays import fori_loop, library, put, while_loop

Array = jax.Array
Carry = TypeVar("Carry")

# Up to this size loops are unrolled, which runs fastest; beyond it the compile time would grow faster than the gain.
UNROLLED = 4


def own(constant: np.ndarray, anchor: Array) -> Array:
    """A constant as an array of the dataset that ``anchor`` (finite, ``[]``) belongs to.

    A product with a plain constant is one large matrix product over the whole batch, whose rows are cut into blocks: the last bits
    of a dataset's numbers then depend on its place. A product with an array of its own is computed dataset by dataset.
    """
    return library(anchor).asarray(constant) + 0.0 * anchor


def _loop(size: int, body: Callable[[int | Array, Carry], Carry], carry: Carry) -> Carry:
    if size > UNROLLED:
        return fori_loop(size, body, carry)
    for j in range(size):
        carry = body(j, carry)
    return carry


def _column(axis: int, like: Array) -> Array:
    """0, 1, .. along the first axis, shaped to broadcast against ``like``."""
    return library(like).arange(axis).reshape((axis,) + (1,) * (like.ndim - 1))


def times(left: Array, right: Array) -> Array:
    """``sum_k left[:, k] right[k]``, ``[n, ...]``, of ``[n, k, ...]`` and ``[k, ...]`` whose other axes broadcast."""
    return functools.reduce(operator.add, (left[:, k] * right[k] for k in range(left.shape[1])))


def cholesky(matrix: Array) -> tuple[Array, Array]:
    """Lower factor ``[n, n, ...]`` and the pivots ``[n, ...]`` (squared diagonal).

    A pivot that is not positive is divided as if it were 1, so the factor is finite but meaningless: look at the pivots.
    """
    xp, size = library(matrix), matrix.shape[0]

    def eliminate(j: int | Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """One pivot."""
        rest, factor, pivots = carry
        column = rest[:, j]
        pivot = column[j]
        below = _column(size, column) >= j
        column = xp.where(below, column / xp.sqrt(xp.where(pivot > 0, pivot, 1.0)), 0.0)
        return rest - column[:, None] * column[None], put(factor, np.s_[:, j], column), put(pivots, j, pivot)

    begin = (matrix, xp.zeros_like(matrix), xp.zeros_like(matrix[0]))
    _, factor, pivots = _loop(size, eliminate, begin)
    return factor, pivots


def solve_lower(factor: Array, right: Array) -> Array:
    """``L^-1 b`` for ``b`` of shape ``[n, ...]``, by forward substitution."""
    xp, size = library(factor, right), factor.shape[0]

    def substitute(j: int | Array, rest: Array) -> Array:
        """One row."""
        value = rest[j] / factor[j, j]
        below = _column(size, rest) > j
        return put(xp.where(below, rest - factor[:, j] * value, rest), j, value)

    return _loop(size, substitute, right)


def inverse_lower(factor: Array) -> Array:
    """``L^-1``, ``[n, n, ...]``."""
    xp, size = library(factor), factor.shape[0]
    eye = xp.eye(size, dtype=factor.dtype).reshape((size, size) + (1,) * (factor.ndim - 2))
    return solve_lower(factor[:, :, None], xp.broadcast_to(eye, factor.shape))


def solve_definite(matrix: Array, right: Array) -> tuple[Array, Array]:
    """Solve symmetric systems and find out whether they are positive definite, by Gauss-Jordan elimination.

    Args:
        matrix: ``[n, n, ...]``.
        right: ``[n, ...]``.

    Returns:
        The solutions ``[n, ...]`` (meaningless unless definite) and the pivots ``[n, ...]``.
    """
    xp, size = library(matrix, right), matrix.shape[0]
    system = xp.concatenate([matrix, right[:, None]], axis=1)
    index = _column(size, right)

    def eliminate(j: int | Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        """One pivot."""
        system, pivots = carry
        row, column = system[j], system[:, j]
        pivot = row[j]
        row = row / xp.where(pivot > 0, pivot, 1.0)
        system = system - xp.where(index == j, 0.0, column)[:, None] * row[None]
        return put(system, j, row), put(pivots, j, pivot)

    system, pivots = fori_loop(size, eliminate, (system, xp.zeros_like(right)))
    return system[:, -1], pivots


def semidefinite_cholesky(matrix: Array, floor: Array | float) -> tuple[Array, Array]:
    """Lower factor and pivots of a symmetric ``[n, n]`` that may be singular.

    Where a pivot is not above ``floor`` the factor has a zero column: that row and column of the matrix are left out. A pivot
    (``[n]``) clearly below zero means that the matrix is indefinite and has no such factor.
    """
    xp, size = library(matrix), matrix.shape[0]

    def eliminate(j: int | Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """One pivot."""
        rest, factor, pivots = carry
        positive = rest[j, j] > floor
        root = xp.sqrt(xp.where(positive, rest[j, j], 1.0))
        column = xp.where(positive & (xp.arange(size) >= j), rest[:, j] / root, 0.0)
        return rest - xp.outer(column, column), put(factor, np.s_[:, j], column), put(pivots, j, rest[j, j])

    _, factor, pivots = _loop(size, eliminate, (matrix, xp.zeros_like(matrix), xp.zeros_like(matrix[0])))
    return factor, pivots


def semidefinite_factor(matrix: Array) -> Array:
    """Lower ``L`` with ``L L' = matrix`` for a positive semi-definite ``[n, n]``; a pivot at rounding level gives a zero column."""
    xp = library(matrix)
    return semidefinite_cholesky(matrix, 1e-14 * xp.maximum(xp.trace(matrix), 1e-300))[0]


# A Jacobi sweep squares the size of what is left beside the diagonal; matrices of 40 rows need nine, so this is never reached.
SWEEPS = 30


def eigh(matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues ``[n, ...]``, the largest first, and eigenvectors ``[n, n, ...]`` (in columns) of symmetric matrices.

    Cyclic Jacobi (Golub & Van Loan 2013, section 8.5). Of the two rotations that annihilate an entry, the one that puts the
    larger value first is taken: equal eigenvalues then stand side by side, without which convergence to them is only linear
    (van Kempen 1966). Errors are a few rounding errors of the largest eigenvalue. NumPy's arrays are LAPACK's to decompose.
    """
    xp, size = library(matrix), matrix.shape[0]
    if xp is np:
        given: Any = matrix
        values, vectors = np.linalg.eigh(np.moveaxis(given, (0, 1), (-2, -1)))
        found: Any = np.moveaxis(values[..., ::-1], -1, 0), np.moveaxis(vectors[..., ::-1], (-2, -1), (0, 1))
        return found
    pairs = [(p, q) for p in range(size) for q in range(p + 1, size)]
    first, second = (xp.asarray([pair[k] for pair in pairs], int) for k in (0, 1))
    shape = (size, size) + (1,) * (matrix.ndim - 2)
    eye = xp.broadcast_to(xp.eye(size, dtype=matrix.dtype).reshape(shape), matrix.shape)

    def unfinished(carry: tuple[Array, Array, Any]) -> Array:
        """Whether something is left beside the diagonal."""
        rest, _, sweep = carry
        beside = xp.where(xp.eye(size, dtype=bool).reshape(shape), 0.0, xp.abs(rest))
        smallest = xp.finfo(matrix.dtype).eps * xp.abs(rest).max((0, 1))
        return (beside.max((0, 1)) > smallest).any() & (sweep < SWEEPS)

    def sweep_once(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """Every pair, rotated once."""
        rest, vectors, sweep = carry
        if size <= UNROLLED:
            for p, q in pairs:
                rest, vectors = _rotate(rest, vectors, p, q)
        else:

            def rotate(k: Array, both: tuple[Array, Array]) -> tuple[Array, Array]:
                """One pair."""
                return _rotate(*both, first[k], second[k])

            rest, vectors = fori_loop(len(pairs), rotate, (rest, vectors))
        return rest, vectors, sweep + 1

    rest, vectors, _ = while_loop(unfinished, sweep_once, (matrix, eye, xp.int32(0)))
    return xp.stack([rest[i, i] for i in range(size)]), xp.swapaxes(vectors, 0, 1)


def _rotate(rest: Array, vectors: Array, p: int | Array, q: int | Array) -> tuple[Array, Array]:
    """Annihilate entry (p, q) of symmetric matrices, the larger of the two eigenvalues of that block first; vectors in rows."""
    xp = library(rest)
    low, high, beside = rest[p, p], rest[q, q], rest[p, q]
    none = beside == 0
    ratio = (high - low) / (2 * xp.where(none, 1.0, beside))
    tangent = xp.where(none, 0.0, xp.where(ratio >= 0, 1.0, -1.0) / (xp.abs(ratio) + xp.sqrt(1 + ratio * ratio)))
    low, high = low - tangent * beside, high + tangent * beside
    cosine = 1 / xp.sqrt(1 + tangent * tangent)
    sine = cosine * tangent
    swap = low < high
    cosine, sine = xp.where(swap, sine, cosine), xp.where(swap, -cosine, sine)

    def mix(a: Array, b: Array) -> tuple[Array, Array]:
        """Two rows, turned."""
        return cosine * a - sine * b, sine * a + cosine * b

    row_p, row_q = mix(rest[p], rest[q])
    row_p = row_p.at[p].set(xp.where(swap, high, low)).at[q].set(0.0)
    row_q = row_q.at[q].set(xp.where(swap, low, high)).at[p].set(0.0)
    rest = rest.at[p].set(row_p).at[q].set(row_q).at[:, p].set(row_p).at[:, q].set(row_q)
    vector_p, vector_q = mix(vectors[p], vectors[q])
    return rest, vectors.at[p].set(vector_p).at[q].set(vector_q)
