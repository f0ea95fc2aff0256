"""How well the coefficients of the groups were recovered, and how much they were shrunk together: three numbers a coefficient.

Every group's own least squares spread the coefficients more than they are spread; the means of a posterior, and best linear
unbiased predictions, spread them less (over- and underdispersion: Louis 1984, Journal of the American Statistical Association 79,
393-398; Ghosh 1992, ibid. 87, 533-540). What both wrote of are expected variances, so the variances are kept, not their ratio.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxsim.crossproduct import CrossProducts
from jaxsim.estimators.base import Estimator, Fit, has_numbers

# True coefficients that differ by no more than so many rounding errors of their size are the same in all groups.
SAME = 64


def recovery(estimated: jax.Array, true: jax.Array, present: jax.Array) -> dict[str, jax.Array]:
    """Of one dataset, in the columns of the estimates table that :data:`jaxsim.measures.sample.GROUP_NUMBERS` names.

    Args:
        estimated: coefficients of the groups by some strategy, ``[G, P]``; NaN where it has none.
        true: those that the data were made with, ``[G, P]``, in the same units.
        present: where there is a group and not padding, bool ``[G]``.

    Returns:
        ``group_mse`` ``[P]``, the mean over groups of (estimated - true)^2; ``group_variance`` and ``group_true_variance`` ``[P]``,
        the variance over groups (divided by G - 1) of the estimated coefficients and of the true ones: NaN where these are the
        same in all groups.
    """
    groups = present[:, None]
    error = jnp.where(groups, estimated - true, 0.0)
    squares, own = _squares(estimated, present), _squares(true, present)
    size = jnp.where(groups, true**2, 0.0).sum(0).max()
    varies = own > (SAME * jnp.finfo(true.dtype).eps) ** 2 * size
    return {
        "group_mse": (error**2).sum(0) / present.sum(),
        "group_variance": jnp.where(varies, squares / (present.sum() - 1), jnp.nan),
        "group_true_variance": jnp.where(varies & jnp.isfinite(squares), own / (present.sum() - 1), jnp.nan),
    }


def recover(estimator: Estimator, data: CrossProducts, fit: Fit, true: jax.Array) -> dict[str, jax.Array]:
    """:func:`recovery` of every dataset of a batch, ``[B, P]`` each; NaN where the fit has no numbers (traceable).

    Args:
        estimator: one that has coefficients of groups.
        data: a batch.
        fit: of it; made by ``fit_batch(..., groups=True)``.
        true: coefficients of the groups, ``[B, G, P]``.
    """

    def one(data: CrossProducts, fit: Fit, true: jax.Array) -> dict[str, jax.Array]:
        estimated = estimator.group_coefficients(data, fit)
        assert estimated is not None
        return recovery(jnp.where(has_numbers(fit.status), estimated, jnp.nan), true, data.sizes > 0)

    return jax.vmap(one)(data, fit, true)


def _squares(values: jax.Array, present: jax.Array) -> jax.Array:
    """Summed squares around the mean over groups, ``[P]``; exactly 0 where all are equal."""
    groups = present[:, None]
    centred = jnp.where(groups, values - values[jnp.argmax(present)], 0.0)
    centred = jnp.where(groups, centred - centred.sum(0) / present.sum(), 0.0)
    return (centred**2).sum(0)
