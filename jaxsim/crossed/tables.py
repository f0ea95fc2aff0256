"""Cross-products of a dataset's cells, sorted by the levels of its factors."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.crossed.model import Model
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.rows import sums_by_cell
from jaxsim.numerics.arrays import library

Array = jax.Array


# Pairs of levels for each cell from which on cells are added up by level, rather than put in their places among all pairs.
FILLED = 4


class Tables(NamedTuple):
    """Of the factors in the order of the model.

    ``levels``: of each factor the cross-products of all columns in each of its levels, ``[M, M, G_f]``; ``pairs``: of two factors,
    the first before the second, those of their columns with random effects, ``[q_f, q_g, G_f, G_g]``; ``present``: of each
    factor, which of its levels have rows, ``[G_f]`` bool.
    """

    levels: list[Array]
    pairs: dict[tuple[int, int], Array]
    present: list[Array]


def tables(data: CrossProducts, model: Model) -> Tables:
    """Of one dataset, in the order of the model."""
    assert data.levels is not None
    codes = [data.levels[:, place] for place in model.factors]
    if library(data.products) is not np and len(data.factors) == len(codes) == 2:
        return _of_every_pair(data, codes, model)
    products = library(data.products).moveaxis(data.products, 0, -1)
    counts = model.levels
    levels = [_sums(products, code, count) for code, count in zip(codes, counts, strict=True)]
    pairs = {}
    for f, g in itertools.combinations(range(len(codes)), 2):
        block = products[np.ix_(model.columns(f), model.columns(g))]
        sums = _sums(block, codes[f] * counts[g] + codes[g], counts[f] * counts[g])
        pairs[f, g] = sums.reshape(*sums.shape[:2], counts[f], counts[g])
    sizes = (data.sizes > 0).astype(float)
    return Tables(levels, pairs, [_sums(sizes, code, count) > 0 for code, count in zip(codes, counts, strict=True)])


def _of_every_pair(data: CrossProducts, codes: list[Array], model: Model) -> Tables:
    """Of two factors, each pair of whose levels is one cell or none: the cells in their places, which costs less than sums."""
    first, second = model.levels
    cells, nowhere = len(data.sizes), first * second
    joint = jnp.where(data.sizes > 0, codes[0] * second + codes[1], nowhere)
    place = jnp.full(nowhere, cells, jnp.int32).at[joint].set(jnp.arange(cells, dtype=jnp.int32), mode="drop")
    own = np.ix_(model.columns(0), model.columns(1))

    def placed(products: Array) -> Array:
        """Of the cells ``[C, A, B]``, in a table of the pairs ``[A, B, G, H]``."""
        wide = products.shape[1:]
        flat = jnp.concatenate([products.reshape(cells, -1), jnp.zeros((1, wide[0] * wide[1]))])[place]
        return jnp.moveaxis(flat.reshape(first, second, *wide), (0, 1), (2, 3))

    there = (place < cells).reshape(first, second)
    present = [there.any(1), there.any(0)]
    if FILLED * cells < nowhere:
        levels = [jnp.moveaxis(sums_by_cell(data.products, code, n), 0, 2) for code, n in zip(codes, model.levels, strict=True)]
        return Tables(levels, {(0, 1): placed(data.products[:, own[0], own[1]])}, present)
    table = placed(data.products)
    return Tables([table.sum(3), table.sum(2)], {(0, 1): table[own]}, present)


def _sums(values: Array, codes: Array, count: int) -> Array:
    """Sums of ``values`` ``[.., C]`` by code, ``[.., count]``."""
    shape = np.shape(values)
    if library(values, codes) is not np:
        flat = jax.ops.segment_sum(values.reshape(-1, shape[-1]).T, codes, count)
        return flat.T.reshape(*shape[:-1], count)
    rows = np.reshape(values, (-1, shape[-1]))
    found: Any = np.stack([np.bincount(codes, row, count) for row in rows]).reshape(*shape[:-1], count)
    return found
