"""Errors of a mixed model's predictions of new rows, from cross-products: :mod:`jaxsim.lmm.prediction_error`, compiled."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.lmm import prediction_error
from jaxsim.lmm.chart import directions
from jaxsim.lmm.deviance import Spec, profile
from jaxsim.lmm.newton import Point, evaluate
from jaxsim.lmm.problem import Problem
from jaxsim.lmm.solution import unprofiled

Array = jax.Array


class Spread(NamedTuple):
    """``variance`` of each new response's error, and Satterthwaite's degrees of freedom of it, ``[N]`` each."""

    variance: Array
    df: Array


def of_rows(problem: Problem, theta: Array, vcov: Array, spec: Spec, columns: Array, codes: Array) -> Spread:
    """Of responses of new rows, one dataset.

    Args:
        problem: the dataset that was fitted.
        theta, vcov: of its fit, ``[T]`` and ``[P, P]``.
        spec: of the model.
        columns: predictors of the rows, ``[N, M - 1]``, as in the dataset.
        codes: group of each row, ``[N]``; negative for one that the dataset does not have.
    """
    fixed, random = jnp.array(spec.fixed), jnp.array(spec.random)
    scaled = columns / problem.column_scale
    x, z = scaled[:, fixed], scaled[:, random]
    factor = spec.structure.factor(theta) * problem.column_scale[random][:, None]
    relative = factor @ factor.T
    point = evaluate(problem, relative, spec)
    at = profile(problem.products, problem.n_rows, point.chart.factor, spec, problem.between)
    known, codes = (codes >= 0)[:, None], jnp.maximum(codes, 0)
    # Names as of the formulas: own = (I + A_g T)^-1 z, pull = K_g z.
    own = z - jnp.where(known, jnp.einsum("qrn,nr->nq", at.u[:, :, codes], z @ relative), 0.0)
    pull = own @ relative
    zx = jnp.moveaxis(problem.products[random][:, fixed], -1, 0)
    a = jnp.where(known, prediction_error.through_fixed(x, pull, zx[codes]), x)
    white = a @ point.root
    through = jnp.where(known, jnp.einsum("pqn,np->nq", at.h[:, :, codes], white), 0.0)
    along = jnp.einsum("kab,nab->kn", directions(point.chart, spec.structure), prediction_error.slope(own, through))
    along = along + jnp.einsum("np,kpr,nr->kn", white, point.m, white)
    given = (pull * z).sum(1) + 1
    nu = problem.n_rows - len(spec.fixed) if spec.reml else problem.n_rows
    unit = point.pw / nu * problem.response_scale**2
    return Spread(
        prediction_error.variance(a * problem.column_scale[fixed], vcov, unit * given),
        _degrees(point, nu, (white**2).sum(1) + given, along),
    )


def _degrees(point: Point, nu: Array, variance: Array, along: Array) -> Array:
    """``2 v^2 / g'Wg`` ``[N]`` of variances over that of the residual, and their slopes ``along`` the chart ``[T, N]``."""
    sigma2 = point.pw / nu
    slope = jnp.concatenate([sigma2 * along, 2 * jnp.sqrt(sigma2) * variance[None]])
    return prediction_error.degrees(sigma2 * variance, slope, unprofiled(point, nu))
