"""Expected responses of rows from a fitted model, and how far they may be off."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, check_probability, choose
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.linear_tests import NOT_IDENTIFIED, FixedDf
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.fit_components import require_usable
from jaxsim.frames.postestimation.new_rows import NewRows, new_rows
from jaxsim.frames.postestimation.partial_prediction import without_unknown
from jaxsim.frames.postestimation.prediction_error import Design, Spread, spread
from jaxsim.frames.regression import Regression
from jaxsim.inference import t_point

LEVELS = ("group", "population")
INTERVALS = ("confidence", "prediction")


def predict(
    fit: Fitted,
    data: pd.DataFrame | None = None,
    level: str = "group",
    interval: str | None = None,
    conf_level: float | None = None,
) -> pd.Series | pd.DataFrame:
    """Expected responses, and intervals for them or for the responses themselves.

    Args:
        fit: the model.
        data: rows with its predictors and, at the level of groups, its groups; the fitted rows when None.
        level: ``group``: with the effects of the row's own group (of its own level of each grouping factor), which are zero for a
            group that the model has not seen; ``population``: with fixed effects alone.
        interval: ``confidence``: of the prediction itself, from the uncertainty of the fixed effects and, at the level of groups,
            of the conditional modes with them (:mod:`jaxsim.frames.postestimation.prediction_error`). ``prediction``: of a new
            response, which adds the residual variance (of a row of weight 1) and, for the population and groups that the model has
            not seen, the variance of the random effects. None: no interval.
        conf_level: of the interval; that of the fit when None.

    Returns:
        A number for each row, with the labels of the rows, NaN with a warning where a column that was dropped would decide it.
        With an interval ``estimate, std_error, conf_low, conf_high``, where ``std_error`` is the standard deviation of the error
        that the interval is about. Limits use t with the degrees of freedom that the fit has for the row's combination of
        coefficients (N - P of ``ols``, as R's ``predict.lm``). Where random effects or new responses of ``lmer`` are predicted
        these are Satterthwaite's for the variance of the row's error, unless the fit has the same ones for everything.

        Of a fit whose status is ``unidentified`` the rows that depend on what nobody knows have NaN, with a warning
        (:mod:`jaxsim.frames.postestimation.partial_prediction`).

    Raises:
        InputError: for a column that is not there, a missing value, a level that no fitted row has, or groups of another type; for
            intervals of a fit that has none.
    """
    choose("level", level, LEVELS)
    grouped = level == "group" and fit.coef is not None
    if interval is None:
        return _expected(fit, _rows(fit, data, grouped, random=grouped), grouped)
    choose("interval", interval, INTERVALS)
    if conf_level is not None:
        check_probability("conf_level", conf_level)
    if fit.status != "unidentified" or fit.factors:
        require_usable(fit, "an interval")
    new = interval == "prediction"
    rows = _rows(fit, data, grouped, random=grouped or new)
    return with_interval(fit, rows, grouped, new, conf_level)


def with_interval(fit: Fitted, rows: NewRows, grouped: bool, new: bool, conf_level: float | None) -> pd.DataFrame:
    """:func:`predict` of the matrices of rows; of new responses if ``new``."""
    if fit.status == "unidentified":
        fit, rows = without_unknown(fit, rows, new)
        _warn_of_unidentified(rows)
    estimate = _expected(fit, rows, grouped)
    found = _of_mixed(fit, rows, new) if isinstance(fit.model, MixedModel) else _of_regression(fit, rows, grouped, new)
    error = np.sqrt(found.variance) * _blank(rows)
    reach = t_point((1 + (fit.conf_level if conf_level is None else conf_level)) / 2, found.df) * error
    columns = {"estimate": estimate, "std_error": error, "conf_low": estimate - reach, "conf_high": estimate + reach}
    return pd.DataFrame(columns, index=rows.index)


def _rows(fit: Fitted, data: pd.DataFrame | None, grouped: bool, random: bool) -> NewRows:
    """The matrices of the rows that are predicted; the fitted ones without ``data``."""
    if data is not None:
        return new_rows(fit.model, data, grouped=grouped, random=random)
    model = fit.model
    codes = fit.row_codes if grouped else None
    codes = np.full(len(model.y), -1) if codes is None else codes
    return NewRows(model.x.values, fit.model_z, codes, model.rows.index, [], model.offset)


def _blank(rows: NewRows) -> np.ndarray | float:
    """1 for rows whose expectation the fitted rows decide, NaN for others."""
    return 1.0 if rows.known is None else np.where(rows.known, 1.0, np.nan)


def _warn_of_unknown(fit: Fitted, rows: NewRows) -> None:
    unknown = 0 if rows.known is None else int((~rows.known).sum())
    if unknown and fit.model.x.aliased:
        warnings.warn(
            f"{unknown} of {len(rows.x)} rows cannot be predicted: combinations of predictors that no fitted row has decide them "
            f"({', '.join(fit.model.x.aliased)} was dropped); they are NaN",
            UserWarning,
            stacklevel=5,
        )


def _warn_of_unidentified(rows: NewRows) -> None:
    assert rows.known is not None
    if not rows.known.all():
        warnings.warn(
            f"{int((~rows.known).sum())} of {len(rows.x)} rows have no interval: {NOT_IDENTIFIED}; they are NaN",
            UserWarning,
            stacklevel=5,
        )


def _expected(fit: Fitted, rows: NewRows, grouped: bool) -> pd.Series:
    _warn_of_unknown(fit, rows)
    values = rows.x @ fit.beta
    if grouped:
        values = values + fit.of_group(rows.x, rows.z, rows.codes)
    if rows.offset is not None:
        values = values + rows.offset
    return pd.Series(values * _blank(rows), index=rows.index, name="prediction")


def _of_mixed(fit: Fitted, rows: NewRows, new: bool) -> Spread:
    """Of a mixed model's predictions; of new responses if ``new``."""
    assert isinstance(fit.model, MixedModel)
    z = np.zeros((len(rows.x), len(fit.model.random_names))) if rows.z is None else rows.z
    if not fit.model.blocks:
        variance = np.einsum("np,pr,nr->n", rows.x, fit.vcov.to_numpy(), rows.x)
        assert fit.tests is not None
        assert fit.sigma is not None
        return Spread(variance + new * fit.sigma**2, fit.tests.df(rows.x))
    found = spread(fit, Design(rows.x, z, rows.codes), effects=new, noise=new)
    assert fit.tests is not None
    of_means = not new and (rows.codes < 0).all()
    return found._replace(df=fit.tests.df(rows.x)) if of_means or isinstance(fit.tests, FixedDf) else found


def _of_regression(fit: Fitted, rows: NewRows, grouped: bool, new: bool) -> Spread:
    """Of the predictions of a regression, with its classical or robust covariance."""
    assert isinstance(fit.model, Regression)
    if grouped:
        raise InputError("a two-stage analysis says nothing of how well each group is known; use level='population'.")
    extra = 0.0 if not new else np.nan if fit.sigma is None else fit.sigma**2
    if np.isnan(extra):
        raise InputError("a two-stage analysis has no variance of new responses; use interval='confidence'.")
    variance = np.einsum("np,pr,nr->n", rows.x, fit.vcov.to_numpy(), rows.x)
    assert fit.tests is not None
    return Spread(variance + extra, fit.tests.df(rows.x))
