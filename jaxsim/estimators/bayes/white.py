"""The space that Markov chains move in: the posterior shifted, whitened, and without the long tails of small group SDs.

Below some value the data no longer tell a group SD from zero: in ``t = log SD`` the density falls like ``exp(t)``, a tail in which
steps that suit the rest are short, and chains of many posteriors mix slowly for that reason alone. With ``x = mean - v`` the
distance below the mean of the proposal,

    t = v - x^3 / (2 + 2 x)  where x > 0,    t = v  elsewhere,

``exp(t) dt/dv`` falls like a normal density. The map is increasing: ``dt/dv = 1 + h(x)`` with
``h = (2 x^3 + 3 x^2) / (2 (1 + x)^2)`` and ``h' = 1 - (1 + x)^-3``. It bends so gently at the mean that the density of ``v`` has a
continuous gradient, which leapfrog steps need.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class White(NamedTuple):
    """``mean`` ``[D, lanes]`` and ``root`` ``[D, D, lanes]`` of the posterior, more or less."""

    mean: Array
    root: Array

    def gap(self, straight: Array, sds: int) -> Array:
        """How far the first ``sds`` coordinates are below their mean, ``[sds, lanes]``."""
        return jnp.maximum(self.mean[:sds] - straight[:sds], 0.0)

    def straight(self, at: Array) -> Array:
        """``v`` of a place ``[D, lanes]`` in the white space."""
        return self.mean + (self.root * at[None]).sum(1)

    def vector(self, at: Array, sds: int) -> Array:
        """The coordinates of :mod:`parameters` of a place in the white space, ``[D, lanes]``."""
        straight = self.straight(at)
        gap = self.gap(straight, sds)
        return straight.at[:sds].add(-(gap**3) / (2 + 2 * gap))

    def log_volume(self, at: Array, sds: int) -> Array:
        """Log of the derivative ``dt/dv``, summed over coordinates, ``[lanes]``."""
        return jnp.log(_stretch(self.gap(self.straight(at), sds))).sum(0)

    def slope(self, at: Array, slope: Array, sds: int) -> Array:
        """Gradient ``[D, lanes]`` of density and log volume in the white space from that of the density in the vector."""
        gap = self.gap(self.straight(at), sds)
        stretch = _stretch(gap)
        bent = slope.at[:sds].set(slope[:sds] * stretch - (1 - (1 + gap) ** -3) / stretch)
        return (self.root * bent[:, None]).sum(0)


def _stretch(gap: Array) -> Array:
    """``dt/dv``."""
    return 1 + gap**2 * (2 * gap + 3) / (2 * (1 + gap) ** 2)
