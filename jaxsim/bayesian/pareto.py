"""Pareto-smoothed importance weights and their diagnostic k (Vehtari, Simpson, Gelman, Yao & Gabry 2024)."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array

# Estimates with this k or more cannot be trusted at any sample size that one meets (same paper, section 3).
UNRELIABLE = 0.7
# The prior that shrinks k towards one half, worth this many observations (same paper, appendix C).
SHRINK = 10


class Smoothed(NamedTuple):
    """``weight`` ``[draws]`` that sum to one, Pareto ``k`` and effective sample size ``ess``, ``[]``."""

    weight: Array
    k: Array
    ess: Array


def smooth(log_weight: Array) -> Smoothed:
    """Replace the largest weights by the order statistics of a generalised Pareto distribution fitted to them.

    Args:
        log_weight: ``[draws]``; minus infinity for a draw that the posterior excludes.
    """
    count = log_weight.shape[0]
    tail = math.ceil(min(0.2 * count, 3 * math.sqrt(count)))
    log_weight = log_weight - log_weight.max()
    top, place = jax.lax.top_k(log_weight, tail + 1)
    cut = jnp.exp(top[-1])
    excess = jnp.exp(top[:-1][::-1]) - cut  # ascending
    k, scale = fit(excess)
    level = (jnp.arange(tail) + 0.5) / tail
    k_safe = jnp.where(jnp.abs(k) < 1e-10, 1e-10, k)
    fitted = scale * jnp.expm1(-k_safe * jnp.log1p(-level)) / k_safe + cut
    usable = jnp.isfinite(k) & (excess[-1] > 0) & jnp.isfinite(fitted).all()
    replaced = jnp.where(usable, jnp.minimum(fitted, 1.0), jnp.exp(top[:-1][::-1]))
    weight = jnp.exp(log_weight).at[place[:-1]].set(replaced[::-1])
    weight = weight / weight.sum()
    # Equal weights have no tail and no k; weights without any finite one are no sample.
    k = jnp.where(usable, k, jnp.where(excess[-1] == 0, -jnp.inf, jnp.inf))
    return Smoothed(weight, k, 1 / (weight**2).sum())


def fit(excess: Array) -> tuple[Array, Array]:
    """Shape k and scale of a generalised Pareto distribution from ascending excesses (Zhang & Stephens 2009).

    The shape is shrunk towards 1/2 as in the paper on Pareto smoothing.
    """
    n = excess.shape[0]
    grid = 30 + int(math.sqrt(n))
    quartile = excess[int(n / 4 + 0.5) - 1]
    positions = 1 - jnp.sqrt(grid / (jnp.arange(1, grid + 1) - 0.5))
    b = positions / (3 * jnp.maximum(quartile, 1e-300)) + 1 / jnp.maximum(excess[-1], 1e-300)
    k = jnp.log1p(-b[:, None] * excess).mean(1)
    profile = n * (jnp.log(-b / k) - k - 1)
    weight = jax.nn.softmax(profile)
    b = (b * weight).sum()
    k = jnp.log1p(-b * excess).mean()
    return (n * k + SHRINK * 0.5) / (n + SHRINK), -k / b
