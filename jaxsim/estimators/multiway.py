"""Cluster-robust variances of least squares whose errors may depend on each other within the groups of any of several factors.

Of factors F, each non-empty subset S groups the rows by its joint levels, and (Cameron, Gelbach & Miller 2011, *Journal of Business
& Economic Statistics* 29, 238-249)::

    V = sum_S (-1)^(|S| + 1) V_S,   V_S = m_S A [sum_g s_g s_g'] A over the groups of S

which for two factors is ``V_a + V_b - V_ab``: products of residuals of rows that share a level of either are counted once.
Coordinates are those of :mod:`jaxsim.estimators.sandwich`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.names import Names
from jaxsim.data.rows import sums_by_cell
from jaxsim.errors import InputError, brief, names_given
from jaxsim.estimators.clustered import require_factor
from jaxsim.estimators.sandwich import Groups
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library

# A difference of sandwiches carries 16 digits of its terms: a variance or an eigenvalue below this fraction of theirs is nothing.
ROUNDING = 1e-12


class Way(NamedTuple):
    """One term: its ``sign``, how many factors it has (``order``), its groups, and how many there are (``n_groups`` ``[]``)."""

    sign: int
    order: int
    groups: Groups
    n_groups: jax.Array


def ways(data: CrossProducts, factors: tuple[str, ...], cells: Groups) -> Iterator[Way]:
    """The terms of all subsets of some factors, single factors first.

    Args:
        data: one dataset, by cells of its joint grouping.
        factors: whose groups' rows may depend on each other.
        cells: the cells as groups.
    """
    there = data.sizes > 0
    for order in range(1, len(factors) + 1):
        for subset in itertools.combinations(factors, order):
            sign = (-1) ** (order + 1)
            if order == len(data.factors):  # no two cells have the same levels
                yield Way(sign, order, cells, there.sum())
                continue
            codes, count = joint_codes(data, subset)
            # Apart, since most conventions need no blocks, and what is not needed is not computed.
            blocks = jnp.moveaxis(sums_by_cell(jnp.moveaxis(cells.blocks, -1, 0), codes, count), 0, -1)
            scores = sums_by_cell(cells.scores.T[:, :, None], codes, count)[:, :, 0].T
            present = jax.ops.segment_max(there.astype(jnp.int32), codes, count) > 0
            yield Way(sign, order, Groups(blocks, scores, cells.rounding), present.sum())


def joint_codes(data: CrossProducts, factors: tuple[str, ...]) -> tuple[jax.Array, int]:
    """Which combination of levels of some factors each cell has, from 0, ``[C]``, and how many there may be."""
    assert data.levels is not None
    places = [data.factors.index(factor) for factor in factors]
    cells, counts = len(data.sizes), [data.counts[place] for place in places]
    if len(places) == 1:
        return data.levels[:, places[0]], counts[0]
    steps = np.cumprod([1, *counts[:0:-1]])[::-1].copy()
    joint = (data.levels[:, jnp.array(places)] * steps).sum(1)
    found = jnp.unique(joint, size=cells, fill_value=int(np.prod(counts)))
    return jnp.searchsorted(found, joint), cells


def semidefinite(matrix: Any) -> tuple[Any, Any]:
    """The matrix ``[P, P]`` without its negative eigenvalues (Cameron, Gelbach & Miller 2011), and whether it had any, bool ``[]``.

    Whether it had any beyond rounding is judged with all variances scaled to 1, which does not change signs; they are set to zero
    in the units as they are, as R's ``sandwich`` does (``fix = TRUE``).
    """
    xp = library(matrix)
    size = xp.sqrt(xp.abs(xp.diagonal(matrix)))
    size = xp.where(size > 0, size, 1.0)
    smallest = small.eigh(matrix / size[:, None] / size)[0].min()
    repaired = smallest < -ROUNDING
    values, vectors = small.eigh(matrix)
    half = vectors * xp.sqrt(xp.clip(values, 0.0, None))
    return xp.where(repaired, half @ half.T, matrix), repaired


def several_given(what: str, value: object, number: int | None = None) -> tuple[str, ...]:
    """Names of different grouping factors, so many or at least two; :class:`InputError` for anything else."""
    given = names_given(what, value)
    if len(set(given)) < len(given) or len(given) != (number or max(len(given), 2)):
        raise InputError(
            f"{what}={brief(value)}: give {'two' if number else 'at least two'} different grouping factors, such as "
            "('subject', 'item'), or None for those of the process."
        )
    return given


def require_factors(names: Names, factors: Sequence[str] | None, owner: str, what: str, instead: str) -> None:
    """Raise :class:`InputError` unless the process has these grouping factors, or several if none are named."""
    if len(names.factors) < 2:
        raise InputError(
            f"strategy {owner!r} needs two grouping factors, such as subjects and items; the process has {names.factors[0]}. "
            f"Use {instead}."
        )
    for factor in factors or ():
        require_factor(names, factor, f"strategy {owner!r}: {what}")
