"""Intermediate results that are computed once: XLA on CPU may compute them anew wherever they are read."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.numerics.arrays import library

Array = jax.Array


def held(values: Array) -> Array:
    """The same values, of which XLA makes an array before anything reads them, in a batch on CPU.

    Loops over all entries are merged into those that read them, again for every reader and every entry that it needs. A branch is
    not: its results are written down. (A barrier of JAX's is taken away before loops are merged.)
    """
    if library(values) is not jnp or jax.default_backend() != "cpu":
        return values
    found: Array = _held(values)
    return found


@jax.custom_batching.custom_vmap
def _held(values: Array) -> Array:
    return values


@_held.def_vmap
def _(size: int, batched: Any, values: Array) -> tuple[Array, bool]:
    del size
    first = values[(0,) * values.ndim]
    always = ~(first > jnp.inf)  # which XLA does not know
    return jax.lax.cond(always, lambda x: x, jnp.zeros_like, values), batched[0]
