"""Chi-distributed numbers for whole batches: Marsaglia and Tsang's rejection sampler (2000), which repeats only what it rejected.

``jax.random.chisquare`` loops over a batch until its slowest member is accepted, and pays for the whole batch each time round:
with few degrees of freedom, where more is rejected, that is most of the cost of simulating. Here the first proposals serve all but
a few per cent; the others are gathered, so that trying again costs next to nothing. Each number depends on its own key alone,
not on what is drawn beside it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array

# Groups that are tried again together: one in eight (one in ten lacks a number with five rows), and a vector's worth at least.
SHARE, FEWEST = 8, 16
# How deep the gathering goes: an eighth, and an eighth of that, which is looped over until nothing is left.
LEVELS = 2


class Groups(NamedTuple):
    """Numbers of ``N`` groups: their keys as ``words`` ``[N, ..]``; ``df``, ``value``, ``accepted`` ``[N, K]``; times ``tried``
    ``[N]``."""

    words: Array
    df: Array
    value: Array
    accepted: Array
    tried: Array


def chi(normal: Array, key: Array, df: Array) -> Array:
    """Numbers with a chi distribution, ``[K]``: the square root of twice a gamma variable with shape ``df / 2``.

    Args:
        normal: independent standard normal numbers, ``[K]``: the first proposals.
        key: of everything else; the first proposals must not have come from it, nor from 0, 1, 2, .. folded into it.
        df: degrees of freedom, ``[K]``; what is below 1 counts as 1.
    """
    value, accepted = _propose(normal, jax.random.uniform(jax.random.fold_in(key, 0), df.shape, normal.dtype), df)
    tried = jnp.ones(1, jnp.uint32)
    return _again(jax.random.key_data(key)[None], df[None], value[None], accepted[None], tried)[0]


def _propose(normal: Array, uniform: Array, df: Array) -> tuple[Array, Array]:
    """Proposals and whether they are accepted: with one degree of freedom always, the proposal being a normal number itself."""
    shape = jnp.maximum(df, 2).astype(normal.dtype) / 2
    d = shape - 1 / 3
    v = (1 + normal / jnp.sqrt(9 * d)) ** 3
    safe = jnp.where(v > 0, v, 1.0)
    accepted = (v > 0) & (jnp.log(uniform) < normal**2 / 2 + d * (1 - v + jnp.log(safe)))
    one = df <= 1
    return jnp.where(one, jnp.abs(normal), jnp.sqrt(2 * d * safe)), accepted | one


@jax.custom_batching.custom_vmap
def _again(words: Array, df: Array, value: Array, accepted: Array, tried: Array) -> Array:
    """``value`` with every number accepted, ``[N, K]``.

    Args:
        words: each group's key as numbers, ``[N, ..]``.
        df, value, accepted: ``[N, K]``.
        tried: how often each group was tried before, ``[N]``.
    """
    return _settle(Groups(words, df, value, accepted, tried), LEVELS).value


def _settle(groups: Groups, levels: int) -> Groups:
    """Gather groups that lack a number, try them once more, settle those in the same way, put them back; until there are none."""
    count = len(groups.value)
    together = min(count, max(FEWEST, -(-count // SHARE)))

    def retry(now: Groups) -> Groups:
        (place,) = jnp.nonzero(~now.accepted.all(1), size=together, fill_value=count)
        some = _try(jax.tree.map(lambda leaf: leaf.at[place].get(mode="clip"), now))
        some = _settle(some, levels - 1) if levels > 1 else some
        return jax.tree.map(lambda leaf, new: leaf.at[place].set(new, mode="drop"), now, some)

    return jax.lax.while_loop(lambda now: ~now.accepted.all(), retry, groups)


@_again.def_vmap
def _(axis_size: int, in_batched: Any, *arguments: Array) -> tuple[Array, bool]:
    """Groups of all datasets are groups: one loop for them all."""
    full = [a if batched else jnp.broadcast_to(a, (axis_size, *a.shape)) for a, batched in zip(arguments, in_batched, strict=True)]
    flat = [a.reshape(-1, *a.shape[2:]) for a in full]
    return _again(*flat).reshape(full[2].shape), True


def _try(groups: Groups) -> Groups:
    """Other proposals in the place of rejected numbers."""
    dtype, size = groups.value.dtype, groups.df.shape[1:]

    def proposals(words: Array, tried: Array) -> tuple[Array, Array]:
        key, other = jax.random.split(jax.random.fold_in(jax.random.wrap_key_data(words, impl="threefry2x32"), tried))
        return jax.random.normal(key, size, dtype), jax.random.uniform(other, size, dtype)

    fresh, accepted = _propose(*jax.vmap(proposals)(groups.words, groups.tried), groups.df)
    value = jnp.where(groups.accepted, groups.value, fresh)
    return groups._replace(value=value, accepted=groups.accepted | accepted, tried=groups.tried + 1)
