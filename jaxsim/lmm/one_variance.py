"""The profiled REML or ML criterion of a model with one random effect, and its two derivatives in the one variance ratio.

Each group enters by a vector alone. With ``k_g`` the products of its random-effects column with ``[X y]``, ``n_g`` that column's
square, ``S0`` the cross-products of all rows and ``q_g = 1 / (1 + T n_g)``, the elimination of :mod:`jaxsim.lmm.deviance` leaves::

    S = S0 - T sum q k k'        S' = -sum q^2 k k'        S'' = 2 sum n q^3 k k'

The rest is the symmetric elimination of ``S``, response last, carried out with its first two derivatives (a rule of calculus for
each of its operations; checked against automatic differentiation in the tests). With pivots ``p_j``, and ``pw`` the last::

    f = -sum log q + sum log p_j [REML] + nu (1 + log(2 pi pw / nu))

Arrays of groups have the datasets first, ``[L, G]``, because the sums over groups are a matrix product of each dataset's own: its
bits do not depend on its neighbours. What is left after them has the datasets last, ``[.., L]``, as :mod:`jaxsim.numerics.small`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from jaxsim.numerics.arrays import library, over_groups

Array = jax.Array

# Factors ``1 + T n`` that are multiplied before a logarithm is taken: the product stays finite up to 1e38 each.
MULTIPLIED = 8


class Groups(NamedTuple):
    """``L`` datasets, reduced to what a criterion of one variance needs.

    Attributes:
        total: ``S0`` of the fixed-effects columns and the response, ``[M, M, L]``.
        terms: the lower triangle of ``k_g k_g'`` row by row, then ``n_g`` and ``n_g^2``, ``[L, K, G]``.
        squares: ``n_g``, zero for padding, ``[L, G]``.
        mean: of ``n_g`` over the groups that are not padding, ``[L]``; 1 where it is zero.
        nu: rows, less the fixed effects for REML, ``[L]``.
    """

    total: Array
    terms: Array
    squares: Array
    mean: Array
    nu: Array


def groups_of(total: Array, loads: tuple[Array, ...], squares: Array, n_groups: Array, nu: Array) -> Groups:
    """From ``S0`` ``[M, M, L]``, the ``M`` entries of the ``k_g`` and ``n_g`` ``[L, G]``, numbers of groups and ``nu`` ``[L]``."""
    xp = library(squares)
    triangle = [loads[i] * loads[j] for i in range(len(loads)) for j in range(i + 1)]
    mean = over_groups(squares) / xp.maximum(n_groups, 1.0)
    terms = xp.stack([*triangle, squares, squares**2], axis=1)
    return Groups(total, terms, squares, xp.where(mean > 0, mean, 1.0), nu)


def unpacked(size: int) -> np.ndarray:
    """Where among a triangle's entries those of the whole symmetric matrix are, ``[size * size]``."""
    row, column = np.indices((size, size)).reshape(2, -1)
    high, low = np.maximum(row, column), np.minimum(row, column)
    return high * (high + 1) // 2 + low


class Criterion(NamedTuple):
    """The criterion at one ``T``, or several; all ``[.., L]``.

    ``value`` f, ``slope`` f', ``bend`` f'' (None where it was not asked for); ``pw`` and ``steep`` = pw'/pw; ``absorbed`` =
    tr(S_xx^-1 sum q^2 k_x k_x'), what the fixed effects take of ``stiffness`` = sum n q; ``total`` = S and ``pull`` = -S'
    ``[M, M, .., L]``.
    """

    value: Array
    slope: Array
    bend: Array | None
    pw: Array
    steep: Array
    absorbed: Array
    stiffness: Array
    total: Array
    pull: Array


def slopes(data: Groups, ratios: Array, reml: bool) -> Criterion:
    """f and f' at several ``T`` a dataset: ``ratios`` ``[J, L]``."""
    count = len(ratios)
    xp = library(data.squares)
    q = shrinkage(data, ratios)
    sums = group_sums(data, xp.concatenate([q, q**2], axis=1))
    return _criterion(data, ratios, sums[:, :count], sums[:, count:], None, reml)


def bends(data: Groups, ratio: Array, reml: bool) -> Criterion:
    """f, f' and f'' at one ``T`` a dataset: ``ratio`` ``[L]``."""
    xp = library(data.squares)
    q = shrinkage(data, ratio[None])
    sums = group_sums(data, xp.concatenate([q, q**2, data.squares[:, None] * q**3], axis=1))
    return _criterion(data, ratio, sums[:, 0], sums[:, 1], sums[:, 2], reml)


