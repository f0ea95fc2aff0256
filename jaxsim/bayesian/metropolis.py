"""Random-walk Metropolis steps of several chains whose covariance adapts while they warm up (Vihola 2012).

With a proposal ``x + S n``, n standard normal, accepted with the probability a, the factor S becomes that of

    S (I + gain (a - TARGET) n n' / n'n) S'

so that shape and scale settle where steps are accepted as often as :data:`TARGET` says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.numerics import small

Array = jax.Array

# Between the best acceptance in one dimension, .44, and in many, .23 (Roberts & Rosenthal 2001).
TARGET = 0.3


class Walk(NamedTuple):
    """``at`` ``[D, chains]``, its log density ``value`` ``[chains]``, and what else the density tells there, ``aside``; ``root``
    (S) ``[D, D, chains]``; ``accept``: the last step's acceptance probability ``[chains]``."""

    at: Array
    value: Array
    aside: Any
    root: Array
    accept: Array


def first_root(scales: Array, chains: int) -> Array:
    """S to begin with, from the SD that each coordinate may have, ``[D]``: the best of a normal distribution with these."""
    d = len(scales)
    return jnp.broadcast_to((jnp.diag(scales) * 2.4 / jnp.sqrt(d))[..., None], (d, d, chains))


def walk(at: Array, root: Array, random: Array, gains: Array, density: Callable[[Array], tuple[Array, Any]]) -> Walk:
    """Some steps.

    Args:
        at: where the chains are, ``[D, chains]``.
        root: S.
        random: uniform numbers, ``[steps, D + 1, chains]``.
        gains: of the adaptation, ``[steps]``, at most 1; 0 for none.
        density: log density ``[chains]`` of ``[D, chains]``, and what else it tells, with chains last.
    """

    def step(number: Array, now: Walk) -> Walk:
        """One proposal, taken or not."""
        normal, uniform = jax.scipy.special.ndtri(random[number, :-1]), random[number, -1]
        at = now.at + (now.root * normal[None]).sum(1)
        value, aside = density(at)
        accept = jnp.exp(jnp.minimum(value - now.value, 0.0))
        accept = jnp.where(jnp.isfinite(value) & jnp.isfinite(accept), accept, 0.0)
        new, old = (at, value, aside), (now.at, now.value, now.aside)
        at, value, aside = jax.tree.map(lambda new, old: jnp.where(uniform < accept, new, old), new, old)
        return Walk(at, value, aside, adapted(now.root, normal, gains[number] * (accept - TARGET)), accept)

    value, aside = density(at)
    return jax.lax.fori_loop(0, len(random), step, Walk(at, value, aside, root, jnp.zeros(at.shape[1])))


def adapted(root: Array, normal: Array, gain: Array) -> Array:
    """The factor after a step, ``[D, D, chains]``; itself where ``gain`` ``[chains]`` is zero."""
    along = (root * normal[None]).sum(1)
    covariance = (root[:, None] * root[None]).sum(2) + gain / (normal**2).sum(0) * along[:, None] * along[None]
    factor, pivots = small.cholesky(covariance)
    return jnp.where((gain != 0) & (pivots > 0).all(0), factor, root)
