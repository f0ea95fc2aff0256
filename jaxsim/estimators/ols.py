"""Ordinary least squares that ignores the groups (complete pooling)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, closed_form, first_status
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.estimators import wording
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.prediction import PredictionError, of_least_squares
from jaxsim.numerics.arrays import library
from jaxsim.numerics.least_squares import gaussian_deviance, solve
from jaxsim.status import Status


@dataclass(frozen=True)
class PooledOLS(Formulated):
    """Complete pooling: one regression over all rows, classical standard errors, t with ``N - P`` df.

    Args:
        label: name in the tables.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.
    """

    label: str = "ols"

    guards_itself: ClassVar[bool] = True

    @property
    def closed_form(self) -> bool:
        return True

    @property
    def same_when_padded(self) -> bool:
        """One formula of sums over groups."""
        return True

    def in_words(self, names: Names) -> tuple[str, ...]:
        return (self.model_in_words(names), "least squares", wording.errors("iid"), wording.DEGREES["residual"])

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """The same for all groups."""
        return jnp.broadcast_to(fit.estimate, (len(data.sizes), len(data.fixed)))

    def prediction_error(self, data: CrossProducts, fit: Fit, new: Rows) -> PredictionError:
        """``s^2 (1 + x'(X'X)^-1 x)`` with ``N - P`` df, of all groups alike."""
        return of_least_squares(data, new, fit.vcov, fit.sigma, fit.df[0])

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        products = data.regression().sum(0)
        xp = library(products)
        ls = solve(products)
        n_rows, n_fixed = data.n_rows, len(data.fixed)
        df = n_rows - n_fixed
        variance = ls.rss / df
        status = first_status(
            (~xp.isfinite(products).all(), Status.NON_FINITE),
            (df <= 0, Status.TOO_FEW_ROWS),
            (~ls.full_rank, Status.RANK_DEFICIENT),
            (ls.exact, Status.ZERO_RESIDUAL),
        )
        return closed_form(ls.beta, variance * ls.bread, df, status, gaussian_deviance(ls.rss, n_rows), xp.sqrt(variance))