def shrinkage(data: Groups, ratios: Array) -> Array:
    """``q_g`` ``[L, J, G]`` at ``ratios`` ``[J, L]``."""
    return 1 / (1 + ratios.T[:, :, None] * data.squares[:, None])


def group_sums(data: Groups, weights: Array) -> Array:
    """The terms summed over groups with these weights ``[L, R, G]``: ``[K, R, L]``."""
    return library(weights).einsum("lrg,lkg->lrk", weights, data.terms).transpose(2, 1, 0)


def log_terms(data: Groups, ratios: Array) -> Array:
    """``-sum log q`` ``[J, L]`` at ``ratios`` ``[J, L]``, by few logarithms."""
    xp = library(data.squares)
    whole = xp.pad(data.squares, ((0, 0), (0, -data.squares.shape[1] % MULTIPLIED)))
    parts = whole.reshape(len(whole), 1, -1, MULTIPLIED)
    return over_groups(xp.log((1 + ratios.T[:, :, None, None] * parts).prod(-1))).T


def _criterion(data: Groups, ratio: Array, first: Array, second: Array, third: Array | None, reml: bool) -> Criterion:
    """From the sums with the weights q, q^2 and n q^3, ``[K, .., L]`` each."""
    xp, m = library(data.squares), len(data.total)
    places = unpacked(m)
    whole = data.total if ratio.ndim == 1 else data.total[:, :, None]

    def matrix(sums: Array) -> Array:
        """Symmetric matrices of their distinct sums."""
        return sums[places].reshape(m, m, *ratio.shape)

    total, pull, stiffness = whole - ratio * matrix(first), matrix(second), first[-2]
    logs, pw = eliminated((total, -pull, None if third is None else 2 * matrix(third)))
    steep = pw[1] / pw[0]
    value = log_terms(data, xp.atleast_2d(ratio)).reshape(ratio.shape) + data.nu * (1 + xp.log(2 * xp.pi * pw[0] / data.nu))
    slope, bend = stiffness + data.nu * steep, None
    if pw[2] is not None and logs[2] is not None:
        bend = data.nu * (pw[2] / pw[0] - steep**2) - second[-1] + (logs[2] if reml else 0.0)
    if reml:
        value, slope = value + logs[0], slope + logs[1]
    return Criterion(value, slope, bend, pw[0], steep, -logs[1], stiffness, total, pull)


Jet = tuple[Array, Array, Array | None]


def eliminated(s: Jet) -> tuple[Jet, Jet]:
    """The logarithms of all pivots but the last of a symmetric ``[M, M, ..]``, added up, and the last pivot.

    All are given by value, first and second derivative; without the second where ``s`` has None.
    With pivot p, column c = p u and w = u', an elimination subtracts ``p u u'``, whose derivatives are ``v u' + u v'`` with
    ``v = c' - p' u / 2``, and ``v u' + u v' + 2 p w w'`` with ``v = c'' - p'' u / 2`` (primes of c and p being derivatives).
    """
    value, first, second = s
    xp = library(value)
    logs, logs1, logs2 = xp.zeros(value.shape[2:]), xp.zeros(value.shape[2:]), xp.zeros(value.shape[2:])
    for _ in range(len(value) - 1):
        pivot, pivot1 = value[0, 0], first[0, 0]
        inverse = 1 / pivot
        column, column1 = value[1:, 0], first[1:, 0]
        unit = column * inverse
        logs, logs1 = logs + xp.log(pivot), logs1 + pivot1 * inverse
        if second is not None:
            pivot2, column2 = second[0, 0], second[1:, 0]
            logs2 = logs2 + pivot2 * inverse - (pivot1 * inverse) ** 2
            turn = (column1 - pivot1 * unit) * inverse
            second = second[1:, 1:] - _symmetric(column2 - pivot2 / 2 * unit, unit) - 2 * pivot * turn[:, None] * turn[None]
        first = first[1:, 1:] - _symmetric(column1 - pivot1 / 2 * unit, unit)
        value = value[1:, 1:] - column[:, None] * unit[None]
    if second is None:
        return (logs, logs1, None), (value[0, 0], first[0, 0], None)
    return (logs, logs1, logs2), (value[0, 0], first[0, 0], second[0, 0])


def _symmetric(a: Array, b: Array) -> Array:
    return a[:, None] * b[None] + b[:, None] * a[None]
