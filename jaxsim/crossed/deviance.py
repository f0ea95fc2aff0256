"""The profiled REML or ML deviance with several grouping factors, from cross-products of their effects.

``Z`` has the effects of all factors, ``L`` their relative factor, ``T = L L'``, ``V = I + Z T Z'``; ``D = [Z X y]'V1^-1 [Z X y]``
with the first factor alone in ``V1``, which is eliminated level by level; all others are one dense block, eliminated by a
Cholesky factor of ``I + L2'D22 L2``, whose pivots are at least one::

    U = Z'V^-1 Z,  S = [X y]'V^-1 [X y],  beta, pw, weight, deviance as in :mod:`jaxsim.lmm.deviance`
    U_zx root = h,  U_zy - U_zx beta = s,  d dev = tr(Gamma dT),  Gamma_f = sum over levels (U_gg - h_g h_g' [REML] - w s_g s_g')

Nothing in it but products of matrices grows with more than the number of effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax

from jaxsim.crossed.free import Eliminated, FreeProfile, eliminate, profiled
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library
from jaxsim.numerics.halving import inverse_factor

Array = jax.Array


class Inner(NamedTuple):
    """``U = Z'V^-1 Z`` in parts, of which that of the first factor with itself is never formed.

    It is ``own`` in the blocks on the diagonal, less ``through'through``. ``own`` ``[q, q, G]``; ``through`` ``[r2, q, G]``, None
    where it is zero; ``across`` ``[q, G, r2]``; ``dense`` ``[r2, r2]``.
    """

    own: Array
    through: Array | None
    across: Array
    dense: Array


class Profile(NamedTuple):
    """The deviance at one ``L`` and the pieces its derivatives share.

    ``deviance``, ``pw``, ``weight`` ``[]``; ``beta`` ``[P]``; ``root`` ``[P, P]``; ``u``; and of each factor ``h`` ``[q, G, P]``,
    ``s`` ``[q, G]`` and, in planned models, its ``free`` levels.
    """

    deviance: Array
    beta: Array
    root: Array
    pw: Array
    weight: Array
    u: Inner
    h: tuple[Array, ...]
    s: tuple[Array, ...]
    free: tuple[FreeProfile, ...]


class Whole(NamedTuple):
    """``u``; ``log|V|`` ``[]``; ``V^-1``-products with ``[X y]`` of the first factor's effects ``[q, G, P + 1]`` and of the rest
    ``[R, P + 1]``; and of each factor the free levels, eliminated by themselves: they are no part of the rest."""

    u: Inner
    logdet: Array
    own: Array
    rest: Array
    free: list[Eliminated]


def profile(problem: Problem, factor: Array, model: Model) -> Profile:
    """Deviance and gradient pieces of one dataset at ``L = factor`` ``[Q, Q]``."""
    at = eliminated(problem, factor, model)
    return regressed(problem, model, at.u, at.logdet, at.own, at.rest, at.free)


def eliminated(problem: Problem, factor: Array, model: Model) -> Whole:
    """All effects of one dataset eliminated, at ``L = factor`` ``[Q, Q]``."""
    xp, r2 = library(problem.rest), model.dense
    logdet, own, beside, rest = eliminate_first(problem, factor[: model.widths[0], : model.widths[0]])
    half = by_factors(rest[:r2], factor, model)
    inverse, logdet_dense = inverse_factor(xp.eye(r2) + by_factors(half[:, :r2].T, factor, model))
    through_rest = inverse @ half
    flat = beside.reshape(-1, beside.shape[-1])
    through_own = inverse @ by_factors(flat[:, :r2].T, factor, model)
    outer = rest - through_rest.T @ through_rest
    across = (flat - through_own.T @ through_rest).reshape(beside.shape)
    inner = Inner(own, through_own.reshape(r2, *beside.shape[:2]), across[..., :r2], outer[:r2, :r2])
    blocks = zip(model.ends, model.ends[1:], problem.free, strict=False)
    free = [eliminate(one, factor[begin:end, begin:end]) for begin, end, one in blocks]
    logdet = logdet + logdet_dense + sum(one.logdet for one in free)
    return Whole(inner, logdet, across[..., r2:], outer[:, r2:], free)


def unrelated(problem: Problem, model: Model) -> Profile:
    """As :func:`profile` where all variances are zero."""
    r2, none = model.dense, library(problem.rest).zeros(())
    inner = Inner(problem.own, None, problem.beside[..., :r2], problem.rest[:r2, :r2])
    xp = library(problem.rest)
    free = [Eliminated(none, xp.zeros(()), xp.eye(len(one.own))) for one in problem.free]
    return regressed(problem, model, inner, none, problem.beside[..., r2:], problem.rest[:, r2:], free)


def eliminate_first(problem: Problem, factor: Array) -> tuple[Array, Array, Array, Array]:
    """``sum log|A_g|`` and ``D``: ``[q, q, G]`` of the first factor, ``[q, G, R]`` of it with the rest, ``[R, R]`` of the rest."""
    xp, k = library(problem.own), problem.own
    q = k.shape[0]
    turned = small.times(factor.T[:, :, None, None], k)
    a = small.times(turned[:, :, None], factor[:, :, None])
    chol, pivots = small.cholesky(a + xp.eye(q)[:, :, None])
    half = small.solve_lower(chol[:, :, None], xp.broadcast_to(factor.T[:, :, None], k.shape))
    pulled = small.times(half[..., None], problem.beside)
    flat = pulled.reshape(-1, pulled.shape[-1])
    back = small.times(k[:, :, None], xp.swapaxes(half, 0, 1))
    own = k - small.times(back[:, :, None], xp.swapaxes(back, 0, 1))
    beside = problem.beside - small.times(back[..., None], pulled)
    return xp.log(pivots).sum(), own, beside, problem.rest - flat.T @ flat


def by_factors(rows: Array, factor: Array, model: Model) -> Array:
    """``L2'`` times rows of the dense block, ``[r2, ..]``."""
    xp, found, begin = library(rows), [rows[:0]], 0
    for f in range(1, len(model.widths)):
        q, count = model.widths[f], model.counts[f]
        place = slice(model.ends[f], model.ends[f + 1])
        own = rows[begin : begin + q * count].reshape(q, -1)
        found.append((factor[place, place].T @ own).reshape(q * count, -1))
        begin += q * count
    return xp.concatenate(found)


