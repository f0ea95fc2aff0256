"""Whether a model's effects reproduce the response, so that the residual standard deviation has no posterior."""

from __future__ import annotations

import jax
import jax.numpy as jnp

Array = jax.Array

# A response whose residual, given the fixed effects and every group's own effects, falls below this fraction of its squares
# has none: cross-products carry 16 digits, and six are left here.
NO_RESIDUAL = 1e-10


def saturated(products: Array, fixed: tuple[int, ...], random: tuple[int, ...]) -> Array:
    """Whether the fixed effects with every group's own random effects reproduce the response, bool ``[]``.

    Args:
        products: cross-products of the columns and the response of each group, ``[G, M, M]``.
        fixed, random: positions of the columns.
    """
    z = list(random)
    rest = jnp.moveaxis(products, 0, -1)
    alive = jnp.ones(rest.shape[-1], bool)
    for k in z:  # eliminate Z from every group; a column that is a combination of those before is left alone
        alive = rest[k, k] > NO_RESIDUAL * products[:, k, k]
        row = jnp.where(alive, rest[k], 0.0)
        rest = rest - row[:, None] * row[None] / jnp.where(alive, rest[k, k], 1.0)
    others = [k for k in fixed if k not in z]
    left = rest.sum(-1)
    total = products[:, -1, -1].sum()
    for k in others:
        positive = left[k, k] > NO_RESIDUAL * products[:, k, k].sum()
        row = jnp.where(positive, left[k], 0.0)
        left = left - row[:, None] * row[None] / jnp.where(positive, left[k, k], 1.0)
    return left[-1, -1] <= NO_RESIDUAL * total
