"""The rows of one dataset in the units of its problem, and their cross-products under weights that differ between chains."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bayesian.problem import Model, Problem
from jaxsim.data.rows import Rows, sums_by_cell

Array = jax.Array


class WeightedRows(NamedTuple):
    """``values``: predictors and response, ``[N, M]``, zero where there is no row; ``present`` ``[N]``; ``code``: group ``[N]``;
    ``place`` and ``group_place``: which random number is a row's ``[N]`` and which a group's ``[G]``; ``block`` as of
    :class:`Rows`."""

    values: Array
    present: Array
    code: Array
    place: Array
    group_place: Array
    block: int


def in_units(data: Rows, problem: Problem, model: Model) -> WeightedRows:
    """The rows of a dataset.

    Random numbers belong to rows by the size of their least-squares residual, and to groups by the first of their rows: so neither
    the order of the rows, nor the labels of the groups, nor units or padding change what is computed.
    """
    present = data.present
    x = jnp.where(present[:, None], data.x, 0.0)
    fixed = jnp.array(model.fixed)
    residual = jnp.where(present, data.y, 0.0) - x[:, fixed] @ problem.shift
    values = jnp.column_stack([x / problem.column_unit, residual / problem.response_unit])
    code = jnp.where(present, data.levels[:, 0], 0)
    place = ranked(jnp.where(present, jnp.abs(residual), jnp.inf))
    first = jax.ops.segment_min(jnp.where(present, place, len(place)), code, data.counts[0])
    return WeightedRows(values, present, code, place, ranked(first), data.block)


def ranked(values: Array) -> Array:
    """Rank of each, from 0."""
    return jnp.argsort(jnp.argsort(values))


def products(rows: WeightedRows, weight: Array) -> Array:
    """``sum w_i v_i v_i'`` of the rows of every group.

    Args:
        rows: of the dataset.
        weight: of each row, ``[N, lanes]``; of one that is not there any finite number.

    Returns:
        ``[M, M, G, lanes]``.
    """
    m, groups = rows.values.shape[1], len(rows.group_place)
    left, right = np.tril_indices(m)
    pairs = rows.values[:, left] * rows.values[:, right]
    if rows.block:
        shape = (-1, rows.block)
        own = pairs.reshape(*shape, len(left)), weight.reshape(*shape, weight.shape[-1])
        summed = (own[0][..., None] * own[1][:, :, None]).sum(1)
        summed = jnp.pad(summed, ((0, groups - len(summed)), (0, 0), (0, 0)))
    else:
        summed = sums_by_cell(pairs[:, :, None] * weight[:, None], rows.code, groups)
    lower = np.zeros((m, m), int)
    lower[left, right] = np.arange(len(left))
    return jnp.moveaxis(summed, 0, 1)[np.maximum(lower, lower.T)]
