"""A space in which the posterior of a small group SD has no long tail.

Below some value the data no longer tell a group SD from zero: in ``t = log SD`` the density falls like ``exp(t)``, a tail that is
long beside the rest. With ``x = mean - v``, the distance below some centre of the posterior,

    t = v - x^3 / (2 + 2 x)  where x > 0,    t = v  elsewhere,

``exp(t) dt/dv`` falls like a normal density. The map is increasing: ``dt/dv = 1 + h(x)`` with
``h = (2 x^3 + 3 x^2) / (2 (1 + x)^2)`` and ``h' = 1 - (1 + x)^-3``. It bends so gently at the centre that the density of ``v`` has
a continuous gradient, which leapfrog steps need.

Arrays begin with the coordinates of :mod:`parameters`, of which the first ``sds`` are bent; ``centre`` broadcasts against them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

Array = jax.Array


def gap(straight: Array, centre: Array, sds: int) -> Array:
    """How far the first ``sds`` coordinates are below the centre, ``[sds, ...]``."""
    return jnp.maximum(centre[:sds] - straight[:sds], 0.0)


def bent(straight: Array, centre: Array, sds: int) -> Array:
    """The coordinates of :mod:`parameters` at ``v`` ``[D, ...]``."""
    below = gap(straight, centre, sds)
    return straight.at[:sds].add(-(below**3) / (2 + 2 * below))


def stretch(below: Array) -> Array:
    """``dt/dv`` at these distances below the centre."""
    return 1 + below**2 * (2 * below + 3) / (2 * (1 + below) ** 2)


def log_stretch(straight: Array, centre: Array, sds: int) -> Array:
    """Log of the derivative ``dt/dv``, summed over coordinates."""
    return jnp.log(stretch(gap(straight, centre, sds))).sum(0)


def slope(straight: Array, centre: Array, sds: int, along: Array) -> Array:
    """Gradient of density and log stretch in ``v`` from that of the density in ``t``, ``along`` ``[D, ...]``."""
    below = gap(straight, centre, sds)
    factor = stretch(below)
    return along.at[:sds].set(along[:sds] * factor - (1 - (1 + below) ** -3) / factor)
