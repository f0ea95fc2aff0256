"""Gamma variables as a smooth function of normal ones, by quantiles: no rejections, so nothing waits and nothing jumps.

With ``s = 1 / sqrt(a)``, the quantile of Gamma(a, 1) at the probability Phi(z) is ``a exp(s g(z, s))``, and g is smooth down to
s = 0, where it is z. Here g is a polynomial that agrees with it in Chebyshev points of z and s.
"""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import chebyshev
from scipy import special

Array = jax.Array

# Shapes from here to infinity, and normal numbers of at most this size: double precision has hardly larger ones.
SMALLEST, FARTHEST = 1.5, 8.3
# Points in z and in s: the quantiles are then right to 3e-7 of themselves where |z| < 6, and to 2e-6 everywhere.
POINTS = (32, 16)


@cache
def table() -> np.ndarray:
    """Coefficients of g, ``[POINTS]``: Chebyshev polynomials of ``z / FARTHEST`` and of ``2 s / max(s) - 1``."""
    z, s = (np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in POINTS)
    bases = [chebyshev.chebvander(at, len(at) - 1) for at in (z, s)]
    z, s = FARTHEST * z[:, None], (s[None] + 1) / 2 / np.sqrt(SMALLEST)
    low, high = special.gammaincinv(s**-2, special.ndtr(z)), special.gammainccinv(s**-2, special.ndtr(-z))
    values = np.log(np.where(z < 0, low, high) * s**2) / s
    return np.linalg.solve(bases[1], np.linalg.solve(bases[0], values).T).T


def log_quantile(z: Array, shape: Array) -> Array:
    """Logarithm of the quantile of Gamma(shape, 1) at Phi(z), ``[N, lanes]``.

    Args:
        z: ``[N, lanes]``, between -8.3 and 8.3.
        shape: ``[lanes]``, at least 1.5.
    """
    s = 1 / jnp.sqrt(shape)
    of_s = jnp.stack(_chebyshev(2 * jnp.sqrt(SMALLEST) * s - 1, POINTS[1]))
    coefficients = (jnp.asarray(table())[..., None] * of_s).sum(1)
    at = z / FARTHEST
    one, two = jnp.zeros_like(z), jnp.zeros_like(z)
    for c in coefficients[:0:-1]:  # Clenshaw's recurrence
        one, two = c + 2 * at * one - two, one
    return jnp.log(shape) + s * (coefficients[0] + at * one - two)


def _chebyshev(at: Array, count: int) -> list[Array]:
    """The first polynomials."""
    found = [jnp.ones_like(at), at]
    while len(found) < count:
        found.append(2 * at * found[-1] - found[-2])
    return found
