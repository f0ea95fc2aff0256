"""OLS with cluster-robust standard errors, under named small-sample conventions."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxsim.crossproduct import CrossProducts
from jaxsim.errors import choose
from jaxsim.estimators.base import Estimator, Fit, closed_form, first_status
from jaxsim.estimators.least_squares import gaussian_deviance, solve
from jaxsim.status import Status

# Squared rounding errors of scores relative to the classical variance are about 1e-30; nothing real is as small as this.
ZERO_VARIANCE = 1e-20

CONVENTIONS: tuple[str, ...] = ("CR0", "CR1", "CR1S", "pymer4")


def correction(vcov: str, groups: jax.Array, rows: jax.Array, n_fixed: int) -> tuple[jax.Array, jax.Array]:
    """Scale of the sandwich and the df of its t statistics.

    ``CR0`` 1; ``CR1`` G/(G-1); ``CR1S`` G(N-1)/((G-1)(N-P)), Stata's and fixest's; all with G - 1 df.
    ``pymer4`` (``Lm(robust='cluster')`` up to 0.8): G/(G-1) * N/(N-P) with G - P df.
    """
    g, n = groups.astype(float), rows.astype(float)
    match vcov:
        case "CR0":
            return jnp.ones_like(g), g - 1
        case "CR1":
            return g / (g - 1), g - 1
        case "CR1S":
            return g * (n - 1) / ((g - 1) * (n - n_fixed)), g - 1
        case _:
            return g / (g - 1) * n / (n - n_fixed), g - n_fixed


@dataclass(frozen=True)
class ClusterRobust(Estimator):
    """Pooled OLS whose standard errors allow any dependence within a group (Liang & Zeger 1986).

    ``V = m A [sum_g u_g u_g'] A`` with bread ``A = (X'X)^-1`` and scores ``u_g = X_g'e_g = K_xy - K_xx beta``.

    Args:
        vcov: convention for the scale ``m`` and the df, one of ``CR0``, ``CR1``, ``CR1S``, ``pymer4`` (see :func:`correction`).
        label: name in the tables.
    """

    vcov: str = "CR1S"
    label: str = "lm"

    def __post_init__(self) -> None:
        choose("vcov", self.vcov, CONVENTIONS)

    @property
    def name(self) -> str:
        return self.label

    def fit(self, data: CrossProducts) -> Fit:
        """Fit one dataset."""
        products = data.regression()
        total = products.sum(0)
        ls = solve(total)
        n_rows, n_groups, n_fixed = data.n_rows, data.n_groups, len(data.fixed)
        scores = products[:, :-1, -1] - products[:, :-1, :-1] @ ls.beta
        scale, df = correction(self.vcov, n_groups, n_rows, n_fixed)
        half = scores @ ls.bread
        vcov = scale * half.T @ half
        classical = ls.rss / (n_rows - n_fixed) * jnp.diagonal(ls.bread)
        status = first_status(
            (~jnp.isfinite(total).all(), Status.NON_FINITE),
            (n_rows <= n_fixed, Status.TOO_FEW_ROWS),
            ((n_groups < 2) | (df <= 0), Status.TOO_FEW_GROUPS),
            (~ls.full_rank, Status.RANK_DEFICIENT),
            (ls.exact, Status.ZERO_RESIDUAL),
            # A coefficient whose scores are zero in every cluster (one per cluster, say) has a variance of rounding errors.
            ((jnp.diagonal(vcov) <= ZERO_VARIANCE * classical).any(), Status.ZERO_VARIANCE),
        )
        sigma = jnp.sqrt(ls.rss / (n_rows - n_fixed))
        return closed_form(ls.beta, vcov, df, status, gaussian_deviance(ls.rss, n_rows), sigma)
