"""The second stage of a two-stage analysis: from every group's own coefficients to their mean and its covariance matrix."""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.numerics.arrays import library, over_groups, while_loop

# Newton's steps for the variance between groups end when one adds less than this fraction to the smallest variance that a weight is
# made of. They converge quadratically, so what is then left is at rounding level.
STEP_TOLERANCE = 1e-9
MAX_STEPS = 50


class OwnRegressions(NamedTuple):
    """What the second stage needs of the groups' own regressions.

    ``beta`` ``[P, G]``, own coefficients minus ``origin`` ``[P]`` (a number near them, to keep the digits of their differences);
    ``unit`` ``[P, G]``, diagonal of each ``(X_g'X_g)^-1``; ``rss`` and ``residual_df`` ``[]``, residual sum of squares and its
    degrees of freedom, all groups together; ``present`` ``[G]``, where there is a group.
    """

    origin: jax.Array
    beta: jax.Array
    unit: jax.Array
    rss: jax.Array
    residual_df: jax.Array
    present: jax.Array

    @property
    def n_groups(self) -> jax.Array:
        """Groups, ``[]``."""
        return self.present.sum()

    @property
    def variance(self) -> jax.Array:
        """Residual variance within groups, pooled, ``[]``; 0 without degrees of freedom."""
        xp = library(self.rss, self.residual_df)
        return xp.where(self.residual_df > 0, self.rss / xp.maximum(self.residual_df, 1), 0.0)

    @property
    def sampling(self) -> jax.Array:
        """Sampling variance of every group's coefficients, ``[P, G]``."""
        return self.variance * self.unit


class Mean(NamedTuple):
    """``estimate`` minus the origin ``[P]``, ``deviation`` of the groups from it ``[P, G]``, 0 without one; ``vcov`` ``[P, P]``."""

    estimate: jax.Array
    deviation: jax.Array
    vcov: jax.Array


def equal_weights(own: OwnRegressions) -> Mean:
    """Mean, and covariance of the groups' coefficients over G."""
    xp, n_groups = library(own.beta), own.n_groups
    mean = over_groups(xp.where(own.present, own.beta, 0.0)) / n_groups
    deviation = xp.where(own.present, own.beta - mean[:, None], 0.0)
    return Mean(mean, deviation, deviation @ deviation.T / (n_groups - 1) / n_groups)


def precision_weights(own: OwnRegressions) -> Mean:
    """Random-effects mean of every coefficient: weights ``w_g = 1 / (tau^2 + se_g^2)``, Knapp-Hartung variance.

    ``V_jj = sum_g w_g (b_g - mean)^2 / ((G - 1) sum_g w_g)`` (Hartung 1999; Sidik & Jonkman 2002; Knapp & Hartung 2003), with t of
    G - 1 df; for equal ``se_g`` it is ``sd^2 / G``. Weights differ between coefficients, so their covariances (no test here uses
    them) are the analogue ``V_jk = sum_g sqrt(w_gj w_gk) d_gj d_gk / ((G - 1) sqrt(W_j W_k))``: positive semi-definite, and the
    usual covariances for equal weights.
    """
    xp = library(own.beta)
    variance = paule_mandel(own.beta, own.sampling, own.present)
    weights, mean = weighted_mean(variance, own.beta, own.sampling, own.present)
    deviation = xp.where(own.present, own.beta - mean[:, None], 0.0)
    scaled = xp.sqrt(weights / weights.sum(1, keepdims=True)) * deviation
    return Mean(mean, deviation, scaled @ scaled.T / (own.n_groups - 1))


def weighted_mean(variance: jax.Array, values: jax.Array, sampling: jax.Array, present: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights ``1 / (variance + sampling)`` ``[P, G]`` (0 where there is no group) and the mean with them ``[P]``."""
    xp = library(values, variance)
    weights = xp.where(present, 1 / xp.where(present, variance[:, None] + sampling, 1.0), 0.0)
    return weights, (weights * values).sum(1) / weights.sum(1)


def paule_mandel(values: jax.Array, sampling: jax.Array, present: jax.Array) -> jax.Array:
    """Variance between groups: ``tau^2`` with ``Q(tau^2) = sum_g w_g (b_g - mean)^2 = G - 1``, or 0 (Paule & Mandel 1982).

    The estimator of moments that fits the Knapp-Hartung variance: it assumes no normal groups and has one root, where the
    likelihood may have several optima. ``1 / Q`` is a weighted harmonic mean of ``tau^2`` plus eigenvalues, hence concave and
    increasing: Newton's steps on it rise to the root from any point below, and with equal sampling variances one is enough. They
    begin at ``s^2`` of the coefficients minus the largest sampling variance, which is never above the root.

    Args:
        values: coefficients ``[P, G]``.
        sampling: their sampling variances, ``[P, G]``.
        present: where there is a group, ``[G]``.
    """
    xp = library(values, sampling)
    df = present.sum() - 1
    mean = xp.where(present, values, 0.0).sum(1) / (df + 1)
    spread = xp.where(present, (values - mean[:, None]) ** 2, 0.0).sum(1) / df
    begin = xp.maximum(spread - xp.where(present, sampling, 0.0).max(1), 0.0)
    smallest = xp.where(present, sampling, xp.inf).min(1)

    def step(state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """One step of Newton's method."""
        variance, _, count = state
        weights, mean = weighted_mean(variance, values, sampling, present)
        terms = weights * xp.where(present, (values - mean[:, None]) ** 2, 0.0)
        q, slope = terms.sum(1), (weights * terms).sum(1)
        new = xp.maximum(variance + xp.where(slope > 0, q * (q / df - 1) / xp.where(slope > 0, slope, 1.0), 0.0), 0.0)
        return new, (new - variance > STEP_TOLERANCE * (new + smallest)).any(), count + 1

    def unfinished(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        """Whether the variance still moves."""
        return state[1] & (state[2] < MAX_STEPS)

    return while_loop(unfinished, step, (begin, xp.asarray(True), xp.asarray(0)))[0]
