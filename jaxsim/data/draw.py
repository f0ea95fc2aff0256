"""What a process draws: a dataset, and the truth that it was made with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.rows import Rows


@partial(
    jax.tree_util.register_dataclass, data_fields=["fixed", "groups", "covariance", "sigma", "estimands"], meta_fields=["random"]
)  # fmt: skip
@dataclass(frozen=True)
class Truth:
    """What one dataset was made with (a leading ``B`` on every array for a batch). What a process does not tell is left out.

    Attributes:
        fixed: fixed effects, ``[P]``, in the order of the process's terms.
        groups: own coefficients of each group, by factor, ``[G, Q]``: fixed effect plus deviation, for the terms of
            :attr:`jaxsim.data.names.Names.random`.
        covariance: of such coefficients, by factor, ``[Q, Q]``, in squared units of the response; for the terms of
            :attr:`jaxsim.data.names.Names.components`.
        sigma: residual standard deviation, ``[]``.
        estimands: other true values by name, ``[]`` each: what a strategy's coefficients are compared with when that is not a
            fixed effect (marginal effects, for example).
        random: names of what ``groups`` have in their last axis, by factor.
    """

    fixed: jax.Array
    groups: dict[str, jax.Array] = field(default_factory=dict)
    covariance: dict[str, jax.Array] = field(default_factory=dict)
    sigma: jax.Array | None = None
    estimands: dict[str, jax.Array] = field(default_factory=dict)
    random: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Draw(NamedTuple):
    """One simulated dataset and its truth."""

    truth: Truth
    data: CrossProducts | Rows
