"""Dense linear algebra for very small matrices, elementwise over everything else.

Matrix axes come first, batch axes last (``[n, n, ...]``), so each statement below is one vectorised operation over all
groups or candidates. LAPACK is avoided on purpose: its batched calls cost more than the arithmetic at these sizes, and
on CPU several of them at once can block the thread pool they run in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
Carry = TypeVar("Carry")

# Up to this size loops are unrolled, which runs fastest; beyond it the compile time would grow faster than the gain.
UNROLLED = 4


def own(constant: np.ndarray, anchor: Array) -> Array:
    """A constant as an array of the dataset that ``anchor`` (finite, ``[]``) belongs to.

    A product with a plain constant is one large matrix product over the whole batch, whose rows are cut into blocks: the last bits
    of a dataset's numbers then depend on its place. A product with an array of its own is computed dataset by dataset.
    """
    return jnp.asarray(constant) + 0.0 * anchor


def _loop(size: int, body: Callable[[int | Array, Carry], Carry], carry: Carry) -> Carry:
    if size > UNROLLED:
        return jax.lax.fori_loop(0, size, body, carry)
    for j in range(size):
        carry = body(j, carry)
    return carry


def _column(axis: int, like: Array) -> Array:
    """0, 1, .. along the first axis, shaped to broadcast against ``like``."""
    return jnp.arange(axis).reshape((axis,) + (1,) * (like.ndim - 1))


def cholesky(matrix: Array) -> tuple[Array, Array]:
    """Lower factor ``[n, n, ...]`` and the pivots ``[n, ...]`` (squared diagonal).

    A pivot that is not positive is divided as if it were 1, so the factor is finite but meaningless: look at the pivots.
    """
    size = matrix.shape[0]

    def eliminate(j: int | Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rest, factor, pivots = carry
        column = rest[:, j]
        pivot = column[j]
        below = _column(size, column) >= j
        column = jnp.where(below, column / jnp.sqrt(jnp.where(pivot > 0, pivot, 1.0)), 0.0)
        return rest - column[:, None] * column[None], factor.at[:, j].set(column), pivots.at[j].set(pivot)

    begin = (matrix, jnp.zeros_like(matrix), jnp.zeros_like(matrix[0]))
    _, factor, pivots = _loop(size, eliminate, begin)
    return factor, pivots


def solve_lower(factor: Array, right: Array) -> Array:
    """``L^-1 b`` for ``b`` of shape ``[n, ...]``, by forward substitution."""
    size = factor.shape[0]

    def substitute(j: int | Array, rest: Array) -> Array:
        value = rest[j] / factor[j, j]
        below = _column(size, rest) > j
        return jnp.where(below, rest - factor[:, j] * value, rest).at[j].set(value)

    return _loop(size, substitute, right)


def inverse_lower(factor: Array) -> Array:
    """``L^-1``, ``[n, n, ...]``."""
    size = factor.shape[0]
    eye = jnp.eye(size, dtype=factor.dtype).reshape((size, size) + (1,) * (factor.ndim - 2))
    return solve_lower(factor[:, :, None], jnp.broadcast_to(eye, factor.shape))


def solve_definite(matrix: Array, right: Array) -> tuple[Array, Array]:
    """Solve symmetric systems and find out whether they are positive definite, by Gauss-Jordan elimination.

    Args:
        matrix: ``[n, n, ...]``.
        right: ``[n, ...]``.

    Returns:
        The solutions ``[n, ...]`` (meaningless unless definite) and the pivots ``[n, ...]``.
    """
    size = matrix.shape[0]
    system = jnp.concatenate([matrix, right[:, None]], axis=1)
    index = _column(size, right)

    def eliminate(j: int | Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        system, pivots = carry
        row, column = system[j], system[:, j]
        pivot = row[j]
        row = row / jnp.where(pivot > 0, pivot, 1.0)
        system = system - jnp.where(index == j, 0.0, column)[:, None] * row[None]
        return system.at[j].set(row), pivots.at[j].set(pivot)

    system, pivots = jax.lax.fori_loop(0, size, eliminate, (system, jnp.zeros_like(right)))
    return system[:, -1], pivots


def semidefinite_cholesky(matrix: Array, floor: Array | float) -> tuple[Array, Array]:
    """Lower factor and pivots of a symmetric ``[n, n]`` that may be singular.

    Where a pivot is not above ``floor`` the factor has a zero column: that row and column of the matrix are left out. A pivot
    (``[n]``) clearly below zero means that the matrix is indefinite and has no such factor.
    """
    size = matrix.shape[0]

    def eliminate(j: int | Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rest, factor, pivots = carry
        positive = rest[j, j] > floor
        root = jnp.sqrt(jnp.where(positive, rest[j, j], 1.0))
        column = jnp.where(positive & (jnp.arange(size) >= j), rest[:, j] / root, 0.0)
        return rest - jnp.outer(column, column), factor.at[:, j].set(column), pivots.at[j].set(rest[j, j])

    _, factor, pivots = _loop(size, eliminate, (matrix, jnp.zeros_like(matrix), jnp.zeros_like(matrix[0])))
    return factor, pivots


def semidefinite_factor(matrix: Array) -> Array:
    """Lower ``L`` with ``L L' = matrix`` for a positive semi-definite ``[n, n]``; a pivot at rounding level gives a zero column."""
    return semidefinite_cholesky(matrix, 1e-14 * jnp.maximum(jnp.trace(matrix), 1e-300))[0]


