"""A small symmetric system with several multiples of the identity added: all are solved at the price of little more than one.

Householder's reflections bring the matrix to a tridiagonal form (Golub & Van Loan 2013, section 8.3.1), which a shift leaves
tridiagonal: each is then eliminated in a single pass down its diagonal.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsim.numerics.arrays import fori_loop, library, put, scan
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
    if library(matrix, right, shifts) is np:
        return _of_one(watched, matrix, right, shifts)
    return lanes_last(functools.partial(_solve, watched))(matrix, right, shifts)


def _of_one(watched: int, matrix: Any, right: Any, shifts: Any) -> Solutions:
    """The same of one system of NumPy's, whose tridiagonal form is LAPACK's (with other signs)."""
    from scipy import linalg  # noqa: PLC0415 - slow to import, and batches do without it

    form, turn = linalg.hessenberg(matrix, calc_q=True, check_finite=False)
    diagonal: Any = np.diagonal(form)
    beside: Any = np.append(np.diagonal(form, -1), 0.0)
    values, pivots, over = _eliminate(diagonal, beside, turn.T @ right, shifts)
    return Solutions(turn @ values, pivots, turn @ _bend(pivots[:, watched], over[:, watched]))


def _solve(watched: int, matrix: Array, right: Array, shifts: Array) -> Solutions:
    xp = library(matrix)
    diagonal, beside, right, reflectors = _tridiagonal(matrix, right)
    values, pivots, over = _eliminate(diagonal, beside, right, shifts)
    bend = _bend(pivots[:, watched], over[:, watched])
    both = _reflect_back(reflectors, xp.concatenate([values, bend[:, None]], axis=1))
    return Solutions(both[:, :-1], pivots, both[:, -1])


def _tridiagonal(matrix: Array, right: Array) -> tuple[Array, Array, Array, Array]:
    """Of ``Q'AQ`` the diagonal and what stands beside it (then 0), ``[n, ..]``; ``Q'b``; the reflectors of Q, ``[n, n, ..]``:
    vectors of length ``sqrt(2)``, or zero."""
    xp, size = library(matrix), matrix.shape[0]
    index = xp.arange(size).reshape((size,) + (1,) * (right.ndim - 1))

    def reflect(j: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """One reflection."""
        rest, right, reflectors = carry
        column = xp.where(index > j, rest[j], 0.0)
        next_ = rest[j, j + 1]
        length = xp.sqrt((column**2).sum(0))
        target = xp.where(next_ > 0, -length, length)
        vector = column - xp.where(index == j + 1, target, 0.0)
        squares = length * (length + xp.abs(next_))  # half of its own
        vector = vector / xp.sqrt(xp.where(squares > 0, squares, 1.0))
        image = (rest * vector).sum(1)
        image = image - vector * ((image * vector).sum(0) / 2)
        rest = rest - vector[:, None] * image - image[:, None] * vector
        right = right - vector * (vector * right).sum(0)
        return rest, right, put(reflectors, j, vector)

    begin = (matrix, right, xp.zeros_like(matrix))
    rest, right, reflectors = fori_loop(max(0, size - 2), reflect, begin)
    diagonal = xp.stack([rest[i, i] for i in range(size)])
    beside = xp.stack([rest[i, i + 1] for i in range(size - 1)] + [xp.zeros_like(diagonal[0])])
    return diagonal, beside, right, reflectors


def _eliminate(diagonal: Array, beside: Array, right: Array, shifts: Array) -> tuple[Array, Array, Array]:
    """Solutions, pivots and multipliers (of each row for the next) of a tridiagonal matrix with every shift, ``[n, S, ..]``."""
    xp = library(diagonal, shifts)
    zero = xp.zeros_like(shifts)

    def down(carry: tuple[Array, Array, Array], row: tuple[Array, Array, Array]) -> Any:
        """The next row, eliminated."""
        over, above, value = carry
        here, next_, given = row
        pivot = here + shifts - over * above
        value = given - over * value
        over = next_ / xp.where(pivot > 0, pivot, 1.0)
        return (over, next_ + zero, value), (pivot, over, value)

    def up(after: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        """The next row from below, solved."""
        pivot, over, value = row
        value = value / xp.where(pivot > 0, pivot, 1.0) - over * after
        return value, value

    _, (pivots, over, forward) = scan(down, (zero, zero, zero), (diagonal, beside, right))
    _, values = scan(up, zero, (pivots, over, forward), reverse=True)
    return values, pivots, over


def _bend(pivots: Array, over: Array) -> Array:
    """A vector that shows that a tridiagonal matrix is not definite, ``[n, ..]``; zero if no pivot does."""
    xp = library(pivots)
    before = xp.cumsum(pivots <= 0, axis=0)
    first = (before == 1) & (pivots <= 0)

    def up(after: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        """The next row from below, solved."""
        first, over = row
        value = xp.where(first, 1.0, -over * after)
        return value, value

    return scan(up, xp.zeros_like(pivots[0]), (first, over), reverse=True)[1]


def _reflect_back(reflectors: Array, vectors: Array) -> Array:
    """``Q`` times vectors ``[n, K, ..]``."""
    size = vectors.shape[0]

    def reflect(k: Array, vectors: Array) -> Array:
        """One reflection."""
        vector = reflectors[size - 3 - k][:, None]
        return vectors - vector * (vector * vectors).sum(0)

    return fori_loop(max(0, size - 2), reflect, vectors)
