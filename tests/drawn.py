"""Datasets of a process as the engine draws them, reduced to cross-products."""

import jax

from jaxsim.data.draw import Draw
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows


def draw(process, key, padded=8):
    """Truth and cross-products of one dataset (traceable), padded to so many groups."""
    bounds = Bounds.of_groups(padded, process.bounds.rows)
    truth, data = process.draw(key, process.parameters(bounds), bounds)
    return Draw(truth, data.reduce(padded) if isinstance(data, Rows) else data)


def draws(process, keys, padded=8):
    """The same of several keys, with a leading batch axis."""
    return jax.device_get(jax.jit(jax.vmap(lambda key: draw(process, key, padded)))(keys))
