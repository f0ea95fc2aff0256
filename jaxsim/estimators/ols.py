"""Ordinary least squares that ignores the groups (complete pooling)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxsim.crossproduct import CrossProducts
from jaxsim.estimators.base import Estimator, Fit, Resampling, closed_form, first_status
from jaxsim.numerics.least_squares import gaussian_deviance, solve
from jaxsim.status import Status


@dataclass(frozen=True)
class PooledOLS(Estimator):
    """Complete pooling: one regression over all rows, classical standard errors, t with ``N - P`` df.

    Args:
        label: name in the tables.
    """

    label: str = "ols"

    @property
    def name(self) -> str:
        return self.label

    @property
    def closed_form(self) -> bool:
        return True

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """The same for all groups."""
        return jnp.broadcast_to(fit.estimate, (len(data.sizes), len(data.fixed)))

    def fit(self, data: CrossProducts, resampling: Resampling | None = None) -> Fit:
        """Fit one dataset."""
        products = data.regression().sum(0)
        ls = solve(products)
        n_rows, n_fixed = data.n_rows, len(data.fixed)
        df = n_rows - n_fixed
        variance = ls.rss / df
        status = first_status(
            (~jnp.isfinite(products).all(), Status.NON_FINITE),
            (df <= 0, Status.TOO_FEW_ROWS),
            (~ls.full_rank, Status.RANK_DEFICIENT),
            (ls.exact, Status.ZERO_RESIDUAL),
        )
        return closed_form(ls.beta, variance * ls.bread, df, status, gaussian_deviance(ls.rss, n_rows), jnp.sqrt(variance))
