"""Summaries of weighted draws of coefficients themselves, where no distribution of them given the rest is known."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class Empirical(NamedTuple):
    """Draws in ascending order, ``place`` ``[P, draws]``, and the probability below the middle of each, ``chance`` ``[P, draws]``:
    the distribution function is linear in between (Hyndman & Fan 1996, definition 5, for equal weights)."""

    place: Array
    chance: Array


def empirical(weight: Array, values: Array) -> Empirical:
    """Of ``values`` ``[P, draws]`` with ``weight`` ``[draws]``, sum one."""
    order = jnp.argsort(values, axis=1)
    own = weight[order]
    return Empirical(jnp.take_along_axis(values, order, axis=1), jnp.cumsum(own, axis=1) - own / 2)


def below(known: Empirical, at: Array | float) -> Array:
    """Distribution function at one place, ``[P]``."""
    return jax.vmap(lambda place, chance: jnp.interp(jnp.asarray(at), place, chance, left=0.0, right=1.0))(*known)


def quantiles(known: Empirical, probability: Array) -> Array:
    """At each of ``probability`` ``[K]``, ``[P, K]``."""
    return jax.vmap(lambda place, chance: jnp.interp(probability, chance, place))(*known)


def shortest(known: Empirical, level: Array) -> Array:
    """Shortest interval of probability ``level``, ``[P, 2]``: of those that begin at a draw (Chen & Shao 1999)."""

    def one(place: Array, chance: Array) -> Array:
        """The shortest interval of one quantity."""
        end = jnp.interp(chance + level, chance, place)
        wide = jnp.where(chance + level <= chance[-1], end - place, jnp.inf)
        first = jnp.argmin(wide)
        return jnp.stack([place[first], end[first]])

    return jax.vmap(one)(*known)
