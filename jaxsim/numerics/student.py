"""t distributions, for compiled programs: quantiles at a probability that is known beforehand, and tails."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

# The logarithm of a quantile is smooth in 1 / df from 0 (normal) to this; an interval with fewer degrees of freedom has those.
WIDEST = 4.0
DEGREE = 40


@functools.cache
def _coefficients(level: float) -> tuple[float, ...]:
    """Of Chebyshev's polynomials, for the logarithm of the quantile."""

    def logarithm(x: Any) -> Any:
        """Of the quantile, at a place of the polynomial."""
        return np.log(special.stdtrit(2 / (WIDEST * (x + 1)), (1 + level) / 2))

    return tuple(np.polynomial.chebyshev.chebinterpolate(logarithm, DEGREE).tolist())


def reach(level: float, df: jax.Array) -> jax.Array:
    """What ``|T|`` exceeds with probability ``1 - level``; ``df`` may be infinite."""
    x = 2 * jnp.clip(1 / df, 0.0, WIDEST) / WIDEST - 1
    series = jnp.asarray(_coefficients(level), x.dtype)

    def add(k: int, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """Clenshaw's recurrence, as a loop: written out, XLA's simplifier goes in circles."""
        one, two = carry
        return 2 * x * one - two + series[DEGREE - k], one

    one, two = jax.lax.fori_loop(0, DEGREE, add, (jnp.zeros_like(x), jnp.zeros_like(x)))
    return jnp.exp(x * one - two + series[0])


def two_sided(t: jax.Array, df: jax.Array) -> jax.Array:
    """Probability that ``|T|`` exceeds ``|t|``; of finite ``df``."""
    return jax.scipy.special.betainc(df / 2, 0.5, df / (df + t**2))
