"""A small symmetric system with several multiples of the identity added: all are solved at the price of little more than one.

Householder's reflections bring the matrix to a tridiagonal form (Golub & Van Loan 2013, section 8.3.1), which a shift leaves
tridiagonal: each is then eliminated in a single pass down its diagonal.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.numerics.lanes_last import lanes_last

Array = jax.Array


class Solutions(NamedTuple):
    """What came of each shift, and of the watched one.

    ``values`` ``[n, S, ..]``, meaningless unless the matrix is definite; ``pivots`` ``[n, S, ..]``, all positive if it is; ``bend``
    ``[n, ..]``: ``v`` with ``v'Av`` equal to the first pivot of the watched matrix that is not positive, zero if all are.
    """

    values: Array
    pivots: Array
    bend: Array


def solve_shifted(matrix: Array, right: Array, shifts: Array, watched: int = 0) -> Solutions:
    """Solutions of ``(A + s I) x = b`` for every shift.

    Args:
        matrix: symmetric, ``[n, n, ..]``.
        right: ``[n, ..]``.
        shifts: ``[S, ..]``.
        watched: number of the shift of which ``bend`` is told.
    """
    return lanes_last(functools.partial(_solve, watched))(matrix, right, shifts)


def _solve(watched: int, matrix: Array, right: Array, shifts: Array) -> Solutions:
    diagonal, beside, right, reflectors = _tridiagonal(matrix, right)
    values, pivots, over = _eliminate(diagonal, beside, right, shifts)
    bend = _bend(pivots[:, watched], over[:, watched])
    both = _reflect_back(reflectors, jnp.concatenate([values, bend[:, None]], axis=1))
    return Solutions(both[:, :-1], pivots, both[:, -1])


def _tridiagonal(matrix: Array, right: Array) -> tuple[Array, Array, Array, Array]:
    """Of ``Q'AQ`` the diagonal and what stands beside it (then 0), ``[n, ..]``; ``Q'b``; the reflectors of Q, ``[n, n, ..]``:
    vectors of length ``sqrt(2)``, or zero."""
    size = matrix.shape[0]
    index = jnp.arange(size).reshape((size,) + (1,) * (right.ndim - 1))

    def reflect(j: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rest, right, reflectors = carry
        column = jnp.where(index > j, rest[j], 0.0)
        next_ = rest[j, j + 1]
        length = jnp.sqrt((column**2).sum(0))
        target = jnp.where(next_ > 0, -length, length)
        vector = column - jnp.where(index == j + 1, target, 0.0)
        squares = length * (length + jnp.abs(next_))  # half of its own
        vector = vector / jnp.sqrt(jnp.where(squares > 0, squares, 1.0))
        image = (rest * vector).sum(1)
        image = image - vector * ((image * vector).sum(0) / 2)
        rest = rest - vector[:, None] * image - image[:, None] * vector
        right = right - vector * (vector * right).sum(0)
        return rest, right, reflectors.at[j].set(vector)

    begin = (matrix, right, jnp.zeros_like(matrix))
    rest, right, reflectors = jax.lax.fori_loop(0, max(0, size - 2), reflect, begin)
    diagonal = jnp.stack([rest[i, i] for i in range(size)])
    beside = jnp.stack([rest[i, i + 1] for i in range(size - 1)] + [jnp.zeros_like(diagonal[0])])
    return diagonal, beside, right, reflectors


def _eliminate(diagonal: Array, beside: Array, right: Array, shifts: Array) -> tuple[Array, Array, Array]:
    """Solutions, pivots and multipliers (of each row for the next) of a tridiagonal matrix with every shift, ``[n, S, ..]``."""
    zero = jnp.zeros_like(shifts)

    def down(carry: tuple[Array, Array, Array], row: tuple[Array, Array, Array]) -> Any:
        over, above, value = carry
        here, next_, given = row
        pivot = here + shifts - over * above
        value = given - over * value
        over = next_ / jnp.where(pivot > 0, pivot, 1.0)
        return (over, next_ + zero, value), (pivot, over, value)

    def up(after: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        pivot, over, value = row
        value = value / jnp.where(pivot > 0, pivot, 1.0) - over * after
        return value, value

    _, (pivots, over, forward) = jax.lax.scan(down, (zero, zero, zero), (diagonal, beside, right))
    _, values = jax.lax.scan(up, zero, (pivots, over, forward), reverse=True)
    return values, pivots, over


def _bend(pivots: Array, over: Array) -> Array:
    """A vector that shows that a tridiagonal matrix is not definite, ``[n, ..]``; zero if no pivot does."""
    before = jnp.cumsum(pivots <= 0, axis=0)
    first = (before == 1) & (pivots <= 0)

    def up(after: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        first, over = row
        value = jnp.where(first, 1.0, -over * after)
        return value, value

    return jax.lax.scan(up, jnp.zeros_like(pivots[0]), (first, over), reverse=True)[1]


def _reflect_back(reflectors: Array, vectors: Array) -> Array:
    """``Q`` times vectors ``[n, K, ..]``."""
    size = vectors.shape[0]

    def reflect(k: Array, vectors: Array) -> Array:
        vector = reflectors[size - 3 - k][:, None]
        return vectors - vector * (vector * vectors).sum(0)

    return jax.lax.fori_loop(0, max(0, size - 2), reflect, vectors)
