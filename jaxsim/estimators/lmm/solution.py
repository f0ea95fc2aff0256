"""What a mixed-model fit reports once theta is known: estimates, certificate, Satterthwaite df, BLUPs."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim import small
from jaxsim.estimators.lmm.deviance import Spec, profile
from jaxsim.estimators.lmm.newton import Point
from jaxsim.estimators.lmm.problem import Problem

Array = jax.Array

# lme4: isSingular's default tolerance on the diagonal of the relative factor.
LME4_SINGULAR = 1e-4
# Added to the unit diagonal of the scaled Hessian: far above rounding (1e-14), far below any df digit that is shown.
HESSIAN_RIDGE = 1e-11
# The optimality certificate: what a last Newton step could still gain, in deviance units (criteria are compared at 1e-6),
# and the slope along covariance added outside the range of T, relative to the largest sum of U_g.
STATIONARY, DUAL = 1e-7, 1e-6


class Solution(NamedTuple):
    """Estimates in the user's units.

    ``theta`` ``[T]`` with a non-negative diagonal; ``beta``, ``df`` ``[P]``; ``vcov`` ``[P, P]``; ``covariance`` ``[Q, Q]``;
    ``sigma``, ``criterion`` ``[]``; ``singular``, ``optimal`` bool ``[]``.
    """

    theta: Array
    beta: Array
    vcov: Array
    df: Array
    covariance: Array
    sigma: Array
    criterion: Array
    singular: Array
    optimal: Array


def is_optimal(point: Point, spec: Spec) -> Array:
    """The Karush-Kuhn-Tucker certificate of ``min deviance over T >= 0``: ``Gamma T = 0`` and ``Gamma >= 0``.

    The first is judged by what a Newton step could still gain. Given it, Gamma lives on the null space of ``T``, so the
    second is a plain definiteness test, of Gamma lifted by the tolerance.
    """
    gamma = point.gamma * spec.structure.mask
    _, pivots = small.cholesky(gamma + DUAL * point.stiffness.max() * jnp.eye(spec.structure.size))
    return (point.decrement < STATIONARY) & ~point.saddle & (pivots > 0).all()


def satterthwaite(point: Point, nu: Array) -> Array:
    """Degrees of freedom of each coefficient's t statistic, ``[P]`` (Satterthwaite as in lmerTest, in closed form).

    ``df = 2 v^2 / (g' W g)`` with ``v = Var(beta_j)``, ``g`` its gradient in (theta, sigma) and ``W`` twice the inverse of
    the Hessian of the unprofiled deviance there. At a singular fit theta may be free to rotate: the Hessian is then singular
    in a direction in which ``v`` does not change either, and the small ridge gives what a Moore-Penrose inverse would.
    """
    sigma = jnp.sqrt(point.pw / nu)
    outer = nu / point.pw**2 * jnp.outer(point.c, point.c)
    cross = 2 * point.c / sigma**3
    hessian = jnp.block([[point.hessian + outer, cross[:, None]], [cross[None], (4 * nu / sigma**2)[None, None]]])
    c = (point.root**2).sum(1)
    d_theta = sigma**2 * jnp.einsum("jx,txy,jy->tj", point.root, point.m, point.root)
    slope = jnp.concatenate([d_theta, 2 * sigma * c[None]])
    scale = jnp.sqrt(jnp.maximum(jnp.diagonal(hessian), 1e-300))
    scaled = hessian / jnp.outer(scale, scale) + HESSIAN_RIDGE * jnp.eye(len(scale))
    slope = slope / scale[:, None]
    solved, _, _ = small.solve_definite(jnp.broadcast_to(scaled[:, :, None], (*scaled.shape, len(c))), slope)
    spread = (slope * solved).sum(0)
    return (sigma**2 * c) ** 2 / spread


def solve(problem: Problem, point: Point, spec: Spec, df: str) -> Solution:
    """Report at the optimum (standardised units in, the user's units out)."""
    x, z = jnp.array(spec.fixed), jnp.array(spec.random)
    p = len(spec.fixed)
    nu = problem.n_rows - p if spec.reml else problem.n_rows
    x_scale, z_scale, y_scale = problem.column_scale[x], problem.column_scale[z], problem.response_scale
    sigma2 = point.pw / nu
    vcov = sigma2 * (point.root @ point.root.T) * y_scale**2 / jnp.outer(x_scale, x_scale)
    factor = point.chart.factor / z_scale[:, None]
    relative = factor @ factor.T
    theta = spec.structure.theta(small.semidefinite_factor(relative))
    criterion = point.deviance + 2 * nu * jnp.log(y_scale)
    if spec.reml:
        criterion = criterion + 2 * jnp.log(x_scale).sum()
    match df:
        case "satterthwaite":
            freedom = satterthwaite(point, nu)
        case "residual":
            freedom = jnp.broadcast_to(problem.n_rows - p, (p,))
        case _:
            freedom = jnp.full(p, jnp.inf)
    diagonal = theta[spec.structure.is_diagonal]
    return Solution(
        theta=theta,
        beta=problem.shift + point.beta * y_scale / x_scale,
        vcov=vcov,
        df=freedom,
        covariance=sigma2 * y_scale**2 * relative,
        sigma=jnp.sqrt(sigma2) * y_scale,
        criterion=criterion,
        singular=(diagonal < LME4_SINGULAR).any(),
        optimal=is_optimal(point, spec),
    )


def blups(problem: Problem, theta: Array, spec: Spec) -> tuple[Array, Array]:
    """Conditional modes ``T s_g`` ``[G, Q]`` and lme4's conditional covariances ``sigma^2 (T - T U_g T)`` ``[G, Q, Q]``."""
    z_scale = problem.column_scale[jnp.array(spec.random)]
    factor = spec.structure.factor(theta) * z_scale[:, None]
    at = profile(problem.products, problem.n_rows, factor, spec)
    relative = factor @ factor.T
    nu = problem.n_rows - len(spec.fixed) if spec.reml else problem.n_rows
    modes = problem.response_scale * (relative @ at.s).T / z_scale
    spread = relative[None] - jnp.einsum("ab,bcg,cd->gad", relative, at.u, relative)
    unit = problem.response_scale**2 / jnp.outer(z_scale, z_scale)
    return modes, at.pw / nu * spread * unit
