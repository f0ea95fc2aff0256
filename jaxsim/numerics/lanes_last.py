"""Functions of small arrays whose batch axis should come last, so that the computer's vectors run along it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

Result = TypeVar("Result")


def lanes_last(function: Callable[..., Result]) -> Callable[..., Result]:
    """The same function, to whose arrays ``vmap`` adds its axis at the end instead of at the beginning.

    Args:
        function: of arrays, each of which may have any number of further axes at its end; so has what it returns.
    """

    @jax.custom_batching.custom_vmap
    @functools.wraps(function)
    def call(*arguments: jax.Array) -> Any:
        """Of one system."""
        return function(*arguments)

    @call.def_vmap
    def _(size: int, in_batched: Any, *arguments: jax.Array) -> Any:
        last = [
            jnp.moveaxis(a, 0, -1) if batched else jnp.broadcast_to(jnp.asarray(a)[..., None], (*jnp.shape(a), size))
            for a, batched in zip(arguments, in_batched, strict=True)
        ]
        found = call(*last)
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), found), jax.tree.map(lambda _: True, found)

    return call
