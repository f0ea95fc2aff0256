"""The profiled REML or ML deviance from cross-products, its gradient and its Hessian, all in closed form.

Notation (Bates et al. 2015; derivatives re-derived and checked against automatic differentiation in the tests). For group g
with cross-product ``K_g`` of ``[X y]``, ``Z`` a subset of the columns, relative factor ``L`` and ``T = L L'``::

    A_g = I + L' K_zz L          D_g = K_g - K_.z L A_g^-1 L' K_z.   (= [X y]' V_g^-1 [X y])
    S = sum D_g,  C = S_xx^-1,  beta = C S_xy,  pw = S_yy - S_yx C S_xy,  nu = N - P (REML) or N (ML),  w = nu / pw
    deviance = sum log|A_g| + log|S_xx| [REML only] + nu (1 + log(2 pi pw / nu))
    U_g = D_zz,  s_g = D_zy - D_zx beta,  E_g = D_zx C D_xz [0 for ML]
    d dev = tr(Gamma dT),  Gamma = sum (U_g - E_g - w s_g s_g')
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import NamedTuple

import jax

from jaxsim.data.random_effects import Structure
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library, over_groups
from jaxsim.numerics.held import held

Array = jax.Array


class Spec(NamedTuple):
    """What the kernels must know at trace time: column positions, structure, criterion."""

    fixed: tuple[int, ...]
    random: tuple[int, ...]
    structure: Structure
    reml: bool


class Profile(NamedTuple):
    """The deviance at one ``L`` and the pieces its derivatives share.

    ``deviance`` ``[]``; ``beta`` ``[P]``; ``root`` with ``root root' = C`` ``[P, P]``; ``pw`` ``[]``; ``weight`` = w ``[]``;
    ``u`` ``[Q, Q, G]`` and ``stiffness`` = sum U_g ``[Q, Q]``; ``slopes`` ``[P + 1, Q, G]``: the rows of ``h`` = root' D_xz, then
    ``s``; ``squares`` = sum of their products, ``[P + 1, Q, P + 1, Q]``; ``gamma`` ``[Q, Q]``.
    """

    deviance: Array
    beta: Array
    root: Array
    pw: Array
    weight: Array
    u: Array
    stiffness: Array
    slopes: Array
    squares: Array
    gamma: Array

    @property
    def h(self) -> Array:
        """``[P, Q, G]``."""
        return self.slopes[:-1]

    @property
    def s(self) -> Array:
        """``[Q, G]``."""
        return self.slopes[-1]


def marginal_products(products: Array, factor: Array, random: tuple[int, ...]) -> tuple[Array, Array]:
    """``sum_g log|A_g|`` and ``D_g`` (``[M, M, G]``) by symmetric elimination, one pivot at a time, for all groups at once.

    Eliminating the first Q pivots of ``[[A_g, L'K_z.], [K_.z L, K_g]]`` leaves the Schur complement ``D_g``, of which every
    entry reads the rows of all pivots: they are held, which saves up to a fifth of a step's time.
    """
    xp, q = library(products, factor), len(random)
    k_z = products[xp.array(random)]
    lk = small.times(factor.T[:, :, None, None], k_z)
    a = small.times(lk[:, xp.array(random), None], factor[:, :, None]) + xp.eye(q)[:, :, None]
    top = xp.concatenate([a, lk], axis=1)
    logdet = xp.zeros(products.shape[-1])
    rest = products
    for k in range(q - 1, -1, -1):
        logdet = logdet + xp.log(top[0, 0])
        row = held(top[0, 1:] / xp.sqrt(top[0, 0]))
        rest = rest - row[k:, None] * row[None, k:]
        top = top[1:, 1:] - row[:k, None] * row[None]
    return over_groups(logdet), rest


def split_products(products: Array, between: Array, factor: Array, random: tuple[int, ...]) -> tuple[Array, Array]:
    """As :func:`marginal_products`, from ``products`` ``W_g`` within and coordinates ``B_g`` ``[Q, M, G]`` between the groups.

    ``D_g = W_g + B_g'(I + B_z T B_z')^-1 B_g``: sums of what is positive, in which large variances cost no digits.
    """
    xp = library(between, factor)
    half = xp.einsum("kag,ai->kig", between[:, xp.array(random)], factor)
    spread = xp.einsum("kig,lig->klg", half, half) + xp.eye(len(random))[:, :, None]
    chol, pivots = small.cholesky(spread)
    shrunk = small.solve_lower(chol[:, :, None], between)
    return xp.log(pivots).sum(), products + xp.einsum("kag,kbg->abg", shrunk, shrunk)


def profile(products: Array, n_rows: Array, factor: Array, spec: Spec, between: Array | None = None) -> Profile:
    """Deviance and gradient pieces of one dataset at ``L = factor``; ``between`` as of :class:`jaxsim.lmm.problem.Problem`."""
    xp = library(products, factor)
    x, z = xp.array(spec.fixed), xp.array(spec.random)
    p = len(spec.fixed)
    if between is None:
        logdet, d = marginal_products(products, factor, spec.random)
    else:
        logdet, d = split_products(products, between, factor, spec.random)
    s = over_groups(d)
    chol, pivots = small.cholesky(s[x][:, x])
    root = small.inverse_lower(chol).T
    projected = root.T @ s[x, -1]
    beta = root @ projected
    pw = s[-1, -1] - projected @ projected
    nu = n_rows - p if spec.reml else n_rows
    weight = nu / pw
    deviance = logdet + nu * (1 + xp.log(2 * xp.pi * pw / nu))
    if spec.reml:
        deviance = deviance + xp.log(pivots).sum()
    # A product with few columns is written out: as a contraction it would run along the columns, not along the groups.
    score = d[z, -1] - _total(d[z][:, fixed] * beta[k] for k, fixed in enumerate(spec.fixed))
    h = (root.T @ d[x][:, z].reshape(p, -1)).reshape(p, *score.shape)
    slopes = xp.concatenate([h, score[None]])
    stiffness, squares = s[z][:, z], square_sums(slopes)
    gamma = stiffness - weight * squares[-1, :, -1]
    if spec.reml:
        gamma = gamma - _total(squares[k, :, k] for k in range(p))
    return Profile(deviance, beta, root, pw, weight, d[z][:, z], stiffness, slopes, squares, gamma)


def _total(terms: Iterable[Array]) -> Array:
    return functools.reduce(operator.add, terms)


def gradient(at: Profile, directions: Array) -> Array:
    """``d deviance`` along each direction, ``[T]``."""
    return library(directions).einsum("tab,ab->t", directions, at.gamma)


class Curvature(NamedTuple):
    """Hessian ``[T, T]``; ``m`` = root' M_k root ``[T, P, P]``; ``c`` = sum s' dT_k s ``[T]``."""

    hessian: Array
    m: Array
    c: Array


def pair_sums(u: Array, n: Array, directions: Array) -> Array:
    """``sum_g tr(dT_k u_g dT_l n_g)`` for all pairs of flattened ``directions`` ``[T, Q * Q]``, symmetrised: ``[T, T]``.

    ``n`` is the left factor of the matrix product: the right one is turned round, and what is computed on the way to that is slow.
    """
    q, _, groups = u.shape
    nu = n.reshape(q * q, groups) @ u.reshape(q * q, groups).T  # [(d, a), (b, c)]
    nu = nu.reshape(q, q, q, q).transpose(1, 2, 3, 0).reshape(q * q, q * q)  # [(a, b), (c, d)]
    sums = directions @ nu @ directions.T
    return (sums + sums.T) / 2


def square_sums(slopes: Array) -> Array:
    """Sums over groups of the products of ``[P + 1, Q, G]`` with themselves, ``[P + 1, Q, P + 1, Q]``."""
    k, q, groups = slopes.shape
    flat = slopes.reshape(k * q, groups)
    return (flat @ flat.T).reshape(k, q, k, q)


def slope_sums(at: Profile, directions: Array) -> tuple[Array, Array]:
    """``sum h dT_k [h s]'`` ``[T, P, P + 1]`` and ``sum s'dT_k s`` ``[T]`` along flattened ``directions`` ``[T, Q * Q]``."""
    k, q = at.slopes.shape[:2]
    along = (directions @ at.squares.transpose(1, 3, 0, 2).reshape(q * q, k * k)).reshape(-1, k, k)
    return along[:, :-1], along[:, -1, -1]


def curvature(at: Profile, directions: Array, order: Array, spec: Spec) -> Curvature:
    """Second derivatives of the profiled deviance in the entries of a factor of ``T``; the sums over groups are matrix products.

    ``directions`` ``[T, Q, Q]`` and ``order`` ``[Q, Q]`` describe the coordinates (:mod:`jaxsim.lmm.chart`).
    """
    xp, t = library(directions), directions.shape[0]
    flat = directions.reshape(t, -1)
    n = -at.u + 2 * at.weight * at.s[:, None] * at.s[None]
    if spec.reml:
        n = n + 2 * _total(row[:, None] * row[None] for row in at.h)
    mv, c = slope_sums(at, flat)
    p = mv.shape[1]
    # What is subtracted is m m' [REML only] + 2 w v v' + (w / pw) c c'.
    weights = xp.concatenate([xp.full(p, float(spec.reml)), 2 * at.weight[None]])
    hessian = pair_sums(at.u, n, flat) - (mv * weights).reshape(t, -1) @ mv.reshape(t, -1).T - (at.weight / at.pw) * xp.outer(c, c)
    rows = spec.structure.entries[:, 0]
    gamma = order @ at.gamma @ order.T
    hessian = hessian + 2 * gamma[rows][:, rows] * spec.structure.same_column
    return Curvature(hessian, mv[:, :, :-1], c)
