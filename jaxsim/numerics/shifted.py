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
from jaxsim.numerics.small import times

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
    both, pivots = _eliminate(diagonal, beside, turn.T @ right, shifts, watched)
    both = turn @ both
    return Solutions(both[:, :-1], pivots, both[:, -1])


def _solve(watched: int, matrix: Array, right: Array, shifts: Array) -> Solutions:
    diagonal, beside, right, reflectors = _tridiagonal(matrix, right)
    both, pivots = _eliminate(diagonal, beside, right, shifts, watched)
    both = _reflect_back(reflectors, both)
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


def _eliminate(diagonal: Array, beside: Array, right: Array, shifts: Array, watched: int) -> tuple[Array, Array]:
    """Solutions of a tridiagonal matrix with every shift, the bend of the watched one as the last, ``[n, S + 1, ..]``; pivots."""
    xp = library(diagonal, shifts)
    zero = xp.zeros_like(shifts)
    before = xp.concatenate([xp.zeros_like(beside[:1]), beside[:-1]])

    def down(carry: tuple[Array, Array], row: tuple[Array, Array, Array]) -> Any:
        """The next row, eliminated."""
        pivot, value = carry
        here, above, given = row
        over = above / xp.where(pivot > 0, pivot, 1.0)
        carry = here + shifts - over * above, given - over * value
        return carry, carry

    def up(after: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        """The next row from below, solved."""
        value, over = row
        value = value - over * after
        return value, value

    _, (pivots, forward) = scan(down, (zero, zero), (diagonal, before, right))
    safe = xp.where(pivots > 0, pivots, 1.0)
    over = beside[:, None] / safe
    values = xp.concatenate([forward / safe, _first_lost(pivots[:, watched])[:, None]], axis=1)
    over = xp.concatenate([over, over[:, watched][:, None]], axis=1)
    return scan(up, xp.zeros_like(values[0]), (values, over), reverse=True)[1], pivots


def _first_lost(pivots: Array) -> Array:
    """1 at the first pivot that is not positive, ``[n, ..]``, else 0: the right side of which elimination makes the bend."""
    lost = pivots <= 0
    return (lost & (library(pivots).cumsum(lost, axis=0) == 1)).astype(pivots.dtype)


def _reflect_back(reflectors: Array, vectors: Array) -> Array:
    """``Q`` times vectors ``[n, K, ..]``."""
    size = vectors.shape[0]
    if size < 3:  # tridiagonal as it is
        return vectors

    def along(j: Array | int, vectors: Array) -> Array:
        """How much of each vector is along a reflector, ``[K, ..]``; written out: XLA's sums over so few numbers are slow."""
        return times(reflectors[j][None, :, None], vectors)[0]

    def reflect(k: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        """One reflection, and what the next one needs: within the same pass XLA would compute it anew for every entry."""
        vectors, part = carry
        j = size - 3 - k
        vectors = vectors - reflectors[j][:, None] * part
        return vectors, along(j - 1, vectors)

    return fori_loop(size - 2, reflect, (vectors, along(size - 3, vectors)))[0]
