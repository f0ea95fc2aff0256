"""Summaries of a coefficient whose posterior is a weighted mixture of normal distributions, one for each draw of the SDs.

Given SDs and correlations a fixed effect is normal; using that distribution instead of a draw from it (Rao-Blackwell) removes
most of the Monte Carlo error of means, quantiles and tail probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array
_Bracketed = tuple[Array, Array, Array, Array, Array]

# Probabilities are solved to this; Monte Carlo errors are a million times larger.
PRECISE = 1e-10
MAX_STEPS = 60
# Quantiles are looked for within so many standard deviations; a normal mixture has less than 1e-4 beyond 100 (Chebyshev).
WIDEST = 100.0


class Mixture(NamedTuple):
    """``weight`` ``[draws]`` (sum one), ``mean`` and ``sd`` of every component, ``[P, draws]``."""

    weight: Array
    mean: Array
    sd: Array


class Moments(NamedTuple):
    """``mean`` ``[P]`` and covariance matrix ``vcov`` ``[P, P]``."""

    mean: Array
    vcov: Array


def moments(weight: Array, mean: Array, root: Array) -> Moments:
    """Mean and covariance of the mixture of ``N(mean, root root')``: ``mean`` ``[P, draws]``, ``root`` ``[P, P, draws]``."""
    centre = (weight * mean).sum(1)
    apart = mean - centre[:, None]
    within = jnp.einsum("iks,jks->ij", weight * root, root)
    return Moments(centre, within + (weight * apart) @ apart.T)


def below(mixture: Mixture, at: Array) -> Array:
    """Distribution function at ``[P, K]``."""
    score = (at[..., None] - mixture.mean[:, None]) / mixture.sd[:, None]
    return (mixture.weight * jax.scipy.special.ndtr(score)).sum(-1)


def density(mixture: Mixture, at: Array) -> Array:
    """Density at ``[P, K]``."""
    score = (at[..., None] - mixture.mean[:, None]) / mixture.sd[:, None]
    return (mixture.weight * jnp.exp(-(score**2) / 2) / mixture.sd[:, None]).sum(-1) / jnp.sqrt(2 * jnp.pi)


def quantiles(mixture: Mixture, probability: Array) -> Array:
    """Quantiles at each of ``probability`` ``[K]``, ``[P, K]``: Newton's method inside a bracket that halves when it must."""
    mean = (mixture.weight * mixture.mean).sum(1)
    variance = (mixture.weight * (mixture.sd**2 + (mixture.mean - mean[:, None]) ** 2)).sum(1)
    centre, scale = mean[:, None], jnp.sqrt(variance)[:, None]
    at = centre + scale * jax.scipy.special.ndtri(probability)
    low = jnp.broadcast_to(centre - WIDEST * scale, at.shape)
    high = jnp.broadcast_to(centre + WIDEST * scale, at.shape)

    def unfinished(state: _Bracketed) -> Array:
        """Whether some quantile is not found yet."""
        *_, wrong, steps = state
        return (wrong > PRECISE).any() & (steps < MAX_STEPS)

    def step(state: _Bracketed) -> _Bracketed:
        """One step nearer to all ends."""
        at, low, high, wrong, steps = state
        done = wrong <= PRECISE
        gap = below(mixture, at) - probability
        low, high = jnp.where(gap < 0, at, low), jnp.where(gap < 0, high, at)
        newton = at - gap / jnp.maximum(density(mixture, at), 1e-300)
        inside = (newton > low) & (newton < high)
        following = jnp.where(inside, newton, (low + high) / 2)
        new = jnp.abs(gap)
        return jnp.where(done | (new <= PRECISE), at, following), low, high, jnp.where(done, wrong, new), steps + 1

    wrong = jnp.full(at.shape, jnp.inf)
    wrong = jnp.where(jnp.isfinite(at), wrong, 0.0)
    return jax.lax.while_loop(unfinished, step, (at, low, high, wrong, jnp.zeros((), jnp.int32)))[0]


def shortest(mixture: Mixture, level: Array, equal_tailed: Array) -> Array:
    """Highest-density interval ``[P, 2]`` of a unimodal mixture, from the equal-tailed one.

    Its ends have equal density and ``level`` between them: two equations, solved by Newton's method with steps no longer than a
    quarter of the interval. Where they are not solved (several modes) the equal-tailed interval stays.
    """

    def step(_: Array, ends: Array) -> Array:
        """One step nearer to all ends."""
        f, slope, gap = _ends(mixture, ends, level)
        log_slope = slope / jnp.maximum(f, 1e-300)
        unequal = jnp.log(jnp.maximum(f[:, 1], 1e-300)) - jnp.log(jnp.maximum(f[:, 0], 1e-300))
        # -f0 dl + f1 dh = -gap;  -s0 dl + s1 dh = -unequal  (s: slopes of the log density)
        determinant = -f[:, 0] * log_slope[:, 1] + f[:, 1] * log_slope[:, 0]
        determinant = jnp.where(determinant == 0, 1.0, determinant)
        left = (-gap * log_slope[:, 1] + unequal * f[:, 1]) / determinant
        right = (f[:, 0] * unequal - log_slope[:, 0] * gap) / determinant
        longest = (ends[:, 1] - ends[:, 0]) / 4
        return ends + jnp.clip(jnp.stack([left, right], axis=1), -longest[:, None], longest[:, None])

    ends = jax.lax.fori_loop(0, 25, step, equal_tailed)
    f, _, gap = _ends(mixture, ends, level)
    solved = (jnp.abs(gap) < 1e-8) & (jnp.abs(f[:, 1] - f[:, 0]) <= 1e-6 * f.max(1))
    shorter = (ends[:, 1] - ends[:, 0]) <= (equal_tailed[:, 1] - equal_tailed[:, 0])
    return jnp.where((solved & shorter)[:, None], ends, equal_tailed)


def _ends(mixture: Mixture, ends: Array, level: Array) -> tuple[Array, Array, Array]:
    """Density and its slope at both ends ``[P, 2]``, and how much the probability between them exceeds ``level`` ``[P]``."""
    score = (ends[..., None] - mixture.mean[:, None]) / mixture.sd[:, None]
    bell = mixture.weight * jnp.exp(-(score**2) / 2) / mixture.sd[:, None] / jnp.sqrt(2 * jnp.pi)
    slope = (-bell * score / mixture.sd[:, None]).sum(-1)
    inside = below(mixture, ends)
    return bell.sum(-1), slope, inside[:, 1] - inside[:, 0] - level
