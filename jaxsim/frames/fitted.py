"""One fitted model of a DataFrame: its numbers, and what follows from them row by row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.frames.linear_tests import LinearTests
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.regression import Regression
from jaxsim.inference import InferenceTable, t_table


@dataclass(frozen=True, eq=False)
class Fitted:
    """One fitted model: estimates, and what they were made from.

    What a method does not have is None; what could not be computed is NaN, and ``status`` says why. Of a mixed model with several
    grouping factors ``covariance, random_effects, coef`` and ``n_groups`` are dicts by factor, in the order of ``varcorr``: that of
    lme4, with the factors of most levels first unless the formula has them in that order.

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
    covariance: Any
    random_effects: Any
    coef: Any
    vcov: pd.DataFrame
    status: str
    converged: bool
    singular: bool
    n_rows: int
    n_groups: Any
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
        if self.row_codes is not None:
            values = values + self.of_group(self.model.x.values, self.model_z, self.row_codes)
        if self.model.offset is not None:
            values = values + self.model.offset
        return pd.Series(values, index=self.model.rows.index, name="fitted")

    @property
    def model_z(self) -> np.ndarray | None:
        """Columns with random effects ``[N, Q]``; None without random effects."""
        return getattr(self.model, "z", None)

    @property
    def row_codes(self) -> np.ndarray | None:
        """Group of each row used ``[N]``, or its level in each of several grouping factors ``[N, F]``; None without groups."""
        return self.model.levels if isinstance(self.model, MixedModel) and self.model.several else self.model.codes

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the grouping factors of a mixed model that has several; none of any other model."""
        model = self.model
        return tuple(factor.name for factor in model.factors) if isinstance(model, MixedModel) and model.several else ()

    def of_group(self, x: np.ndarray, z: np.ndarray | None, codes: np.ndarray) -> np.ndarray:
        """How far each row's groups lie from the population, ``[N]``; zero for a group that is not known (-1).

        Args:
            x: columns with fixed effects, ``[N, P]``.
            z: columns with random effects ``[N, Q]``; None for a regression per group, whose coefficients are all the group's own.
            codes: of the groups, ``[N]``, or ``[N, F]`` of several factors.
        """
        if self.coef is None:
            return np.zeros(len(x))
        if z is None or self.random_effects is None:
            return _own(x, self.coef.to_numpy() - self.beta, codes)
        if not isinstance(self.random_effects, dict):
            return _own(z, self.random_effects.to_numpy(), codes)
        assert isinstance(self.model, MixedModel)
        found = np.zeros(len(x))
        for f, modes in enumerate(self.random_effects.values()):
            found += _own(z[:, self.model.columns_of(f)], modes.to_numpy(), codes[:, f])
        return found

    @cached_property
    def residuals(self) -> pd.Series:
        """Response less :attr:`fitted`, whatever the weights (R's ``residuals``)."""
        return pd.Series(self.model.y - self.fitted.to_numpy(), index=self.model.rows.index, name="residuals")


def _own(columns: np.ndarray, effects: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Columns ``[N, q]`` times the effects ``[G, q]`` of each row's group, ``[N]``; zero where that is -1."""
    return np.where(codes >= 0, np.einsum("nq,nq->n", columns, effects[codes]), 0.0)


def per_factor(value: Any) -> list[Any]:
    """What a result has of each grouping factor, be it of one or of several."""
    return list(value.values()) if isinstance(value, dict) else [value]


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
