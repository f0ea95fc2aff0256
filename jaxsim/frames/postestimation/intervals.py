"""Confidence intervals of every parameter of a fit: fixed effects, variance components, residual standard deviation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from jaxsim.errors import InputError, NotSupportedError, check_probability, choose, whole_number
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.bootstrap import bootstrap
from jaxsim.frames.postestimation.crossed_posed import crossed_posed
from jaxsim.frames.postestimation.fit_components import (
    Component,
    component_values,
    is_reml,
    parameter_names,
    parameter_values,
    random_components,
    require_usable,
)
from jaxsim.frames.postestimation.posed import posed
from jaxsim.frames.postestimation.profile import profile_limits
from jaxsim.frames.postestimation.surface import derivatives
from jaxsim.inference import chi_square_point, t_point
from jaxsim.status import USABLE_LABELS

METHODS = ("wald", "profile", "bootstrap")
TYPES = ("percentile", "basic")
# A diagonal entry of the relative factor, for columns of mean square 1, below which a standard deviation is zero or a correlation
# 1: neither has a Wald interval. lme4's isSingular has the same number for the columns in the units given.
BOUNDARY = 1e-4


def confint(
    fit: Fitted,
    method: str = "wald",
    conf_level: float | None = None,
    draws: int = 1000,
    seed: int = 0,
    kind: str = "percentile",
) -> pd.DataFrame:
    """Confidence intervals.

    Args:
        fit: the model.
        method: ``wald``: those of the fit's table for fixed effects; for variance components of ``lmer`` normal intervals of the
            logarithm of a standard deviation and Fisher's z of a correlation, by the observed information of the fit's criterion
            (as nlme's ``intervals``, which differentiates numerically), NaN at the boundary and where a variance is not
            identified; for ``sigma`` of ``ols`` the exact interval by chi-square. ``profile``: by the profile of the likelihood
            (:mod:`jaxsim.frames.postestimation.profile`), of ``lmer`` only; a bound of the parameter (0, -1, 1) where the data do
            not exclude it. ``bootstrap``: from refits to ``draws`` simulated responses.
        conf_level: that of the fit when None.
        draws, seed: of the bootstrap; see :func:`~jaxsim.frames.postestimation.bootstrap.bootstrap`.
        kind: of the bootstrap's interval: ``percentile``, or ``basic``, which reflects it at the estimate.

    Returns:
        ``term, estimate, conf_low, conf_high``: fixed effects, ``sd_<group>_<term>``, ``cor_<group>_<term>_<term>``, ``sigma``.

    Raises:
        InputError: for a fit without an answer, or a method that it does not have.
        NotSupportedError: for profiles of a fit with several grouping factors.
    """
    choose("method", method, METHODS)
    choose("kind", kind, TYPES)
    level = fit.conf_level if conf_level is None else conf_level
    check_probability("conf_level", level)
    if method != "wald" or fit.status != "unidentified":
        require_usable(fit, f"an interval by method={method!r}")
    estimate = parameter_values(fit)
    if method == "wald":
        low, high = _wald(fit, level)
    elif method == "profile":
        if not isinstance(fit.model, MixedModel):
            raise InputError("method='profile' is for lmer; a regression has method='wald', and after ols that is exact.")
        if fit.factors:
            raise NotSupportedError(
                "method='profile' takes fits with one grouping factor; for several take method='wald', or method='bootstrap', "
                "whose limits need no symmetry either."
            )
        low, high = profile_limits(fit, level)
    else:
        low, high = _bootstrap(fit, estimate, level, whole_number("draws", draws, 2), seed, kind)
    frame = pd.DataFrame({"term": parameter_names(fit.model), "estimate": estimate, "conf_low": low, "conf_high": high})
    return frame if fit.sigma is not None else frame.iloc[:-1]


def _wald(fit: Fitted, level: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = _fixed_effects(fit, level)
    if fit.status == "unidentified":
        below, above = np.full((2, len(random_components(fit.model)) + 1), np.nan)
    elif isinstance(fit.model, MixedModel):
        below, above = _components(fit, level)
    else:
        below, above = (np.atleast_1d(limit) for limit in _residual(fit, level))
    return np.append(low, below), np.append(high, above)


def _fixed_effects(fit: Fitted, level: float) -> tuple[np.ndarray, np.ndarray]:
    """By t with the df of the table; the table's own where they come from resamples."""
    table = fit.table
    if fit.resampled:
        if level != fit.conf_level:
            raise InputError(
                f"the limits of this fit come from resamples, at conf_level={fit.conf_level}; fit it again with conf_level={level}."
            )
        return table["conf_low"].to_numpy(), table["conf_high"].to_numpy()
    reach = t_point((1 + level) / 2, table["df"].to_numpy()) * table["std_error"]
    return (table["estimate"] - reach).to_numpy(), (table["estimate"] + reach).to_numpy()


def _residual(fit: Fitted, level: float) -> tuple[float, float]:
    """Of a regression's ``sigma``: exact where rows are independent, none with clusters."""
    if fit.sigma is None or fit.model.groups is not None:
        return np.nan, np.nan
    nu = len(fit.model.y) - len(fit.beta)
    low, high = chi_square_point(np.array([(1 + level) / 2, (1 - level) / 2]), nu)
    return float(fit.sigma * np.sqrt(nu / low)), float(fit.sigma * np.sqrt(nu / high))


def _components(fit: Fitted, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Of standard deviations, correlations and ``sigma`` by the delta method; NaN where one is at its bound."""
    assert isinstance(fit.model, MixedModel)
    assert fit.sigma is not None
    parts = random_components(fit.model)
    found = _crossed_slopes(fit, parts) if fit.factors else _own_slopes(fit, parts)
    if found is None:
        return np.full(len(parts) + 1, np.nan), np.full(len(parts) + 1, np.nan)
    covariance, hessian, slopes = found
    values = component_values(parts, covariance)
    error = np.sqrt(np.einsum("ck,kl,cl->c", slopes, 2 * np.linalg.inv(hessian), slopes))
    reach = special.ndtri((1 + level) / 2) * error
    correlation = np.array([i != j for _, i, j in parts] + [False])
    values = np.append(np.where(correlation[:-1], values, values * fit.sigma), fit.sigma)
    with np.errstate(invalid="ignore"):
        middle = np.where(correlation, np.arctanh(values), np.log(values))
    low, high = (np.where(correlation, np.tanh(at), np.exp(at)) for at in (middle - reach, middle + reach))
    return low, high


def _own_slopes(fit: Fitted, parts: Sequence[Component]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Relative covariance ``[Q, Q]``, Hessian of the deviance in the factor's entries and the log residual variance
    ``[T + 1, T + 1]``, and slopes of the components and of log ``sigma`` in these ``[C + 1, T + 1]``; None at the boundary."""
    at = posed(fit)
    if (np.diagonal(at.factor) < BOUNDARY).any():
        return None
    covariance = at.back @ at.relative @ at.back.T
    _, _, hessian = derivatives(at.surface(is_reml(fit)), at.factor, 0.0)
    slopes = np.zeros((len(parts) + 1, len(hessian)))
    slopes[:-1, :-1] = _slopes(parts, covariance, at.back @ at.directions @ at.back.T)
    slopes[-1, -1] = 0.5
    return covariance, hessian, slopes


def _crossed_slopes(fit: Fitted, parts: Sequence[Component]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """As :func:`_own_slopes`, in a relative factor's entries and the residual standard deviation."""
    at = crossed_posed(fit)
    if (at.pivots < BOUNDARY).any():
        return None
    slopes = np.zeros((len(parts) + 1, len(at.hessian)))
    slopes[:-1, :-1] = _slopes(parts, at.relative, at.directions)
    slopes[:, -1] = [*(float(i == j) for _, i, j in parts), 1.0]
    slopes[:, -1] /= at.deviation
    return at.relative, at.hessian, slopes


def _slopes(parts: Sequence[Component], covariance: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Of log standard deviations and Fisher's z of correlations, where the covariance moves by ``[T, Q, Q]``: ``[C, T]``."""
    logs = np.einsum("tqq->qt", moved) / (2 * np.diagonal(covariance)[:, None])
    found = []
    for _, i, j in parts:
        scale = np.sqrt(covariance[i, i] * covariance[j, j])
        r = covariance[i, j] / scale
        found.append(logs[i] if i == j else (moved[:, i, j] / scale - r * (logs[i] + logs[j])) / (1 - r**2))
    return np.array(found)


def _bootstrap(fit: Fitted, estimate: np.ndarray, level: float, draws: int, seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of the refits that have an answer; a warning counts the others."""
    refits = bootstrap(fit, draws, seed)
    usable = refits["status"].isin(USABLE_LABELS)
    failed = int((~usable).sum())
    if failed:
        warnings.warn(
            f"{failed} of {draws} refits have no answer; the limits are quantiles of the others", UserWarning, stacklevel=4
        )
    values = refits.loc[usable, list(parameter_names(fit.model))].to_numpy()
    if not len(values):
        return np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a correlation that no refit has
        low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return (low, high) if kind == "percentile" else (2 * estimate - high, 2 * estimate - low)
