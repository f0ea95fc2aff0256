"""What a mixed-model fit reports once theta is known: estimates, certificate, degrees of freedom, BLUPs."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax

from jaxsim.errors import InputError, choose
from jaxsim.lmm.deviance import Spec, profile
from jaxsim.lmm.kenward_roger import degrees_of_freedom, kenward_roger
from jaxsim.lmm.newton import Point
from jaxsim.lmm.problem import Problem
from jaxsim.numerics import small
from jaxsim.numerics.arrays import einsum, library

Array = jax.Array

DF_METHODS: tuple[str, ...] = ("satterthwaite", "residual", "normal", "kenward-roger", "kenward-roger-observed")
# lme4: isSingular's default tolerance on the diagonal of the relative factor.
LME4_SINGULAR = 1e-4
# Added to the unit diagonal of the scaled Hessian: far above rounding (1e-14), far below any df digit that is shown.
HESSIAN_RIDGE = 1e-11
# The optimality certificate: what a last Newton step could still gain, in deviance units (criteria are compared at 1e-6),
# and the slope along covariance added outside the range of T, relative to the largest sum of U_g.
STATIONARY, DUAL = 1e-7, 1e-6


def check_df(df: str, reml: bool) -> None:
    """Raise :class:`InputError` unless ``df`` is one of :data:`DF_METHODS` and goes with the criterion."""
    choose("df", df, DF_METHODS)
    if df.startswith("kenward-roger") and not reml:
        raise InputError(f"df={df!r} needs REML, for which it is defined; use reml=True, or another df, such as 'satterthwaite'.")


class Solution(NamedTuple):
    """Estimates in the user's units.

    ``theta`` ``[T]`` with a non-negative diagonal; ``beta`` ``[P]``; ``vcov`` ``[P, P]``; ``df`` of the contrasts ``[K]``, of the
    coefficients themselves ``[P]`` if there were none; ``covariance`` ``[Q, Q]``; ``sigma``, ``criterion`` ``[]``; ``singular``,
    ``optimal`` bool ``[]``.
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
    xp = library(point.gamma)
    gamma = point.gamma * spec.structure.mask
    _, pivots = small.cholesky(gamma + DUAL * point.stiffness.max() * xp.eye(spec.structure.size))
    return (point.decrement < STATIONARY) & ~point.saddle & (pivots > 0).all()


def unprofiled(point: Point, nu: Array) -> Array:
    """Hessian of the deviance in the entries of the chart and sigma, ``[T + 1, T + 1]``: sigma is not profiled out."""
    xp = library(point.hessian)
    sigma = xp.sqrt(point.pw / nu)
    outer = nu / point.pw**2 * xp.outer(point.c, point.c)
    cross = 2 * point.c / sigma**3
    return xp.block([[point.hessian + outer, cross[:, None]], [cross[None], (4 * nu / sigma**2)[None, None]]])


def satterthwaite(point: Point, nu: Array, contrasts: Array) -> Array:
    """Degrees of freedom of each contrast's t statistic, ``[K]``, from its row ``l' root`` (lmerTest's, in closed form).

    ``df = 2 v^2 / (g' W g)`` with ``v = Var(l'beta)``, ``g`` its gradient in (theta, sigma) and ``W`` twice the inverse of
    the Hessian of the unprofiled deviance there. At a singular fit theta may be free to rotate: the Hessian is then singular
    in a direction in which ``v`` does not change either, and the small ridge gives what a Moore-Penrose inverse would.
    """
    xp = library(point.hessian, contrasts)
    sigma = xp.sqrt(point.pw / nu)
    hessian = unprofiled(point, nu)
    c = (contrasts**2).sum(1)
    d_theta = sigma**2 * einsum("jx,txy,jy->tj", contrasts, point.m, contrasts)
    slope = xp.concatenate([d_theta, 2 * sigma * c[None]])
    scale = xp.sqrt(xp.maximum(xp.diagonal(hessian), 1e-300))
    scaled = hessian / xp.outer(scale, scale) + HESSIAN_RIDGE * xp.eye(len(scale))
    slope = slope / scale[:, None]
    solved, _ = small.solve_definite(xp.broadcast_to(scaled[:, :, None], (*scaled.shape, len(c))), slope)
    spread = (slope * solved).sum(0)
    return (sigma**2 * c) ** 2 / spread


class Posed(Protocol):
    """A dataset in standardised units, as :class:`jaxsim.lmm.problem.Problem` is."""

    @property
    def n_rows(self) -> Array: ...
    @property
    def column_scale(self) -> Array: ...
    @property
    def response_scale(self) -> Array: ...
    @property
    def shift(self) -> Array: ...