def regressed(
    problem: Problem, model: Model, u: Inner, logdet: Array, own: Array, rest: Array, free: Sequence[Eliminated]
) -> Profile:
    """The regression on the fixed effects, given ``V^-1``-products with ``[X y]`` of the first factor's effects ``[q, G, P + 1]``
    and of the rest ``[R, P + 1]``, and of each factor the free levels, eliminated."""
    xp, p, r2 = library(problem.rest), len(model.spec.fixed), model.dense
    square = rest[r2:] - sum(one.taken for one in free)
    chol, pivots = small.cholesky(square[:p, :p])
    root = small.inverse_lower(chol).T
    projected = root.T @ square[:p, -1]
    beta = root @ projected
    pw = square[-1, -1] - projected @ projected
    nu = problem.n_rows - p if model.spec.reml else problem.n_rows
    deviance = logdet + nu * (1 + xp.log(2 * xp.pi * pw / nu))
    if model.spec.reml:
        deviance = deviance + xp.log(pivots).sum()
    products = [own, *by_factor(rest[:r2], model)]
    h = tuple(one[..., :p] @ root for one in products)
    s = tuple(one[..., -1] - one[..., :p] @ beta for one in products)
    levels = tuple(profiled(one, had.left, beta, root) for one, had in zip(problem.free, free, strict=True))
    return Profile(deviance, beta, root, pw, nu / pw, u, h, s, levels)


def by_factor(rows: Array, model: Model) -> list[Array]:
    """Rows of the dense block ``[r2, K]`` as ``[q, G, K]`` of each factor but the first."""
    found, begin = [], 0
    for q, count in zip(model.widths[1:], model.counts[1:], strict=True):
        found.append(rows[begin : begin + q * count].reshape(q, count, -1))
        begin += q * count
    return found
