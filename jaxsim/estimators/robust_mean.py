"""Means of the groups' coefficients that single groups cannot pull far: Huber's M-estimate and the trimmed mean."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.estimators.second_stage import Mean, OwnRegressions

# Huber's proposal has 95% efficiency for normal groups with this many scales (MASS::rlm's psi.huber).
HUBER = 1.345
# The median of |z|, as MASS::rlm has it.
NORMAL_MEDIAN = 0.6745
# A step of this fraction of the scale is the last; the steps shrink by a constant factor, so what is left is of its size.
STEP_TOLERANCE = 1e-12
MAX_STEPS = 500


class RobustMean(NamedTuple):
    """``mean``; ``df`` of t ``[]``; ``settled`` bool ``[]``: the iteration, if there is one, has ended."""

    mean: Mean
    df: jax.Array
    settled: jax.Array


def median(values: jax.Array, present: jax.Array) -> jax.Array:
    """Of each row of ``values`` ``[P, G]``, of the groups that are there."""
    ordered, n = jnp.sort(jnp.where(present, values, jnp.inf), axis=1), present.sum()
    return (ordered[:, (n - 1) // 2] + ordered[:, n // 2]) / 2


def huber(own: OwnRegressions) -> RobustMean:
    """Huber's M-estimate with the median absolute deviation from it as scale, as ``MASS::rlm(b ~ 1)``, one coefficient at a time.

    Iterated weights ``w = min(1, 1.345 s / |r|)`` from the mean, ``s = median |r| / 0.6745`` anew each time. With ``psi = w r`` and
    ``m`` the share of groups of full weight, the variance is ``(K / m)^2 sum psi^2 / ((G - 1) G)`` with
    ``K = 1 + var(weight is full) / (G m^2)`` (Huber 1981, section 7.6, as ``summary.rlm``); covariances are its analogue with
    products of two coefficients' psi. t has G - 1 df. Deviations are the psi.
    """
    n, present = own.n_groups, own.present

    def weigh(centre: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Weights, residuals ``[P, G]`` and scales ``[P]`` around a centre."""
        residual = jnp.where(present, own.beta - centre[:, None], 0.0)
        size = median(jnp.abs(residual), present) / NORMAL_MEDIAN
        bound = HUBER * size[:, None]
        weight = jnp.where(jnp.abs(residual) <= bound, 1.0, bound / jnp.maximum(jnp.abs(residual), 1e-300))
        return jnp.where(present, weight, 0.0), residual, size

    def step(state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Another weighted mean."""
        centre, _, count = state
        weight, residual, size = weigh(centre)
        move = (weight * residual).sum(1) / jnp.maximum(weight.sum(1), 1e-300)
        return centre + move, (jnp.abs(move) > STEP_TOLERANCE * size).any(), count + 1

    def unfinished(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        """Whether a centre still moves."""
        return state[1] & (state[2] < MAX_STEPS)

    begin = jnp.where(present, own.beta, 0.0).sum(1) / n
    centre, moving, _ = jax.lax.while_loop(unfinished, step, (begin, jnp.asarray(True), jnp.asarray(0)))
    weight, residual, _ = weigh(centre)
    full = (weight >= 1).sum(1) / n
    correction = 1 + (1 - full) / (full * (n - 1))
    psi = correction[:, None] / full[:, None] * weight * residual
    return RobustMean(Mean(centre, weight * residual, psi @ psi.T / ((n - 1) * n)), n - 1, ~moving)


def trimmed(own: OwnRegressions, trim: float) -> RobustMean:
    """The mean without the ``g = floor(trim G)`` lowest and highest groups of each coefficient (Tukey & McLaughlin 1963).

    ``SE = sd of the winsorised groups / ((1 - 2 trim) sqrt(G))``, t with ``G - 2 g - 1`` df, as WRS2's ``trimse`` and ``trimci``
    (Yuen 1974; Wilcox 2012); covariances are its analogue.
    """
    n, present = own.n_groups, own.present
    cut = jnp.floor(trim * n).astype(int)
    ordered, place = jnp.sort(jnp.where(present, own.beta, jnp.inf), axis=1), jnp.arange(len(present))
    kept = (place >= cut) & (place < n - cut)
    centre = jnp.where(kept, ordered, 0.0).sum(1) / (n - 2 * cut)
    low, high = ordered[:, cut], ordered[:, n - cut - 1]
    winsorised = jnp.where(present, jnp.clip(own.beta, low[:, None], high[:, None]), 0.0)
    deviation = jnp.where(present, winsorised - winsorised.sum(1, keepdims=True) / n, 0.0)
    vcov = deviation @ deviation.T / ((n - 1) * n * (1 - 2 * trim) ** 2)
    return RobustMean(Mean(centre, deviation, vcov), n - 2 * cut - 1, jnp.asarray(True))