class Inference(NamedTuple):
    """``vcov`` of the coefficients ``[P, P]`` in units of the residual variance, and ``df`` of the contrasts ``[K]``."""

    vcov: Array
    df: Array


def infer(problem: Problem, point: Point, spec: Spec, df: str, contrasts: Array | None) -> Inference:
    """Inference by one of :data:`DF_METHODS`, in standardised units; ``contrasts`` ``[K, P]``, None for the coefficients."""
    if not df.startswith("kenward-roger"):
        return unadjusted(problem, point, spec, df, contrasts)
    rows = point.root if contrasts is None else contrasts @ point.root
    adjustment = kenward_roger(problem, point, spec, observed=df.endswith("observed"))
    return Inference(point.root @ adjustment.vcov @ point.root.T, degrees_of_freedom(adjustment, rows))


def unadjusted(problem: Posed, point: Point, spec: Spec, df: str, contrasts: Array | None) -> Inference:
    """:func:`infer` by a method that takes the coefficients' covariance as it is."""
    xp = library(point.root)
    rows = point.root if contrasts is None else contrasts @ point.root
    vcov = point.root @ point.root.T
    match df:
        case "satterthwaite":
            nu = problem.n_rows - len(spec.fixed) if spec.reml else problem.n_rows
            return Inference(vcov, satterthwaite(point, nu, rows))
        case "residual":
            return Inference(vcov, xp.broadcast_to(problem.n_rows - len(spec.fixed), len(rows)))
        case _:
            return Inference(vcov, xp.full(len(rows), xp.inf))


def solve(problem: Problem, point: Point, spec: Spec, df: str, contrasts: Array | None = None) -> Solution:
    """Report at the optimum (standardised units in, the user's units out).

    Args:
        problem, point, spec: the dataset, its optimum, the model.
        df: one of :data:`DF_METHODS`.
        contrasts: whose ``df`` are wanted, ``[K, P]``; None for the coefficients themselves.
    """
    scaled = None if contrasts is None else contrasts / problem.column_scale[library(contrasts).array(spec.fixed)]
    return report(problem, point, spec, infer(problem, point, spec, df, scaled))


def report(problem: Posed, point: Point, spec: Spec, inference: Inference) -> Solution:
    """:func:`solve`, once there is inference in standardised units."""
    xp = library(point.root)
    x, z = xp.array(spec.fixed), xp.array(spec.random)
    p = len(spec.fixed)
    nu = problem.n_rows - p if spec.reml else problem.n_rows
    x_scale, z_scale, y_scale = problem.column_scale[x], problem.column_scale[z], problem.response_scale
    sigma2 = point.pw / nu
    factor = point.chart.factor / z_scale[:, None]
    relative = factor @ factor.T
    theta = spec.structure.theta(small.semidefinite_factor(relative))
    criterion = point.deviance + 2 * nu * xp.log(y_scale)
    if spec.reml:
        criterion = criterion + 2 * xp.log(x_scale).sum()
    diagonal = theta[spec.structure.is_diagonal]
    return Solution(
        theta=theta,
        beta=problem.shift + point.beta * y_scale / x_scale,
        vcov=sigma2 * inference.vcov * y_scale**2 / xp.outer(x_scale, x_scale),
        df=inference.df,
        covariance=sigma2 * y_scale**2 * relative,
        sigma=xp.sqrt(sigma2) * y_scale,
        criterion=criterion,
        singular=(diagonal < LME4_SINGULAR).any(),
        optimal=is_optimal(point, spec),
    )


def blups(problem: Problem, theta: Array, spec: Spec) -> tuple[Array, Array]:
    """Conditional modes ``T s_g`` ``[G, Q]`` and lme4's conditional covariances ``sigma^2 (T - T U_g T)`` ``[G, Q, Q]``."""
    xp = library(problem.products)
    z_scale = problem.column_scale[xp.array(spec.random)]
    factor = spec.structure.factor(theta) * z_scale[:, None]
    at = profile(problem.products, problem.n_rows, factor, spec, problem.between)
    relative = factor @ factor.T
    nu = problem.n_rows - len(spec.fixed) if spec.reml else problem.n_rows
    modes = problem.response_scale * (relative @ at.s).T / z_scale
    spread = relative[None] - einsum("ab,bcg,cd->gad", relative, at.u, relative)
    unit = problem.response_scale**2 / xp.outer(z_scale, z_scale)
    return modes, at.pw / nu * spread * unit
