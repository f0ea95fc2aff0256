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
    ``u`` ``[Q, Q, G]``; ``h`` = D_zx root ``[Q, P, G]``; ``s`` ``[Q, G]``; ``gamma`` ``[Q, Q]``.
    """

    deviance: Array
    beta: Array
    root: Array
    pw: Array
    weight: Array
    u: Array
    h: Array
    s: Array
    gamma: Array


def marginal_products(products: Array, factor: Array, random: tuple[int, ...]) -> tuple[Array, Array]:
    """``sum_g log|A_g|`` and ``D_g`` (``[M, M, G]``) by symmetric elimination, one pivot at a time, for all groups at once.

    Eliminating the first Q pivots of ``[[A_g, L'K_z.], [K_.z L, K_g]]`` leaves the Schur complement ``D_g``.
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
        row = top[0, 1:] / xp.sqrt(top[0, 0])
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
    d_z = d[z]
    u, d_zx = d_z[:, z], d_z[:, x]
    # Sums over few columns are written out: as contractions they would run along the columns, not along the groups.
    h = _total(d_zx[:, k, None] * root[k, :, None] for k in range(p))
    score = d_z[:, -1] - _total(d_zx[:, k] * beta[k] for k in range(p))
    gamma = over_groups(u) - weight * score @ score.T
    if spec.reml:
        flat = h.transpose(0, 2, 1).reshape(len(spec.random), -1)
        gamma = gamma - flat @ flat.T
    return Profile(deviance, beta, root, pw, weight, u, h, score, gamma)


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
    """``sum_g tr(dT_k u_g dT_l n_g)`` for all pairs of flattened ``directions`` ``[T, Q * Q]``, symmetrised: ``[T, T]``."""
    q, _, groups = u.shape
    un = u.reshape(q * q, groups) @ n.reshape(q * q, groups).T  # [(b, c), (d, a)]
    un = un.reshape(q, q, q, q).transpose(3, 0, 1, 2).reshape(q * q, q * q)  # [(a, b), (c, d)]
    sums = directions @ un @ directions.T
    return (sums + sums.T) / 2


def slope_sums(at: Profile, directions: Array) -> tuple[Array, Array, Array]:
    """``sum h'dT_k h`` ``[T, P, P]``, ``sum h'dT_k s`` ``[T, P]`` and ``sum s'dT_k s`` ``[T]`` along flattened ``directions``."""
    q, p, groups = at.h.shape
    h = at.h.reshape(q * p, groups)
    hh = (h @ h.T).reshape(q, p, q, p).transpose(0, 2, 1, 3).reshape(q * q, p * p)
    hs = (h @ at.s.T).reshape(q, p, q).transpose(0, 2, 1).reshape(q * q, p)
    m, v, c = directions @ hh, directions @ hs, directions @ (at.s @ at.s.T).reshape(q * q)
    return m.reshape(-1, p, p), v, c


def curvature(at: Profile, directions: Array, order: Array, spec: Spec) -> Curvature:
    """Second derivatives of the profiled deviance in the entries of a factor of ``T``; the sums over groups are matrix products.

    ``directions`` ``[T, Q, Q]`` and ``order`` ``[Q, Q]`` describe the coordinates (:mod:`jaxsim.lmm.chart`).
    """
    t = directions.shape[0]
    flat = directions.reshape(t, -1)
    n = -at.u + 2 * at.weight * at.s[:, None] * at.s[None]
    if spec.reml:
        n = n + 2 * _total(at.h[:, None, k] * at.h[None, :, k] for k in range(at.h.shape[1]))
    m, v, c = slope_sums(at, flat)
    hessian = pair_sums(at.u, n, flat)
    rows = spec.structure.entries[:, 0]
    if spec.reml:
        hessian = hessian - m.reshape(t, -1) @ m.reshape(t, -1).T
    hessian = hessian - 2 * at.weight * v @ v.T - (at.weight / at.pw) * library(c).outer(c, c)
    gamma = order @ at.gamma @ order.T
    hessian = hessian + 2 * gamma[rows][:, rows] * spec.structure.same_column
    return Curvature(hessian, m, c)
