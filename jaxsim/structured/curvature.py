"""What the criterion's curvature says of the structure's parameters, and a point at which they are none."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxsim.lmm.newton import Point
from jaxsim.lmm.solution import HESSIAN_RIDGE
from jaxsim.numerics import small

Array = jax.Array


def of_structure(point: Point, k: int) -> Array:
    """Hessian of the criterion in the structure's ``k`` parameters, minimised over the random effects' covariance, ``[k, k]``.

    The Schur complement, of a chart in its own units. A direction of the chart without curvature has no mixed derivatives either:
    the ridge leaves it out.
    """
    own, mixed, chart = point.hessian[:k, :k], point.hessian[k:, :k], point.hessian[k:, k:]
    scale = jnp.sqrt(jnp.maximum(jnp.diagonal(chart), 1e-300))
    scaled = chart / jnp.outer(scale, scale) + HESSIAN_RIDGE * jnp.eye(len(scale))
    mixed = mixed / scale[:, None]
    solved, _ = small.solve_definite(jnp.broadcast_to(scaled[:, :, None], (*scaled.shape, k)), mixed)
    return own - mixed.T @ solved


def without(point: Point, k: int, none: Array) -> Point:
    """The point as one of a model without the structure's ``k`` parameters where ``none`` (bool ``[]``) holds: nothing depends on
    them, so that they add no uncertainty."""
    kept = (jnp.arange(len(point.gradient)) >= k) | ~none
    return point._replace(
        gradient=jnp.where(kept, point.gradient, 0.0),
        hessian=jnp.where(kept[:, None] & kept, point.hessian, jnp.eye(len(kept))),
        m=jnp.where(kept[:, None, None], point.m, 0.0),
        c=jnp.where(kept, point.c, 0.0),
    )
