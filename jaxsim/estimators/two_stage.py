"""Two-stage summary statistics: a regression per group, then a one-sample t test of each coefficient."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from jaxsim.crossproduct import CrossProducts
from jaxsim.estimators.base import Estimator, Fit, closed_form, first_status
from jaxsim.estimators.least_squares import solve
from jaxsim.status import Status


@dataclass(frozen=True)
class TwoStage(Estimator):
    """No pooling, then a t test (pymer4's ``Lm2``; not instrumental-variables two-stage least squares).

    ``b_g = (X_g'X_g)^-1 X_g'y_g``; estimate = mean, ``SE = sd / sqrt(G)``, t with ``G - 1`` df. A group that cannot be fitted
    on its own (fewer rows than coefficients, or deficient rank) makes the whole dataset a failure, never a pseudo-inverse.

    Args:
        label: name in the tables.
    """

    label: str = "lm2"

    @property
    def name(self) -> str:
        return self.label

    def fit(self, data: CrossProducts) -> Fit:
        """Fit one dataset."""
        products = data.regression()
        present = data.sizes > 0
        groups = solve(products.transpose(1, 2, 0))
        n_groups = data.n_groups
        mean = jnp.where(present, groups.beta, 0.0).sum(1) / n_groups
        deviation = jnp.where(present, groups.beta - mean[:, None], 0.0)
        vcov = deviation @ deviation.T / (n_groups - 1) / n_groups
        status = first_status(
            (~jnp.isfinite(products).all(), Status.NON_FINITE),
            (n_groups < 2, Status.TOO_FEW_GROUPS),
            ((present & (data.sizes < len(data.fixed))).any(), Status.TOO_FEW_ROWS),
            ((present & ~groups.full_rank).any(), Status.RANK_DEFICIENT),
            # Groups that are all fitted exactly by the same coefficients differ by rounding error only.
            (solve(products.sum(0)).exact | (jnp.diagonal(vcov) <= 0).any(), Status.ZERO_RESIDUAL),
        )
        nothing = jnp.asarray(jnp.nan)
        return closed_form(mean, vcov, n_groups - 1, status, nothing, nothing)
