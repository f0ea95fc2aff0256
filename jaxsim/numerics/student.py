"""Tails of t distributions, for compiled programs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import betainc, erfc

# With more degrees of freedom t is normal to all digits that a rate of coverage has: the difference is about 1 / (4 df).
NORMAL_DF = 1e7


def two_sided(statistic: jax.Array, df: jax.Array) -> jax.Array:
    """Probability that ``|T| > |statistic|`` with ``df`` degrees of freedom, which may be infinite."""
    square = statistic**2
    finite = jnp.minimum(df, NORMAL_DF)
    return jnp.where(df < NORMAL_DF, betainc(finite / 2, 0.5, finite / (finite + square)), erfc(jnp.sqrt(square / 2)))
