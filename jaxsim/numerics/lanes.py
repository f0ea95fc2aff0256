"""Iterate many datasets at once without waiting for the slowest.

A vmapped ``while_loop`` runs every dataset until the last one is done. Here a fixed number of lanes take datasets from a
queue: a lane whose dataset is finished stores its state and loads the next. What is computed at a time has always the same size, so
every rounding is the same whatever the number of datasets and their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

Array = jax.Array
Tree = Any

# Lanes up to which those that are done are gone through one by one on CPU, where XLA stores rows at given places one by one in any
# case, all of them, done or not. A GPU stores them at once.
FEW = 64


class _Lanes(NamedTuple):
    item: Array
    active: Array
    problem: Tree
    state: Array
    results: Array
    queue: Array


def _take(tree: Tree, index: Array) -> Tree:
    return jax.tree.map(lambda leaf: jnp.take(leaf, index, axis=0, mode="clip"), tree)


def _where(mask: Array, a: Tree, b: Tree) -> Tree:
    def pick(x: Array, y: Array) -> Array:
        """One leaf of both."""
        return jnp.where(mask.reshape(mask.shape + (1,) * (x.ndim - 1)), x, y)

    return jax.tree.map(pick, a, b)


def iterate(
    step: Callable[[Tree, Tree], Tree],
    is_done: Callable[[Tree], Array],
    extract: Callable[[Tree], Tree],
    problems: Tree,
    states: Tree,
    lanes: int,
) -> Tree:
    """Apply ``step`` to every dataset until it is done; ``extract`` of the final states, each leaf ``[B, ...]``.

    Args:
        step: ``(problem, state) -> state`` for one dataset.
        is_done: ``state -> bool []`` for one dataset.
        extract: ``state -> result`` for one dataset: what is kept of the final state.
        problems, states: pytrees with a leading axis ``B``: the data and where each search begins.
        lanes: how many datasets are worked on at a time.
    """
    count = jax.tree.leaves(states)[0].shape[0]
    # A state travels as one vector: loading, keeping and storing it are then single operations, not one per leaf.
    _, unpack = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], states))

    def pack(state: Tree) -> Array:
        """A state as one vector."""
        return ravel_pytree(state)[0]

    states = jax.vmap(pack)(states)

    def move(problem: Tree, packed: Array) -> Array:
        """One step."""
        return pack(step(problem, unpack(packed)))

    def finished(packed: Array) -> Array:
        """Whether a search has ended."""
        return is_done(unpack(packed))

    queue = _Queue(problems, states, count)

    def advance(now: _Lanes) -> _Lanes:
        """One step of all lanes, also of those that have no dataset any more; those that are done take the next one."""
        state = jax.vmap(move)(now.problem, now.state)
        done = now.active & jax.vmap(finished)(state)
        moved = now._replace(state=state)
        return jax.lax.cond(done.any(), lambda lanes: _refill(lanes, done, queue), lambda lanes: lanes, moved)

    final = jax.lax.while_loop(lambda now: now.active.any(), advance, _first(queue, lanes))
    return jax.vmap(lambda packed: extract(unpack(packed)))(final.results)


class _Queue(NamedTuple):
    problems: Tree
    states: Array
    datasets: int


def _first(queue: _Queue, lanes: int) -> _Lanes:
    """The lanes with the first datasets of the queue in them."""
    item = jnp.arange(lanes)
    return _Lanes(
        item=item,
        active=item < queue.datasets,
        problem=_take(queue.problems, item),
        state=_take(queue.states, item),
        results=queue.states,
        queue=jnp.asarray(lanes),
    )


def _refill(now: _Lanes, done: Array, queue: _Queue) -> _Lanes:
    """Store the states of lanes that are done and give each the next dataset, while there are any."""
    item = jnp.where(done, now.queue + jnp.cumsum(done) - 1, now.item)
    fresh = done & (item < queue.datasets)
    exchange = _one_by_one if done.size <= FEW and jax.default_backend() == "cpu" else _all_at_once
    results, problem, state = exchange(now, done, item, fresh, queue)
    return _Lanes(item, now.active & (~done | fresh), problem, state, results, now.queue + done.sum())


def _all_at_once(now: _Lanes, done: Array, item: Array, fresh: Array, queue: _Queue) -> tuple[Array, Tree, Array]:
    """Results, problems and states after every lane that is done has given its state and taken the next dataset."""
    results = now.results.at[jnp.where(done, now.item, queue.datasets)].set(now.state, mode="drop")
    problem = _where(fresh, _take(queue.problems, item), now.problem)
    return results, problem, _where(fresh, _take(queue.states, item), now.state)


def _one_by_one(now: _Lanes, done: Array, item: Array, fresh: Array, queue: _Queue) -> tuple[Array, Tree, Array]:
    """The same, in a loop over the lanes that are done: of a few dozen it is seldom more than two or three."""

    def one(carry: tuple[Array, Array, Tree, Array]) -> tuple[Array, Array, Tree, Array]:
        """The first lane that remains."""
        remaining, results, problem, state = carry
        lane = jnp.argmax(remaining)
        results = _put(results, now.item[lane], _row(state, lane))

        def begun(lanes: Array, begins: Array) -> Array:
            """One leaf, with that of the next dataset if there is one."""
            return _put(lanes, lane, jnp.where(fresh[lane], _row(begins, item[lane]), _row(lanes, lane)))

        problem, state = jax.tree.map(begun, (problem, state), (queue.problems, queue.states))
        return remaining.at[lane].set(False), results, problem, state

    begin = (done, now.results, now.problem, now.state)
    return jax.lax.while_loop(lambda carry: carry[0].any(), one, begin)[1:]


def _row(rows: Array, index: Array) -> Array:
    return jax.lax.dynamic_index_in_dim(rows, index, keepdims=False)


def _put(rows: Array, index: Array, row: Array) -> Array:
    return jax.lax.dynamic_update_index_in_dim(rows, row, index, 0)


def in_parts(function: Callable[[Tree], Tree], items: Tree, size: int) -> Tree:
    """``function`` of a batch, in parts of always the same size: what it computes of one item, to the last bit, does not depend on
    how many there are.

    Args:
        function: of a tree whose leaves have a leading axis of ``size`` items, to such a tree.
        items: each leaf ``[B, ...]``; the last part is filled with zeros.
        size: of a part.
    """
    count = jax.tree.leaves(items)[0].shape[0]
    parts = -(-count // size)
    filled = jax.tree.map(lambda leaf: jnp.pad(leaf, ((0, parts * size - count),) + ((0, 0),) * (leaf.ndim - 1)), items)
    found = jax.lax.map(function, jax.tree.map(lambda leaf: leaf.reshape(parts, size, *leaf.shape[1:]), filled))
    return jax.tree.map(lambda leaf: leaf.reshape(parts * size, *leaf.shape[2:])[:count], found)
