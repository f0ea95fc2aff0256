"""What fitting a DataFrame returns."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.inference import InferenceTable, t_table


@dataclass(frozen=True, eq=False)
class FitResult:
    """One fitted model. What a method does not have is None; what could not be computed is NaN, and ``status`` says why.

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
        formula: as given.
        method: one line that says how the model was fitted.
        conf_level: of ``conf_low`` and ``conf_high``.
        resampled: whether p values and limits come from resamples (a bootstrap or a permutation test) and not from t with ``df``.
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
    formula: str
    method: str
    conf_level: float
    resampled: bool = False

    def summary(self) -> str:
        """The fit as text, in the layout of lme4."""
        from jaxsim.bridges.summary import summarise  # noqa: PLC0415 (it needs this class)

        return summarise(self)

    def __str__(self) -> str:
        return self.summary()


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


def check_level(conf_level: float) -> None:
    """Raise :class:`InputError` unless the level lies between 0 and 1."""
    if isinstance(conf_level, bool) or not isinstance(conf_level, (int, float)) or not 0 < conf_level < 1:
        raise InputError(f"conf_level={conf_level!r} must be a number between 0 and 1, such as 0.95.")


def announce(fit: FitResult) -> FitResult:
    """Warn of everything in ``messages`` (dropped rows, a singular or failed fit) and return the fit."""
    for message in fit.messages:
        warnings.warn(message, UserWarning, stacklevel=3)
    return fit
