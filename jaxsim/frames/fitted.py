"""One fitted model of a DataFrame: its numbers, and what follows from them row by row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jaxsim.frames.linear_tests import LinearTests
from jaxsim.inference import InferenceTable, t_table

if TYPE_CHECKING:
    from jaxsim.frames.mixed_model import MixedModel
    from jaxsim.frames.regression import Regression


@dataclass(frozen=True, eq=False)
class Fitted:
    """One fitted model: estimates, and what they were made from.

    What a method does not have is None; what could not be computed is NaN, and ``status`` says why.

    Attributes:
        table: ``term, estimate, std_error, statistic, df, p_value, conf_low, conf_high``, a row per fixed effect, in R's order.
        criterion: minus twice the log-likelihood that was minimised (REML or ML, lme4's definition).
        sigma: residual standard deviation.
        theta: relative covariance parameters in lme4's order, ``[T]``; ``theta_names`` names them as lme4 does.
        varcorr: ``group, term, variance, std_dev`` and correlations with the earlier terms; the last row is the residual.
        covariance: covariance matrix of the random effects, ``Q x Q``.
        random_effects: conditional modes (lme4's ``ranef``), groups x random-effects columns.
        coef: coefficients of each group: fixed plus random effects (lme4's ``coef``), or the group's own regression (``lm2``).
        vcov: covariance matrix of the fixed effects, ``P x P``.
        status: label of a :class:`jaxsim.status.Status`.
        converged, singular: whether the optimality conditions hold, and lme4's ``isSingular``.
        n_rows, n_groups: rows used, and groups among them (None where there is no grouping).
        messages: what a user should know: dropped rows, a boundary fit, why a fit failed.
        model: formula, matrices, groups and rows that were fitted.
        method: one line that says how the model was fitted.
        conf_level: of ``conf_low`` and ``conf_high``.
        resampled: whether p values and limits come from resamples (a bootstrap or a permutation test) and not from t with ``df``.
        tests: of linear combinations of the coefficients; None for a fit that has no such tests.
    """

    table: pd.DataFrame
    criterion: float | None
    sigma: float | None
    theta: np.ndarray | None
    theta_names: tuple[str, ...] | None
    varcorr: pd.DataFrame | None
    covariance: pd.DataFrame | None
    random_effects: pd.DataFrame | None
    coef: pd.DataFrame | None
    vcov: pd.DataFrame
    status: str
    converged: bool
    singular: bool
    n_rows: int
    n_groups: int | None
    messages: tuple[str, ...]
    model: MixedModel | Regression
    method: str
    conf_level: float
    resampled: bool = False
    tests: LinearTests | None = None

    @property
    def formula(self) -> str:
        """As given."""
        return self.model.formula.text

    @property
    def beta(self) -> np.ndarray:
        """Estimates of the fixed effects, ``[P]``."""
        return self.table["estimate"].to_numpy()

    @property
    def n_parameters(self) -> int:
        """Fixed effects, variances and correlations, residual variance: what AIC and BIC count."""
        return len(self.table) + (0 if self.theta is None else len(self.theta)) + 1

    @property
    def loglik(self) -> float | None:
        """Log-likelihood; restricted (as lme4's ``logLik``) after REML."""
        return None if self.criterion is None else -self.criterion / 2

    @property
    def aic(self) -> float | None:
        """Akaike's criterion."""
        return None if self.criterion is None else self.criterion + 2 * self.n_parameters

    @property
    def bic(self) -> float | None:
        """Schwarz's criterion, with the number of rows (as R's ``BIC``)."""
        return None if self.criterion is None else self.criterion + np.log(self.n_rows) * self.n_parameters

    @cached_property
    def fitted(self) -> pd.Series:
        """Fitted values of the rows used, with their labels in the data: fixed effects, those of the row's own group, offset."""
        values = self.model.x.values @ self.beta
        if self.model.groups is not None:
            values = values + self.of_group(self.model.x.values, self.model_z, self.model.groups.codes)
        if self.model.offset is not None:
            values = values + self.model.offset
        return pd.Series(values, index=self.model.rows.index, name="fitted")

    @property
    def model_z(self) -> np.ndarray | None:
        """Columns with random effects ``[N, Q]``; None without random effects."""
        return getattr(self.model, "z", None)

    def of_group(self, x: np.ndarray, z: np.ndarray | None, codes: np.ndarray) -> np.ndarray:
        """How far each row's group lies from the population, ``[N]``; zero for a group that is not known (-1).

        Args:
            x: columns with fixed effects, ``[N, P]``.
            z: columns with random effects ``[N, Q]``; None for a regression per group, whose coefficients are all the group's own.
            codes: of the groups, ``[N]``.
        """
        if self.coef is None:
            return np.zeros(len(x))
        if z is None or self.random_effects is None:
            own, columns = self.coef.to_numpy() - self.beta, x
        else:
            own, columns = self.random_effects.to_numpy(), z
        return np.where(codes >= 0, np.einsum("nq,nq->n", columns, own[codes]), 0.0)

    @cached_property
    def residuals(self) -> pd.Series:
        """Response less :attr:`fitted`, whatever the weights (R's ``residuals``)."""
        return pd.Series(self.model.y - self.fitted.to_numpy(), index=self.model.rows.index, name="residuals")


def coefficient_table(
    names: tuple[str, ...],
    estimate: np.ndarray,
    std_error: np.ndarray,
    df: np.ndarray,
    conf_level: float,
    own: InferenceTable | None = None,
) -> pd.DataFrame:
    """The ``table`` of a :class:`FitResult` from arrays of one shape ``[P]``; ``own`` replaces inference by the t distribution."""
    inference = t_table(estimate, std_error, df, conf_level) if own is None else own
    return pd.DataFrame(
        {
            "term": list(names),
            "estimate": estimate,
            "std_error": std_error,
            "statistic": inference.statistic,
            "df": df,
            "p_value": inference.p_value,
            "conf_low": inference.conf_low,
            "conf_high": inference.conf_high,
        }
    )


def square(matrix: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    """A matrix with its names on both sides."""
    return pd.DataFrame(matrix, index=list(names), columns=list(names))
