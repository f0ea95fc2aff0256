"""Whether a mixed model can be estimated from a dataset at all: one rule for REML, for posteriors and for DataFrames."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.random_effects import Structure
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library, over_groups
from jaxsim.status import Status

Cases = tuple[tuple[jax.Array, Status], ...]
# What the fixed effects leave of random-effects columns, relative to their squares. One contrast among G groups leaves about 1 / G
# of them; rounding leaves 1e-13 of columns whose means are 30 SDs from zero.
SATURATED = 1e-10


def too_few_rows(n_rows: Any, n_groups: Any, n_fixed: int, widest: int) -> Any:
    """Whether there are fewer rows than the model has coefficients, or than one of its terms has random effects (lme4's rule: each
    term by itself); of numbers or arrays.

    Args:
        n_rows, n_groups: of the dataset.
        n_fixed: fixed effects, P.
        widest: random effects a group of the term that has most.
    """
    return (n_rows <= n_fixed) | (n_rows <= n_groups * widest)


def saturated(products: jax.Array, fixed: tuple[int, ...], random: tuple[int, ...], structure: Structure) -> jax.Array:
    """Whether the fixed effects account for all that a random effect, or a combination of those of a block, could explain.

    With ``M = I - X (X'X)^-1 X'`` and ``Z_g`` the random-effects columns of group g, a vector ``k`` with ``M Z_g k = 0`` in every
    group has ``k'N k = 0``, ``N = sum_g Z_g'M Z_g``: error contrasts, and so the restricted likelihood, are then the same whatever
    the variance along ``k``. One tank a treatment and ``y ~ treatment + (1 | tank)`` is the plainest case.

    Args:
        products: cross-products of the columns, ``[M, M, G]``.
        fixed, random: positions of the columns.
        structure: blocks of correlated random effects.

    Returns:
        bool ``[]``; meaningless if the fixed effects do not have full rank.
    """
    xp = library(products)
    x, z = xp.array(fixed), xp.array(random)
    total = over_groups(products)
    chol, _ = small.cholesky(total[x][:, x])
    h = xp.einsum("yx,zxg->zyg", small.inverse_lower(chol), products[z][:, x]).reshape(len(random), -1)
    squares = xp.diagonal(total)[z]
    left = (total[z][:, z] - h @ h.T) / xp.sqrt(xp.outer(squares, squares))
    blocks = (xp.array(block) for block in structure.blocks)
    pivots = xp.concatenate([small.cholesky(left[block][:, block])[1] for block in blocks])
    return (pivots <= SATURATED).any()


def mixed_model(
    data: CrossProducts,
    n_fixed: int,
    widest: int,
    *,
    finite: jax.Array,
    full_rank: jax.Array,
    exact: jax.Array,
    unidentified: jax.Array | bool = False,
    fewest: int = 2,
) -> Cases:
    """What is wrong with a dataset, the first case that holds being said (see :func:`jaxsim.data.fit.first_status`).

    Args:
        data: one dataset.
        n_fixed, widest: as of :func:`too_few_rows`.
        finite: whether all numbers are.
        full_rank: whether the fixed effects' columns are independent.
        exact: whether they reproduce the response, so that there is no residual variance.
        unidentified: whether the criterion is the same whatever a variance of random effects, see :func:`saturated`.
        fewest: groups that the method needs.
    """
    n_rows, n_groups = data.n_rows, data.n_groups
    more = ((n_groups < fewest, Status.TOO_FEW_GROUPS),) if fewest > 2 else ()
    return (
        (~finite, Status.NON_FINITE),
        (n_groups < 2, Status.TOO_FEW_GROUPS),
        (too_few_rows(n_rows, n_groups, n_fixed, widest), Status.TOO_FEW_ROWS),
        *more,
        (~full_rank, Status.RANK_DEFICIENT),
        (exact, Status.ZERO_RESIDUAL),
        (jnp.asarray(unidentified), Status.UNIDENTIFIED),
    )
