"""How often a posterior is tried, and by which path: importance sampling first, Markov chains where it is not reliable.

One rule, and the three ways in which it is carried out: for a batch of datasets (:func:`explore`), for one dataset whose draws are
wanted (:func:`explore_one`), and for a part of a calibration (:func:`explore_part`).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from jaxsim.bayesian import engine
from jaxsim.bayesian.queue import PART, in_parts, retry
from jaxsim.data.cross_products import CrossProducts
from jaxsim.status import Status

Array = jax.Array

METHODS: tuple[str, ...] = ("auto", "fast", "nuts")
FAST, CHAINS = "fast", "nuts"


def paths(kind: str) -> tuple[tuple[str, int], ...]:
    """Which paths a method takes, one after the other, and how many attempts each has."""
    every = ((FAST, engine.FAST_ATTEMPTS), (CHAINS, len(engine.WARM_UP)))
    return every if kind == "auto" else tuple(path for path in every if path[0] == kind)


def pending(found: engine.Found) -> Array:
    """Which datasets have a posterior that is not sampled reliably yet."""
    return (found.status == Status.OK) & ~found.reliable


def attempt(
    path: str,
    number: Array,
    data: CrossProducts,
    keys: Array,
    wanted: Array,
    before: engine.Found,
    level: Array | float,
    method: engine.Method,
) -> tuple[engine.Found, engine.Explored]:
    """One attempt at a part of the datasets, and its draws."""
    if path == FAST:
        return engine.fast(number, data, keys, before, level, method)
    return engine.chains(number, data, keys, wanted, before, level, method)


def explore(kind: str, method: engine.Method, data: CrossProducts, keys: Array, level: Array | float) -> engine.Found:
    """Every dataset's posterior, by the path that ``kind`` names; those that fail are tried again (traceable)."""

    def part(places: Array) -> tuple[CrossProducts, Array]:
        """Some of the datasets, with their keys."""
        return jax.tree.map(lambda leaf: leaf[places], (data, keys))

    found = in_parts(lambda places: engine.prepare(part(places)[0], level, method), keys.shape[0])
    for path, most in paths(kind):

        def once(path: str, number: Array, places: Array, wanted: Array, now: engine.Found) -> engine.Found:
            """One attempt at some of the datasets, by one path."""
            before = jax.tree.map(lambda leaf: leaf[places], now)
            return attempt(path, number, *part(places), wanted, before, level, method)[0]

        found = retry(partial(once, path), pending, found, most)
    return found


@partial(jax.jit, static_argnums=2)
def _prepare(data: CrossProducts, level: float, method: engine.Method) -> engine.Found:
    return engine.prepare(data, level, method)


@partial(jax.jit, static_argnums=(0, 6))
def _attempt(path, number, data, keys, before, level, method):  # type: ignore[no-untyped-def]
    return attempt(path, number, data, keys, jnp.ones(1, bool), before, level, method)


def explore_one(
    data: CrossProducts, key: Array, kind: str, method: engine.Method, level: float
) -> tuple[engine.Found, engine.Explored | None, bool]:
    """The same for one dataset, with the draws that made the summary (None where the data have no posterior), and whether they are
    chains."""
    batch = jax.tree.map(lambda leaf: leaf[None], data)
    keys, found = key[None], _prepare(batch, level, method)
    kept: list[engine.Explored] = []
    if int(found.status[0]) != Status.OK:
        return found, None, False
    path = ""
    for path, most in paths(kind):
        for number in range(most):
            found, draws = _attempt(path, jnp.int32(number), batch, keys, found, level, method)
            share = engine.rest(draws.weight)
            earlier = [one._replace(weight=share * one.weight) for one in kept] if path == FAST else []
            kept = [*earlier, draws]
            if bool(found.reliable[0]):
                break
        if bool(found.reliable[0]):
            break
    return found, jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=-1), *kept), path == CHAINS


def explore_part(
    kind: str, method: engine.Method, data: CrossProducts, keys: Array, level: float
) -> tuple[engine.Found, engine.Explored]:
    """The same for one part, keeping the draws: all attempts of ``fast``, one of ``nuts`` (traceable)."""
    ((path, most),) = paths(kind)
    attempts = most if path == FAST else 1
    every = jnp.ones(PART, bool)

    def again(state: tuple[Array, engine.Found, engine.Explored]) -> tuple[Array, engine.Found, engine.Explored]:
        """The next attempt at those that are not reliable yet."""
        number, now, draws = state
        new, fresh = attempt(path, number, data, keys, every, now, level, method)
        taken = pending(now) | (number == 0)
        found = jax.tree.map(lambda a, b: jnp.where(taken.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, now)
        weight = jnp.where(taken[:, None], fresh.weight, 0.0)
        earlier = draws._replace(weight=draws.weight * engine.rest(weight))
        kept = jax.tree.map(lambda all_, own: all_.at[number].set(own), earlier, fresh._replace(weight=weight))
        return number + 1, found, kept

    found = engine.prepare(data, level, method)
    shapes = jax.eval_shape(lambda now: attempt(path, jnp.int32(0), data, keys, every, now, level, method), found)[1]
    nothing = jax.tree.map(lambda leaf: jnp.zeros((attempts, *leaf.shape), leaf.dtype), shapes)
    state = (jnp.int32(0), found, nothing)
    _, found, draws = jax.lax.while_loop(lambda now: (now[0] < attempts) & pending(now[1]).any(), again, state)
    return found, jax.tree.map(lambda leaf: jnp.concatenate(list(leaf), axis=-1), draws)
