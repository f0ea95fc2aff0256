"""Is a sample of Markov chains to be trusted? Rank-normalised split R-hat, bulk and tail effective sample size, E-BFMI.

Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021); E-BFMI: Betancourt (2016). Held against ArviZ in the tests.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class Mixing(NamedTuple):
    """``rhat``, ``ess_bulk``, ``ess_tail``, each ``[K]``: one for every quantity."""

    rhat: Array
    ess_bulk: Array
    ess_tail: Array


def mixing(draws: Array) -> Mixing:
    """Of ``draws`` ``[chains, N, K]``; N even."""
    split = halves(draws)
    normal = rank_normal(split)
    median = jnp.median(draws.reshape(-1, draws.shape[-1]), axis=0)
    folded = rank_normal(jnp.abs(split - median))
    low, high = (jnp.quantile(draws.reshape(-1, draws.shape[-1]), p, axis=0) for p in (0.05, 0.95))
    tails = [effective(halves((draws <= cut).astype(draws.dtype))) for cut in (low, high)]
    return Mixing(jnp.maximum(rhat(normal), rhat(folded)), effective(normal), jnp.minimum(*tails))


def halves(draws: Array) -> Array:
    """Both halves of every chain as chains of their own, ``[2 chains, N / 2, K]``."""
    chains, n, k = draws.shape
    return draws.reshape(2 * chains, n // 2, k)


def rank_normal(draws: Array) -> Array:
    """Normal scores of the ranks over all chains (Blom 1958)."""
    flat = draws.reshape(-1, draws.shape[-1])
    rank = jnp.argsort(jnp.argsort(flat, axis=0), axis=0) + 1
    return jax.scipy.special.ndtri((rank - 0.375) / (flat.shape[0] + 0.25)).reshape(draws.shape)


def rhat(draws: Array) -> Array:
    """Potential scale reduction of chains ``[C, N, K]``, ``[K]``."""
    n = draws.shape[1]
    between = n * jnp.var(draws.mean(1), axis=0, ddof=1)
    within = jnp.var(draws, axis=1, ddof=1).mean(0)
    return jnp.sqrt((between / within + n - 1) / n)


def effective(draws: Array) -> Array:
    """Effective sample size of chains ``[C, N, K]``, by Geyer's initial monotone sequence, ``[K]``."""
    chains, n, _ = draws.shape
    centred = draws - draws.mean(1, keepdims=True)

    def covariance(lag: Array) -> Array:
        """The autocovariance at one lag."""
        shifted = jnp.roll(centred, -lag, axis=1)
        inside = (jnp.arange(n) < n - lag)[:, None]
        return (jnp.where(inside, centred * shifted, 0.0)).sum(1).mean(0) / n

    lags = n - n % 2
    gamma = jax.lax.map(covariance, jnp.arange(lags))  # [lags, K]
    within = gamma[0] * n / (n - 1)
    total = within * (n - 1) / n + jnp.var(draws.mean(1), axis=0, ddof=1) * (chains > 1)
    rho = 1 - (within - gamma * n / (n - 1) * (n - 1) / n) / total
    rho = rho.at[0].set(1.0)
    pairs = (n - 1) // 2  # as ArviZ and Stan: the last lags have hardly any products
    sums = (rho[0::2] + rho[1::2])[:pairs]  # of two lags, positive for a reversible chain
    positive = jnp.cumprod(sums > 0, axis=0)
    monotone = jax.lax.cummin(jnp.where(positive, sums, jnp.inf), axis=0)
    # ArviZ and Stan add the first lag after the cut, if it is positive, for what is left out; without a cut the last pair is cut.
    first_out = jnp.where(positive.all(0), pairs - 1, jnp.argmin(positive, axis=0))
    kept = jnp.where(jnp.arange(pairs)[:, None] < first_out, monotone, 0.0)
    even = jnp.take_along_axis(rho[0::2], first_out[None], axis=0)[0]
    time = -1 + 2 * kept.sum(0) + jnp.maximum(even, 0.0)
    time = jnp.maximum(time, 1 / jnp.log10(chains * n))
    return jnp.where(total > 0, chains * n / time, jnp.nan)


def e_bfmi(energy: Array) -> Array:
    """Smallest energy Bayesian fraction of missing information of chains ``[C, N]``, ``[]``; below 0.3 is suspicious."""
    change = ((energy[:, 1:] - energy[:, :-1]) ** 2).mean(1)
    return (change / jnp.var(energy, axis=1, ddof=1)).min()
