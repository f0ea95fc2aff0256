"""Coordinates around a relative covariance ``T``: a pivoted Cholesky factor whose free entries are moved.

Optimising the entries of the plain lower-triangular ``L`` fails slowly where a *leading* variance is near zero: the
columns of ``L`` can then almost be rotated into each other, a curved valley that Newton follows in tiny steps. Pivoting
(largest remaining variance first) puts zeros into the last columns, where they do no harm. A chart is made afresh at
every accepted point; the deviance depends on ``T`` alone, so each step is an ordinary Newton step in that chart.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from jaxsim.data.random_effects import Structure
from jaxsim.numerics.arrays import library, put
from jaxsim.numerics.small import times

Array = jax.Array

# A remaining variance below this fraction of the largest is rounding error of the ones before it.
PIVOT_FLOOR = 1e-15


class Chart(NamedTuple):
    """``factor`` ``[Q, Q]`` with ``factor factor' = T``, rows in the columns' own order; ``order`` ``[Q, Q]``, whose row ``i``
    is the unit vector of the column that came ``i``-th in the elimination."""

    factor: Array
    order: Array


def chart_of(relative: Array, structure: Structure) -> Chart:
    """The chart around ``T``, pivoted within each block of the structure."""
    xp, size = library(relative), structure.size
    columns: list[Array] = [xp.zeros(size)] * size
    order: list[Array] = [xp.zeros(size)] * size
    floor = PIVOT_FLOOR * xp.maximum(xp.diagonal(relative).max(), 1e-300)
    for block in structure.blocks:
        open_rows = put(xp.zeros(size), xp.array(block), 1.0)
        rest = relative
        for position in block:
            variances = xp.where(open_rows > 0, xp.diagonal(rest), -xp.inf)
            chosen = (xp.arange(size) == xp.argmax(variances)).astype(relative.dtype)
            pivot = chosen @ xp.diagonal(rest)
            positive = pivot > floor
            column = (rest @ chosen) / xp.sqrt(xp.where(positive, pivot, 1.0))
            column = xp.where(positive & (open_rows > 0), column, 0.0)
            columns[position], order[position] = column, chosen
            rest = rest - xp.outer(column, column)
            open_rows = open_rows - chosen
    return Chart(xp.stack(columns, axis=1), xp.stack(order))


def directions(chart: Chart, structure: Structure) -> Array:
    """``dT / d(entry k)``, ``[T, Q, Q]``."""
    rows, columns = structure.entries.T
    half = chart.order[rows][:, :, None] * chart.factor.T[columns][:, None, :]
    return half + library(half).swapaxes(half, 1, 2)


def moved(chart: Chart, move: Array, structure: Structure) -> Array:
    """``T`` after adding ``move`` ``[T]`` to the chart's free entries."""
    xp, size = library(move), structure.size
    rows, columns = structure.entries.T
    place = np.full((size, size), len(rows))
    place[rows, columns] = np.arange(len(rows))
    placed = xp.append(move, 0.0)[place]
    # Written out: order has one 1 a row, so nothing is rounded, and a contraction this small costs more than its arithmetic.
    factor = chart.factor + times(chart.order.T[:, :, None], placed)
    return factor @ factor.T
