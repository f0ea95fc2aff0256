"""One problem with several grouping factors in the units and the layout the kernels work in."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsim.crossed.model import Model
from jaxsim.data.cross_products import CrossProducts
from jaxsim.lmm.problem import pose as pose_cells
from jaxsim.numerics.arrays import library

Array = jax.Array


class Problem(NamedTuple):
    """Cross-products of the columns with random effects, of those with fixed effects and of the response, standardised as in
    :class:`jaxsim.lmm.problem.Problem`.

    The effects of all factors but the first, the fixed effects and the response are the ``R = r2 + P + 1`` columns of the rest; a
    factor's effects are ordered by column, then by level.

    Attributes:
        own: of the first factor's columns in each of its levels, ``[q, q, G]``.
        beside: of these with the rest, ``[q, G, R]``.
        rest: ``[R, R]``.
        n_rows: of the dataset, ``[]``.
        levels: of each factor, those that have rows, ``[F]``.
        column_scale, response_scale, shift, full_rank, exact: as there.
    """

    own: Array
    beside: Array
    rest: Array
    n_rows: Array
    levels: Array
    column_scale: Array
    response_scale: Array
    shift: Array
    full_rank: Array
    exact: Array


def pose(data: CrossProducts, model: Model) -> Problem:
    """Standardise one dataset and sort its cells' cross-products by the levels of the factors."""
    xp = library(data.products)
    cells = pose_cells(data)
    assert data.levels is not None
    codes = [data.levels[:, place] for place in model.factors]
    own, beside = _first(cells.products, codes, model)
    blocks = [[_pair(cells.products, codes, model, f, g) for g in _rest(model)] for f in _rest(model)]
    edges = [_edge(cells.products, codes[f], model, f) for f in _rest(model)]
    xy = _outer(model)
    corner = cells.products[xy][:, xy].sum(-1)
    edge = xp.concatenate([*edges, xp.zeros((0, len(xy)))])
    inner = xp.concatenate([xp.concatenate(row, axis=1) for row in blocks]) if blocks else xp.zeros((0, 0))
    rest = xp.concatenate([xp.concatenate([inner, edge], axis=1), xp.concatenate([edge.T, corner], axis=1)])
    present = [_sums(cells.present, code, count) > 0 for code, count in zip(codes, model.counts, strict=True)]
    return Problem(
        own=own,
        beside=beside,
        rest=rest,
        n_rows=cells.n_rows,
        levels=xp.stack([one.sum() for one in present]),
        column_scale=cells.column_scale,
        response_scale=cells.response_scale,
        shift=cells.shift,
        full_rank=cells.full_rank,
        exact=cells.exact,
    )


def _rest(model: Model) -> range:
    return range(1, len(model.widths))


def _outer(model: Model) -> np.ndarray:
    """Positions of the fixed effects' columns and of the response."""
    return np.array([*model.spec.fixed, -1])


def _sums(values: Array, codes: Array, count: int) -> Array:
    """Sums of ``values`` ``[.., C]`` by code, ``[.., count]``."""
    if library(values, codes) is not np:
        sums: Any = jax.ops.segment_sum(values.T, codes, count)
        return sums.T
    flat = np.reshape(values, (-1, np.shape(values)[-1]))
    found: Any = np.stack([np.bincount(codes, row, count) for row in flat]).reshape(*np.shape(values)[:-1], count)
    return found


def _first(products: Array, codes: list[Array], model: Model) -> tuple[Array, Array]:
    """``own`` and ``beside``."""
    xp = library(products)
    z, q, count = np.array(model.columns(0)), model.widths[0], model.counts[0]
    own = _sums(products[z][:, z], codes[0], count)
    across = [_pair(products, codes, model, 0, f).reshape(q, count, -1) for f in _rest(model)]
    edge = xp.swapaxes(_sums(products[z][:, _outer(model)], codes[0], count), 1, 2)
    return own, xp.concatenate([*across, edge], axis=2)


def _pair(products: Array, codes: list[Array], model: Model, f: int, g: int) -> Array:
    """Cross-products of the effects of two factors, ``[q_f G_f, q_g G_g]``."""
    xp = library(products)
    rows, columns = np.array(model.columns(f)), np.array(model.columns(g))
    count, other = model.counts[f], model.counts[g]
    found = _sums(products[rows][:, columns], codes[f] * other + codes[g], count * other)
    found = found.reshape(len(rows), len(columns), count, other)
    return xp.swapaxes(found, 1, 2).reshape(len(rows) * count, len(columns) * other)


def _edge(products: Array, codes: Array, model: Model, f: int) -> Array:
    """Cross-products of a factor's effects with the fixed effects and the response, ``[q G, P + 1]``."""
    xp = library(products)
    found = _sums(products[np.array(model.columns(f))][:, _outer(model)], codes, model.counts[f])
    return xp.swapaxes(found, 1, 2).reshape(-1, len(_outer(model)))
