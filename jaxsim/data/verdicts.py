"""Whether a mixed model can be estimated from a dataset at all: one rule for REML, for posteriors and for DataFrames."""

from __future__ import annotations

from typing import Any

import jax

from jaxsim.data.cross_products import CrossProducts
from jaxsim.status import Status

Cases = tuple[tuple[jax.Array, Status], ...]


def too_few_rows(n_rows: Any, n_groups: Any, n_fixed: int, widest: int) -> Any:
    """Whether there are fewer rows than the model has coefficients, or than one of its terms has random effects (lme4's rule: each
    term by itself); of numbers or arrays.

    Args:
        n_rows, n_groups: of the dataset.
        n_fixed: fixed effects, P.
        widest: random effects a group of the term that has most.
    """
    return (n_rows <= n_fixed) | (n_rows <= n_groups * widest)


def mixed_model(
    data: CrossProducts,
    n_fixed: int,
    widest: int,
    *,
    finite: jax.Array,
    full_rank: jax.Array,
    exact: jax.Array,
    fewest: int = 2,
) -> Cases:
    """What is wrong with a dataset, the first case that holds being said (see :func:`jaxsim.data.fit.first_status`).

    Args:
        data: one dataset.
        n_fixed, widest: as of :func:`too_few_rows`.
        finite: whether all numbers are.
        full_rank: whether the fixed effects' columns are independent.
        exact: whether they reproduce the response, so that there is no residual variance.
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
    )
