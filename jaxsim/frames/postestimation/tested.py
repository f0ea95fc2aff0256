"""The tests that a fit allows, or the sentence that says why there are none."""

from __future__ import annotations

import warnings

import numpy as np

from jaxsim.errors import InputError, brief, check_probability
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.linear_tests import NOT_IDENTIFIED, JointTest, LinearTests, PartialTests
from jaxsim.inference import f_tail


def linear_tests_of(fit: Fitted, df: str | None = None) -> LinearTests:
    """The tests of combinations of a fit's coefficients.

    Args:
        fit: the model.
        df: degrees of freedom as for :func:`jaxsim.lmer`; None for those of the fit.

    Raises:
        InputError: for a fit without an answer, one whose p values come from resamples, and ``df`` that it cannot have.
    """
    if fit.tests is None:
        raise InputError(_why_none(fit))
    if df is None:
        return fit.tests
    if not isinstance(df, str):
        raise InputError(f"df={brief(df)} must be the name of a method, such as 'satterthwaite'.")
    return fit.tests.by(df)


def _why_none(fit: Fitted) -> str:
    if fit.resampled:
        return (
            "the p values of this fit come from resamples, which were made for its coefficients only; for tests and intervals of "
            "combinations of them fit it with inference='t'."
        )
    if fit.status not in ("ok", "singular"):
        reason = f": {fit.messages[-1]}" if fit.messages else ""
        return f"this fit has no answer of which a test could be made; its status is {fit.status!r}{reason}."
    return "this fit was made by R and holds no more than its table; fit the model with jaxsim.lmer, lm or lm2 to ask for tests."


def level_of(fit: Fitted, conf_level: float | None) -> float:
    """The confidence level that is asked for: the fit's own if None."""
    if conf_level is None:
        return fit.conf_level
    check_probability("conf_level", conf_level)
    return float(conf_level)


def joint_test(tests: LinearTests, rows: np.ndarray, distance: np.ndarray, what: str) -> tuple[JointTest, float]:
    """A test of independent combinations, and its p value; a test that cannot be had is NaN, with a warning that names it."""
    found = tests.joint(rows, distance)
    if np.isnan(found.f) or np.isnan(found.den_df):
        reason = "the groups are too few for their joint covariance, or the data say nothing about a variance that matters"
        if isinstance(tests, PartialTests):
            reason = NOT_IDENTIFIED
        count = "it" if len(rows) == 1 else f"{len(rows)} combinations at once"
        warnings.warn(
            f"{what}: there is no test of {count}; {reason}",
            UserWarning,
            stacklevel=4,
        )
        found = JointTest(np.nan, found.num_df, np.nan)
    return found, float(f_tail(found.f, found.num_df, found.den_df))
