"""One problem with several grouping factors in the units and the layout the kernels work in."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from jaxsim.crossed.free import Free
from jaxsim.crossed.model import Model
from jaxsim.crossed.tables import Tables, tables
from jaxsim.data.cross_products import CrossProducts
from jaxsim.lmm.problem import Units, units_of
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
        free: of each factor, levels that need not be told apart; none unless the model is planned.
        column_scale, response_scale, shift, full_rank, exact: as there.
    """

    own: Array
    beside: Array
    rest: Array
    n_rows: Array
    levels: Array
    free: tuple[Free, ...]
    column_scale: Array
    response_scale: Array
    shift: Array
    full_rank: Array
    exact: Array


def pose(data: CrossProducts, model: Model, units: Units | None = None) -> Problem:
    """Standardise one dataset, unless its ``units`` are given, and sort its cells' cross-products by the levels of the factors."""
    xp, found = library(data.products), tables(data, model)
    total, n_rows = found.levels[0].sum(-1), data.n_rows.astype(float)
    xy, rest = np.array([*model.spec.fixed, -1]), range(1, len(model.widths))
    units = units_of(total[xy][:, xy], xp.diagonal(total), n_rows) if units is None else units
    change = _change(units, model)
    present = [one.sum() for one in found.present]
    known = {"n_rows": n_rows, "levels": xp.stack(present), **units._asdict()}
    if model.planned:
        means, free = _mean_levels(found, model, units, change)
        return Problem(**means, free=free, **known)
    edges = [_edge(found, model, f, units, change) for f in range(len(model.widths))]
    across = [_pair(found, model, 0, g, units) for g in rest]
    inner = [xp.concatenate([_pair(found, model, f, g, units) for g in rest], axis=1) for f in rest]
    inner = xp.concatenate([xp.zeros((0, model.dense)), *inner])
    edge = xp.concatenate([xp.zeros((0, len(xy))), *edges[1:]])
    corner = change.T @ total[xy][:, xy] @ change
    z, shape = np.array(model.columns(0)), (model.widths[0], model.counts[0], -1)
    return Problem(
        own=found.levels[0][z][:, z] / _squared(units, model, 0, 0)[..., None],
        beside=xp.concatenate([*across, edges[0]], axis=1).reshape(shape),
        rest=xp.concatenate([xp.concatenate([inner, edge], axis=1), xp.concatenate([edge.T, corner], axis=1)]),
        free=(),
        **known,
    )


def _mean_levels(found: Tables, model: Model, units: Units, change: Array) -> tuple[dict[str, Array], tuple[Free, ...]]:
    """The mean levels of all factors, as parts of a problem, and the free ones."""
    xp, xy = library(change), np.array([*model.spec.fixed, -1])
    total = found.levels[0].sum(-1)
    counts = [one.sum().astype(float) for one in found.present]
    places = [np.array(model.columns(f)) for f in range(len(counts))]
    edges, free = [], []
    for f, (z, count) in enumerate(zip(places, counts, strict=True)):
        own = _edge(found, model, f, units, change).reshape(len(z), -1, len(xy))
        mean = own.sum(1) / xp.maximum(count, 1.0)
        apart = xp.where(found.present[f][None, :, None], own - mean[:, None], 0.0)
        flat = xp.swapaxes(apart, 1, 2).reshape(-1, apart.shape[1])
        squares = (flat @ flat.T).reshape(len(z), len(xy), len(z), len(xy))
        level = total[z][:, z] / _squared(units, model, f, f) / xp.maximum(count, 1.0)
        free.append(Free(xp.maximum(count - 1.0, 0.0), level, squares))
        edges.append(mean * xp.sqrt(count))

    def pair(f: int, g: int) -> Array:
        """Cross-products of two mean levels, ``[q_f, q_g]``."""
        if f == g:
            return free[f].own
        return total[places[f]][:, places[g]] / _squared(units, model, f, g) / xp.sqrt(xp.maximum(counts[f] * counts[g], 1.0))

    rest = range(1, len(counts))
    inner = xp.concatenate([xp.concatenate([pair(f, g) for g in rest], axis=1) for f in rest])
    edge, corner = xp.concatenate(edges[1:]), change.T @ total[xy][:, xy] @ change
    return {
        "own": free[0].own[..., None],
        "beside": xp.concatenate([*(pair(0, g) for g in rest), edges[0]], axis=1)[:, None],
        "rest": xp.concatenate([xp.concatenate([inner, edge], axis=1), xp.concatenate([edge.T, corner], axis=1)]),
    }, tuple(free)


def _change(units: Units, model: Model) -> Array:
    """What ``[X y]`` is multiplied by, ``[P + 1, P + 1]``."""
    xp, p = library(units.shift), len(model.spec.fixed)
    scale = xp.append(1 / units.column_scale[np.array(model.spec.fixed)], 1 / units.response_scale)
    beside = xp.append(units.shift / units.response_scale, 0.0)
    return xp.diag(scale) - beside[:, None] * (np.arange(p + 1) == p)


def _squared(units: Units, model: Model, f: int, g: int) -> Array:
    """Products of the scales of two factors' columns, ``[q_f, q_g]``."""
    scale = units.column_scale
    return library(scale).outer(scale[np.array(model.columns(f))], scale[np.array(model.columns(g))])


def _edge(found: Tables, model: Model, f: int, units: Units, change: Array) -> Array:
    """Cross-products of a factor's effects with the fixed effects and the response, ``[q G, P + 1]``."""
    xp, z = library(change), np.array(model.columns(f))
    own = found.levels[f][z][:, np.array([*model.spec.fixed, -1])]
    own = own / units.column_scale[z][:, None, None]
    return xp.swapaxes(own, 1, 2).reshape(-1, own.shape[1]) @ change


def _pair(found: Tables, model: Model, f: int, g: int, units: Units) -> Array:
    """Cross-products of the effects of two factors, ``[q_f G_f, q_g G_g]``."""
    xp, z = library(units.shift), np.array(model.columns(f))
    if f > g:
        return _pair(found, model, g, f, units).T
    own = f == g
    block = found.levels[f][z][:, z][..., None] * np.eye(model.counts[f]) if own else found.pairs[f, g]
    block = block / _squared(units, model, f, g)[..., None, None]
    return xp.swapaxes(block, 1, 2).reshape(model.widths[f] * model.counts[f], model.widths[g] * model.counts[g])
