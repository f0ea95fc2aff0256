"""Try every dataset, then those that failed again, in parts of a fixed size.

A part is always the same compiled program, whatever the number of datasets, and a part that is not full repeats its last one. So
a dataset's numbers do not depend on the others, and datasets that do not fail pay nothing for those that do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
Tree = Any

# Datasets side by side: with 64 draws of each, a kilolane for the density; the search of the mode waits for the slowest of so many.
PART = 16


def retry(
    attempt: Callable[[Array, Array, Array, Tree], Tree],
    failed: Callable[[Tree], Array],
    results: Tree,
    attempts: int,
) -> Tree:
    """Results after up to ``attempts`` attempts at each dataset that has failed so far.

    Args:
        attempt: ``(number of the attempt, places [PART], wanted [PART], results) -> new results`` of those places; what it gives
            for a place that is not wanted (a filler) is thrown away.
        failed: ``results -> [B]``: which are to be tried (again).
        results: pytree with leading axis ``B``, before the first attempt.
        attempts: at most.
    """
    count = jax.tree.leaves(results)[0].shape[0]

    def listed(results: Tree) -> tuple[Array, Array]:
        """Places of the datasets, those that failed first, and how many these are."""
        open_ = failed(results)
        return jnp.argsort(~open_, stable=True), open_.sum()

    def body(state: tuple[Array, Array, Array, Array, Tree]) -> tuple[Array, Array, Array, Array, Tree]:
        """The next few of them, tried once more."""
        number, position, order, pending, results = state
        place = position + jnp.arange(PART)
        wanted = place < pending
        places = order[jnp.clip(jnp.minimum(place, pending - 1), 0, count - 1)]
        new = attempt(number, places, wanted, results)
        target = jnp.where(wanted, places, count)
        results = jax.tree.map(lambda old, value: old.at[target].set(value, mode="drop"), results, new)
        position = position + PART
        over = position >= pending
        order, pending = jax.lax.cond(over, listed, lambda _: (order, pending), results)
        return number + over, jnp.where(over, 0, position), order, pending, results

    order, pending = listed(results)
    state = (jnp.int32(0), jnp.int32(0), order, pending, results)
    return jax.lax.while_loop(lambda state: (state[0] < attempts) & (state[3] > 0), body, state)[-1]


def in_parts(function: Callable[[Array], Tree], count: int) -> Tree:
    """``function(places [PART])`` for all places, joined: leaves ``[count, ...]``."""
    places = jnp.minimum(jnp.arange(-(-count // PART) * PART), count - 1).reshape(-1, PART)
    parts = jax.lax.map(function, places)
    return jax.tree.map(lambda leaf: leaf.reshape(places.size, *leaf.shape[2:])[:count], parts)
