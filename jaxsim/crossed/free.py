"""Levels that nothing tells apart but the responses, in designs in which all levels meet alike: what need not be computed by level.

Where the columns with random effects have the same cross-products in every pair of levels, a rotation of a factor's ``m`` levels
(a Helmert matrix) leaves one *mean* level, whose products with other effects are those of the sum over ``sqrt(m)``, and ``m - 1``
*free* levels that are unrelated to all effects of other factors. The mean levels are a problem with one level a factor; of the free
ones, which have the cross-products ``K`` in common, sums of squares of their products with ``[X y]`` are all that matters.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.numerics import small
from jaxsim.numerics.arrays import einsum, library

Array = jax.Array


class Free(NamedTuple):
    """Of one factor: how ``many`` free levels, ``[]``; ``own`` = K ``[q, q]``; ``squares``: sums over them of products of
    ``k_a[x]`` and ``k_b[y]``, their products with the columns of ``[X y]``, ``[q, J, q, J]``."""

    many: Array
    own: Array
    squares: Array


class FreeProfile(NamedTuple):
    """Of one factor at some ``L``: ``many``; ``u`` = Z'V^-1 Z of each ``[q, q]``; ``columns``: sums over the free levels of
    products of ``[h, s]``, ``[q, J, q, J]``."""

    many: Array
    u: Array
    columns: Array


class Eliminated(NamedTuple):
    """``logdet`` ``[]`` and what is taken from ``[X y]'[X y]``, ``[J, J]``; ``left`` = I - K P, ``P = L A^-1 L'``, ``[q, q]``."""

    logdet: Array
    taken: Array
    left: Array


def eliminate(free: Free, factor: Array) -> Eliminated:
    """The free levels of a factor, at ``L = factor`` ``[q, q]``."""
    xp, q = library(free.own), free.own.shape[0]
    chol, pivots = small.cholesky(factor.T @ free.own @ factor + xp.eye(q))
    half = small.solve_lower(chol[:, :, None], factor.T)
    pull = half.T @ half
    taken = einsum("ab,axby->xy", pull, free.squares)
    return Eliminated(free.many * xp.log(pivots).sum(), taken, xp.eye(q) - free.own @ pull)


def profiled(free: Free, left: Array, beta: Array, root: Array) -> FreeProfile:
    """What the derivatives need of a factor's free levels."""
    xp, p = library(free.own), len(beta)
    change = xp.concatenate([xp.concatenate([root, -beta[:, None]], axis=1), xp.eye(p + 1)[p:]])  # [x y] to [h s]
    inner = einsum("ac,cxdy,bd->axby", left, free.squares, left)
    return FreeProfile(free.many, left @ free.own, einsum("axby,xj,yk->ajbk", inner, change, change))


def squares_of(one: FreeProfile) -> Array:
    """``many`` times ``U[a, b] U[d, c]`` at ``[(a, d), (b, c)]``."""
    xp, q = library(one.u), one.u.shape[0]
    return one.many * xp.einsum("ab,dc->adbc", one.u, one.u).reshape(q * q, q * q)


def forms_of(one: FreeProfile, scale: Array) -> Array:
    """Sums of ``e[b] U[a, c] e[d]`` at ``[(a, b), (c, d)]``, of columns ``[h, s]`` times ``scale`` ``[J]``."""
    xp, q = library(one.u), one.u.shape[0]
    return xp.einsum("ac,bd->abcd", one.u, own_squares_of(one, scale)).reshape(q * q, q * q)


def own_squares_of(one: FreeProfile, scale: Array) -> Array:
    """Sums of ``e[a] e[b]``, ``[q, q]``, of columns ``[h, s]`` times ``scale`` ``[J]``."""
    return library(one.u).einsum("ajbj,j->ab", one.columns, scale**2)


def slopes_of(one: FreeProfile) -> Array:
    """Sums of ``[h, s][a, j] [h, s][b, k]`` at ``[(a, b), (j, k)]``."""
    q, j = one.columns.shape[:2]
    return library(one.u).transpose(one.columns, (0, 2, 1, 3)).reshape(q * q, j * j)
