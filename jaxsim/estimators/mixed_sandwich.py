"""Cluster-robust variances of the fixed effects of a mixed model, with the model's own covariance as the working one.

With ``V_g`` the model's covariance of a group's responses, ``M = (sum X_g'V_g^-1 X_g)^-1`` and residuals ``e_g = y_g - X_g beta``::

    V = M [sum_g X_g'V_g^-1 A_g e_g e_g'A_g'V_g^-1 X_g] M
    CR0: A_g = I (Liang & Zeger 1986)
    CR2: A_g = D_g'B_g^(-1/2) D_g,  B_g = D_g (V_g - X_g M X_g') D_g',  D_g'D_g = V_g

CR2 is Pustejovsky & Tipton's (2018, *JBES* 36, 672-683), unbiased if the model holds.

``A_g`` is the same for every root ``D_g``, and the identity on what is orthogonal to the group's columns: with ``[X_g Z_g] = Q R``
all of it happens in the few coordinates ``Q'``, whose ``R`` is a factor of the group's cross-products. The degrees of freedom are
Satterthwaite's with errors as the model has them (clubSandwich's ``coef_test``): ``(tr q)^2 / sum_gh q_gh^2`` with
``q_gh = u_g'([g = h] V_g - X_g M X_h') u_h``, ``u_g = A_g'V_g^-1 X_g M c``.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.errors import InputError, choose
from jaxsim.estimators.sandwich import ROUNDING, SINGULAR, Groups, adjust, adjusted_scores, degrees_of_freedom, satterthwaite
from jaxsim.lmm.deviance import Spec, marginal_products
from jaxsim.lmm.newton import Point
from jaxsim.lmm.problem import Problem
from jaxsim.lmm.solution import DF_METHODS
from jaxsim.numerics import small
from jaxsim.numerics.least_squares import RANK_TOLERANCE

Array = jax.Array

# "model" is the inverse information, which trusts the model.
VCOVS: tuple[str, ...] = ("model", "CR0", "CR2")
ROBUST_DF: tuple[str, ...] = ("satterthwaite", "G-1", "normal")
# A variance that is this small beside the model's is made of rounding errors: squares of differences that keep ten digits.
ZERO_VARIANCE = 1e-20


def check_vcov(vcov: str, df: str) -> None:
    """Raise :class:`InputError` unless both are known and go together."""
    choose("vcov", vcov, VCOVS)
    allowed = DF_METHODS if vcov == "model" else ROBUST_DF
    if isinstance(df, str) and df in DF_METHODS + ROBUST_DF and df not in allowed:
        raise InputError(f"df={df!r} does not go with vcov={vcov!r}; use {', '.join(map(repr, allowed))}.")
    choose("df", df, allowed)


class Robust(NamedTuple):
    """In units of the residual variance: ``vcov`` ``[P, P]``; ``df`` ``[P]``; ``none`` bool ``[]``: a variance is zero."""

    vcov: Array
    df: Array
    none: Array


class Parts(NamedTuple):
    """``scores`` ``root'X_g'V_g^-1 A_g e_g`` ``[P, G]``; Satterthwaite's ``df`` and the variance's ``expected`` value ``[P]``."""

    scores: Array
    df: Array
    expected: Array


def mixed_sandwich(problem: Problem, point: Point, spec: Spec, vcov: str, df: str) -> Robust:
    """The robust covariance of one dataset's fixed effects at an optimum (standardised units) and its degrees of freedom.

    Args:
        problem, point, spec: the dataset, with all its products; its optimum; the model.
        vcov: ``CR0`` or ``CR2``.
        df: one of :data:`ROBUST_DF`.
    """
    parts = adjusted(problem, point, spec) if vcov == "CR2" else unadjusted(problem, point, spec)
    half = point.root @ parts.scores
    covariance = half @ half.T
    sigma2 = point.pw / (problem.n_rows - len(spec.fixed) if spec.reml else problem.n_rows)
    unit = (point.root**2).sum(1)
    none = (jnp.diagonal(covariance) <= ZERO_VARIANCE * sigma2 * unit) | (parts.expected <= SINGULAR * unit)
    degrees = {"satterthwaite": parts.df, "G-1": problem.n_groups - 1}.get(df, jnp.asarray(jnp.inf))
    return Robust(covariance / sigma2, jnp.broadcast_to(degrees, unit.shape), none.any())


def unadjusted(problem: Problem, point: Point, spec: Spec) -> Parts:
    """CR0: the scores as they are, which is the sandwich of least squares on whitened rows."""
    x = jnp.array(spec.fixed)
    _, d = marginal_products(problem.products, point.chart.factor, spec.random)
    xx, xy = d[x][:, x], d[x, -1]
    blocks = jnp.einsum("ap,abg,bq->pqg", point.root, xx, point.root)
    scores = point.root.T @ (xy - jnp.einsum("abg,b->ag", xx, point.beta))
    groups = Groups(blocks, scores, jnp.asarray(SINGULAR))
    adjustment = adjust("CR0", groups)
    df, expected = satterthwaite(adjustment, point.root)
    return Parts(adjusted_scores(adjustment, groups), df, expected)


def adjusted(problem: Problem, point: Point, spec: Spec) -> Parts:
    """CR2, in coordinates of each group's own columns.

    With ``V = L L'`` there, ``Y = L^-1 X root`` and ``W = L'L``: ``B = W (I - Y Y') W``, and the scores are ``Y'B^(-1/2) L'e``. Of
    ``c'root = a'``: ``q_gg`` is the square of what the regular part of B leaves of ``Y a``, without a difference, and the products
    of different groups are those of ``Y'W B^(-1/2) Y a``.
    """
    used = list(dict.fromkeys((*spec.fixed, *spec.random)))
    r, e = own_coordinates(problem.products, used, spec.fixed, point.beta)
    x, z = r[:, jnp.array([used.index(k) for k in spec.fixed])], r[:, jnp.array([used.index(k) for k in spec.random])]
    half = jnp.einsum("kag,ai->kig", z, point.chart.factor)
    eye = jnp.eye(len(used))[:, :, None]
    lower, _ = small.cholesky(jnp.einsum("kig,lig->klg", half, half) + eye)
    y = small.solve_lower(lower[:, :, None], jnp.einsum("kag,ap->kpg", x, point.root))
    w = jnp.einsum("kig,kjg->ijg", lower, lower)
    b = jnp.einsum("ikg,klg,ljg->ijg", w, eye - jnp.einsum("kpg,lpg->klg", y, y), w)
    values, vectors = small.eigh(b)
    regular = values > jnp.maximum(SINGULAR, ROUNDING * values[:1])
    power = jnp.where(regular, jnp.where(regular, values, 1.0) ** -0.5, 0.0)
    inside = jnp.einsum("klg,kpg->lpg", vectors, y)
    root_y = jnp.einsum("klg,lpg->kpg", vectors, power[:, None] * inside)
    scores = jnp.einsum("kpg,ikg,ig->pg", root_y, lower, e)
    own = jnp.einsum("lpg,rp->lrg", jnp.where(regular[:, None], inside, 0.0), point.root)
    pull = jnp.einsum("kqg,klg,lpg->gpq", y, w, root_y)
    df, expected = degrees_of_freedom((own**2).sum(0), jnp.einsum("gpq,rp->grq", pull, point.root))
    return Parts(scores, df, expected)


def own_coordinates(products: Array, used: list[int], fixed: tuple[int, ...], beta: Array) -> tuple[Array, Array]:
    """``R`` with ``R'R`` the cross-products of the used columns ``[K, K, G]``, and ``Q'e`` of the residuals ``[K, G]``.

    A column that is a combination of those before it in a group has a row of zeros, and nothing of the residuals.
    """
    index, x = jnp.array(used), jnp.array(fixed)
    k = products[index][:, index]
    length = jnp.sqrt(jnp.diagonal(k).T)
    length = jnp.where(length > 0, length, 1.0)
    factor, _ = jax.vmap(lambda m: small.semidefinite_cholesky(m, RANK_TOLERANCE), -1, -1)(k / (length[:, None] * length[None]))
    residual = products[index, -1] - jnp.einsum("kxg,x->kg", products[index][:, x], beta)
    kept = jnp.diagonal(factor).T > 0
    solvable = factor + jnp.where(kept, 0.0, 1.0)[:, None] * jnp.eye(len(used))[:, :, None]
    e = small.solve_lower(solvable, jnp.where(kept, residual / length, 0.0))
    return jnp.swapaxes(factor * length[:, None], 0, 1), jnp.where(kept, e, 0.0)
