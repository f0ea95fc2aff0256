"""Stages of a program on CPU: what one of them returns is computed once and kept, whoever reads it.

XLA fuses elementwise code into all that reads it and so computes it anew for every reader; entries of a cross-product would draw
each random number many times. It does not look into the branches of a condition, so each stage is one, taken whenever there is
anything to compute. (``jax.lax.optimization_barrier`` does not keep XLA from it on CPU.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def stage(wanted: jax.Array, function: Callable[..., Any], *arguments: jax.Array) -> Any:
    """``function(*arguments)`` as a stage of its own, also where ``vmap`` makes a batch of it.

    Args:
        wanted: whether the result is needed, bool ``[]``. What is computed for a batch in which it is nowhere is zero.
        function: of arrays, traceable; it may not refer to other traced values.
        arguments: arrays.
    """
    if jax.default_backend() != "cpu":
        return function(*arguments)
    once = jax.jit(function, inline=True)  # traced once for its shapes, its code and its batches

    @jax.custom_batching.custom_vmap
    def staged(wanted: jax.Array, *arguments: jax.Array) -> Any:
        """Its results, in a stage of their own."""
        return _apart(wanted, once, arguments)

    @staged.def_vmap
    def _(size: int, in_batched: Any, wanted: jax.Array, *arguments: jax.Array) -> Any:
        del size
        if not any(in_batched[1:]):
            whole = _apart(wanted.any(), once, arguments)
            return whole, jax.tree.map(lambda _: False, whole)
        batch = jax.vmap(once, in_axes=tuple(0 if one else None for one in in_batched[1:]))
        found = _apart(wanted.any(), batch, arguments)
        return found, jax.tree.map(lambda _: True, found)

    return staged(wanted, *arguments)


def _apart(wanted: jax.Array, function: Callable[..., Any], arguments: tuple[jax.Array, ...]) -> Any:
    """What a function returns, computed in the branch of a condition."""
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, *arguments))
    return jax.lax.cond(wanted, function, lambda *_: blank, *arguments)
