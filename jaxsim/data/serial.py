"""Products of rows with those that come after them in their group: what a serial correlation is made of.

With ``v_t`` the ``t``-th row ``[x y]`` of a group of ``n`` rows and ``R_st = rho^|s - t|``, the whitened rows are ``v_1`` and
``(v_t - rho v_(t-1)) / sqrt(1 - rho^2)``, so their cross-products are a polynomial over a number::

    [X y]'R^-1 [X y] = (A0 - rho A1 + rho^2 A2) / (1 - rho^2),  log|R| = (n - 1) log(1 - rho^2)
    A0 = sum_t v_t v_t',  A1 = sum_(t > 1) (v_t v_(t-1)' + v_(t-1) v_t'),  A2 = A0 - v_1 v_1' - v_n v_n'

A group's rows are in order of time: as they stand, those that are missing left out.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.data.rows import Rows, sums_by_cell

Array = jax.Array


class InOrder(NamedTuple):
    """Rows of one dataset, group after group: ``values`` ``[N, M]`` of ``[x y]``, zero where there is none; ``code`` of the group
    ``[N]``, the number of groups where there is none; ``follows`` bool ``[N]``: the row before is of the same group."""

    values: Array
    code: Array
    follows: Array


class SerialProducts(NamedTuple):
    """``own`` A0, ``neighbours`` A1 and ``inner`` A2 of each group, ``[G, M, M]``; ``sizes`` ``[G]`` int32."""

    own: Array
    neighbours: Array
    inner: Array
    sizes: Array


class Lagged(NamedTuple):
    """Of pairs of rows of a group that are ``k`` places apart, ``k = 0 .. K - 1``: ``products``, the sum of ``v_t v_(t+k)'`` over
    all groups, ``[K, M, M]``, and their number ``pairs`` ``[K]``."""

    products: Array
    pairs: Array


def in_order(data: Rows, time: int | None = None) -> InOrder:
    """The rows of one dataset (of one grouping factor) by group; a level that there is not makes every number NaN.

    Args:
        data: the rows.
        time: the column of ``x`` by which the rows of a group are ordered; None: as they stand.
    """
    code = data.levels[:, 0]
    outside = (data.present & ((code < 0) | (code >= data.counts[0]))).any()
    code = jnp.where(data.present, code, data.counts[0])
    order = jnp.argsort(code, stable=True) if time is None else jnp.lexsort((data.x[:, time], code))
    code = code[order]
    values = jnp.where(data.present[:, None], jnp.column_stack([data.x, data.y]), 0.0)[order]
    same = jnp.concatenate([jnp.zeros(1, bool), code[1:] == code[:-1]])
    return InOrder(jnp.where(outside, jnp.nan, values), code, same & (code < data.counts[0]))


def serial_products(rows: InOrder, groups: int) -> SerialProducts:
    """The products of neighbours of each group."""
    values, follows = rows.values, rows.follows[:, None, None]
    before = jnp.roll(values, 1, axis=0)
    outer = values[:, :, None] * values[:, None, :]
    pairs = jnp.where(follows, values[:, :, None] * before[:, None, :], 0.0)
    last = jnp.append(~rows.follows[1:], True)[:, None, None]
    ends = jnp.where(follows, 0.0, outer) + jnp.where(last, outer, 0.0)
    sums = sums_by_cell(jnp.concatenate([outer, pairs, ends], axis=1), rows.code, groups)
    own, cross, end = jnp.split(sums, 3, axis=1)
    sizes = jax.ops.segment_sum(jnp.ones(len(rows.code), jnp.int32), rows.code, groups)
    return SerialProducts(own, cross + jnp.swapaxes(cross, 1, 2), own - end, sizes)


def lagged(rows: InOrder, groups: int, most: int = 0) -> Lagged:
    """The products of all pairs, lag after lag until that of the longest group.

    Args:
        rows: of one dataset.
        groups: their padded number.
        most: rows of a group at most, where that is known: then there are so many lags and no more, which is faster.
    """
    n, m = rows.values.shape
    values = jnp.concatenate([rows.values, jnp.zeros((n, m))])
    code = jnp.concatenate([rows.code, jnp.full(n, groups)])

    def products(k: Array) -> tuple[Array, Array]:
        """Sums of products of rows and those so many rows later in their group, and how many pairs there are."""
        later, later_code = (jax.lax.dynamic_slice_in_dim(column, k, n) for column in (values, code))
        pair = (later_code == rows.code) & (rows.code < groups)
        return jnp.where(pair[:, None], rows.values, 0.0).T @ later, pair.sum().astype(float)

    if most:
        return Lagged(*jax.lax.map(products, jnp.arange(most)))

    def add(k: Array, found: Lagged) -> Lagged:
        """The sums by lag, with those of one more."""
        own, pairs = products(k)
        return Lagged(found.products.at[k].set(own), found.pairs.at[k].set(pairs))

    longest = jax.ops.segment_sum(jnp.ones(n, jnp.int32), rows.code, groups).max()
    return jax.lax.fori_loop(0, longest, add, Lagged(jnp.zeros((n, m, m)), jnp.zeros(n)))
