"""The space that Markov chains move in: the posterior shifted, whitened, and without the long tails of small group SDs
(:mod:`bend`), in which steps that suit the rest are short."""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.bayesian import bend

Array = jax.Array


class White(NamedTuple):
    """``mean`` ``[D, lanes]`` and ``root`` ``[D, D, lanes]`` of the posterior, more or less."""

    mean: Array
    root: Array

    def straight(self, at: Array) -> Array:
        """What is bent, of a place ``[D, lanes]`` in the white space."""
        return self.mean + (self.root * at[None]).sum(1)

    def vector(self, at: Array, sds: int) -> Array:
        """The coordinates of :mod:`parameters` of a place in the white space, ``[D, lanes]``."""
        return bend.bent(self.straight(at), self.mean, sds)

    def log_volume(self, at: Array, sds: int) -> Array:
        """Log of the derivative of the bend, summed over coordinates, ``[lanes]``."""
        return bend.log_stretch(self.straight(at), self.mean, sds)

    def slope(self, at: Array, slope: Array, sds: int) -> Array:
        """Gradient ``[D, lanes]`` of density and log volume in the white space from that of the density in the vector."""
        return (self.root * bend.slope(self.straight(at), self.mean, sds, slope)[:, None]).sum(0)
