"""What priors in units of the data refer to."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class Scales(NamedTuple):
    """What autoscaled priors refer to: mean and SD of the predictors ``[M - 1]`` and of the response ``[]``.

    Without an intercept among the columns: zero and root mean squares. The intercept itself has scale 1.
    """

    column_mean: Array
    column_sd: Array
    response_mean: Array
    response_sd: Array


def scales(total: Array, n_rows: Array, intercept: int | None) -> Scales:
    """Means and SDs from the summed cross-products ``[M, M]``."""
    squares = jnp.diagonal(total)
    if intercept is None:
        mean, spread = jnp.zeros(len(squares)), squares / n_rows
    else:
        mean = total[intercept] / n_rows
        spread = (squares - n_rows * mean**2) / (n_rows - 1)
        mean, spread = mean.at[intercept].set(0.0), spread.at[intercept].set(1.0)
    # Below this fraction of the mean square, what is left of it by subtraction is rounding: such a column is constant.
    varies = spread > 1e-13 * squares / n_rows
    sd = jnp.sqrt(jnp.where(varies, spread, 1.0))
    return Scales(mean[:-1], sd[:-1], mean[-1], sd[-1])
