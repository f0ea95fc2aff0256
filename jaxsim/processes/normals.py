"""Standard normal numbers of whole datasets, by the transformation of Box and Muller (1958, *Ann. Math. Statist.* 29, 610-611)."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.numerics.counters import uniforms
from jaxsim.numerics.staging import stage

Array = jax.Array

# Terms of the series of sine and cosine within an eighth of a turn: the first one left out is below 3e-17 there.
TERMS = 9


class Normals(NamedTuple):
    """Columns of standard normal numbers, ``[H, G]`` each: the first half of them and the second."""

    first: Array
    second: Array

    def column(self, number: int) -> Array:
        """One column, ``[G]``."""
        half = self.first.shape[0]
        return self.first[number] if number < half else self.second[number - half]


def standard_normals(wanted: Array, key: Array, columns: int, groups: int) -> Normals:
    """Independent standard normal numbers: number ``g`` of a column is the same however many groups there are.

    Args:
        wanted: whether they are needed, bool ``[]``.
        key: of the dataset; nothing else may draw from it by counters.
        columns: how many columns are used; one more is made of an odd number.
        groups: G.
    """
    half = -(-columns // 2)
    words = jax.random.key_data(key)
    uniform = stage(wanted, lambda w: uniforms(jax.random.wrap_key_data(w, impl="threefry2x32"), 2 * half, groups), words)
    radius = stage(wanted, lambda u: jnp.sqrt(-2 * jnp.log(u)), uniform[:half])
    first = stage(wanted, lambda r, u: r * _circle(u)[0], radius, uniform[half:])
    second = stage(wanted, lambda r, u: r * _circle(u)[1], radius, uniform[half:])
    return Normals(first, second)


def kept(key: Array, shape: tuple[int, ...]) -> Array:
    """JAX's own standard normal numbers as a stage (:mod:`jaxsim.numerics.staging`): drawn once, however many read them."""
    return kept_by_group(key[None], shape)[0]


def kept_by_group(keys: Array, shape: tuple[int, ...]) -> Array:
    """The same for a key of each group, ``[G, *shape]``."""
    words = jax.random.key_data(keys)
    wanted = words[0].astype(float).sum() >= 0  # always, which the compiler does not see
    draw = jax.vmap(lambda w: jax.random.normal(jax.random.wrap_key_data(w, impl="threefry2x32"), shape))
    return stage(wanted, draw, words)


def _circle(turns: Array) -> tuple[Array, Array]:
    """Cosine and sine of an angle given in turns, between 0 and 1: series within an eighth of a turn of the next of four axes."""
    quarter = jnp.floor(4 * turns + 0.5)
    angle = (4 * turns - quarter) * (np.pi / 2)
    square = angle * angle
    cosine = _series([(-1) ** k / math.factorial(2 * k) for k in range(TERMS)], square)
    sine = angle * _series([(-1) ** k / math.factorial(2 * k + 1) for k in range(TERMS)], square)
    axis = quarter.astype(jnp.int32)
    across = (axis & 1) == 1
    x, y = jnp.where(across, sine, cosine), jnp.where(across, cosine, sine)
    return jnp.where(((axis + 1) & 2) != 0, -x, x), jnp.where((axis & 2) != 0, -y, y)


def _series(coefficients: list[float], x: Array) -> Array:
    """A polynomial, by Horner's rule."""
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value
