"""Maps from standard normal numbers as tables, so that distributions of any shape share one compiled program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

# Quantiles are interpolated between so many normal quantiles within these bounds; 1e-15 of all numbers lie beyond them. A table is
# 26 kB, which a dataset's rows are looked up in while it stays in the nearest cache.
WIDEST, KNOTS = 8.0, 1601
STEP = 2 * WIDEST / (KNOTS - 1)
# A density is integrated over so many intervals, by Gauss and Legendre with so many points in each.
INTERVALS, POINTS = 20_000, 8

Map = Callable[[np.ndarray], np.ndarray]


def tabulate(values: Map) -> np.ndarray:
    """Values and derivatives of a smooth increasing function of standard normal numbers, ``[2, KNOTS]``.

    Derivatives are differences of fourth order over a sixteenth of a step: right to 1e-9 of the function's own scale.
    """
    z, h = np.linspace(-WIDEST, WIDEST, KNOTS), STEP / 16
    nearby = [np.asarray(values(z + k * h), float) for k in (-2, -1, 1, 2)]
    slope = (nearby[0] - 8 * nearby[1] + 8 * nearby[2] - nearby[3]) / (12 * h)
    return np.stack([np.asarray(values(z), float), slope])


def through(table: jax.Array | np.ndarray, z: jax.Array) -> jax.Array:
    """Cubic interpolation of a table at standard normal numbers (traceable, elementwise)."""
    value, slope = jnp.asarray(table)
    place = (jnp.clip(z, -WIDEST, WIDEST) + WIDEST) / STEP
    k = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, KNOTS - 2)
    return hermite(place - k, STEP, value, slope, k)


def hermite(t: Any, width: Any, value: Any, slope: Any, k: Any) -> Any:
    """Cubic interpolation between two knots by their values and derivatives, of arrays of NumPy or of JAX.

    Args:
        t: place between the knots, from 0 to 1.
        width: distance between the knots.
        value, slope: at all knots.
        k: number of the knot before.
    """
    h00, h10 = (1 + 2 * t) * (1 - t) ** 2, t * (1 - t) ** 2
    h01, h11 = t**2 * (3 - 2 * t), t**2 * (t - 1)
    return h00 * value[k] + h10 * width * slope[k] + h01 * value[k + 1] + h11 * width * slope[k + 1]


def by_density(log_density: Map, low: float, high: float) -> Map:
    """The map of a distribution that has this density between ``low`` and ``high``, and nearly nothing beyond them.

    The density is integrated from either end, so that both tails are right to the last digits.
    """
    x = np.linspace(low, high, INTERVALS + 1)
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    inside = x[:-1, None] + np.diff(x)[:, None] * (nodes + 1) / 2
    parts = (np.exp(log_density(inside)) * weights).sum(1) * np.diff(x) / 2
    below, above = np.concatenate([[0.0], np.cumsum(parts)]), np.concatenate([np.cumsum(parts[::-1])[::-1], [0.0]])
    z = np.where(below < above, special.ndtri(below), -special.ndtri(above))
    some = np.isfinite(z) & (abs(z) < WIDEST + 2 * STEP)
    x, z = x[some], z[some]
    slope = np.exp(-(z**2) / 2 - np.log(2 * np.pi) / 2 - log_density(x))

    def values(at: np.ndarray) -> np.ndarray:
        """Quantiles at these standard normal numbers."""
        k = np.clip(np.searchsorted(z, at, side="right") - 1, 0, len(z) - 2)
        width = z[k + 1] - z[k]
        return np.asarray(hermite((at - z[k]) / width, width, x, slope, k))

    return values