# A Jacobi sweep squares the size of what is left beside the diagonal; matrices of 40 rows need nine, so this is never reached.
SWEEPS = 30


def eigh(matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues ``[n, ...]``, the largest first, and eigenvectors ``[n, n, ...]`` (in columns) of symmetric matrices.

    Cyclic Jacobi (Golub & Van Loan 2013, section 8.5). Of the two rotations that annihilate an entry, the one that puts the
    larger value first is taken: equal eigenvalues then stand side by side, without which convergence to them is only linear
    (van Kempen 1966). Errors are a few rounding errors of the largest eigenvalue.
    """
    size = matrix.shape[0]
    pairs = [(p, q) for p in range(size) for q in range(p + 1, size)]
    first, second = (jnp.asarray([pair[k] for pair in pairs], int) for k in (0, 1))
    shape = (size, size) + (1,) * (matrix.ndim - 2)
    eye = jnp.broadcast_to(jnp.eye(size, dtype=matrix.dtype).reshape(shape), matrix.shape)

    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        rest, _, sweep = carry
        beside = jnp.where(jnp.eye(size, dtype=bool).reshape(shape), 0.0, jnp.abs(rest))
        smallest = jnp.finfo(matrix.dtype).eps * jnp.abs(rest).max((0, 1))
        return (beside.max((0, 1)) > smallest).any() & (sweep < SWEEPS)

    def sweep_once(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rest, vectors, sweep = carry
        if size <= UNROLLED:
            for p, q in pairs:
                rest, vectors = _rotate(rest, vectors, p, q)
        else:

            def rotate(k: Array, both: tuple[Array, Array]) -> tuple[Array, Array]:
                return _rotate(*both, first[k], second[k])

            rest, vectors = jax.lax.fori_loop(0, len(pairs), rotate, (rest, vectors))
        return rest, vectors, sweep + 1

    rest, vectors, _ = jax.lax.while_loop(unfinished, sweep_once, (matrix, eye, jnp.int32(0)))
    return jnp.stack([rest[i, i] for i in range(size)]), jnp.swapaxes(vectors, 0, 1)


def _rotate(rest: Array, vectors: Array, p: int | Array, q: int | Array) -> tuple[Array, Array]:
    """Annihilate entry (p, q) of symmetric matrices, the larger of the two eigenvalues of that block first; vectors in rows."""
    low, high, beside = rest[p, p], rest[q, q], rest[p, q]
    none = beside == 0
    ratio = (high - low) / (2 * jnp.where(none, 1.0, beside))
    tangent = jnp.where(none, 0.0, jnp.where(ratio >= 0, 1.0, -1.0) / (jnp.abs(ratio) + jnp.sqrt(1 + ratio * ratio)))
    low, high = low - tangent * beside, high + tangent * beside
    cosine = 1 / jnp.sqrt(1 + tangent * tangent)
    sine = cosine * tangent
    swap = low < high
    cosine, sine = jnp.where(swap, sine, cosine), jnp.where(swap, -cosine, sine)

    def mix(a: Array, b: Array) -> tuple[Array, Array]:
        return cosine * a - sine * b, sine * a + cosine * b

    row_p, row_q = mix(rest[p], rest[q])
    row_p = row_p.at[p].set(jnp.where(swap, high, low)).at[q].set(0.0)
    row_q = row_q.at[q].set(jnp.where(swap, low, high)).at[p].set(0.0)
    rest = rest.at[p].set(row_p).at[q].set(row_q).at[:, p].set(row_p).at[:, q].set(row_q)
    vector_p, vector_q = mix(vectors[p], vectors[q])
    return rest, vectors.at[p].set(vector_p).at[q].set(vector_q)
