"""What a strategy found for a regression, and the same as the result that a user gets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.frames.fitted import coefficient_table, square
from jaxsim.frames.linear_tests import LinearTests
from jaxsim.frames.regression import Regression
from jaxsim.frames.result import FitResult
from jaxsim.inference import InferenceTable
from jaxsim.status import Status


@dataclass(frozen=True)
class Answer:
    """What a strategy found for a regression, in the user's columns; arrays are NaN where there is no answer.

    ``estimate``, ``df`` ``[P]``; ``vcov`` ``[P, P]``; ``own`` holds p values and confidence limits ``[P]`` that do not come
    from the t distribution (None where they do); ``coef`` every group's own coefficients; ``tests`` those of combinations of
    coefficients.
    """

    status: Status
    message: str
    estimate: np.ndarray
    vcov: np.ndarray
    df: np.ndarray
    criterion: float | None = None
    sigma: float | None = None
    own: InferenceTable | None = None
    coef: pd.DataFrame | None = None
    tests: LinearTests | None = None


def nothing(regression: Regression, status: Status, message: str) -> Answer:
    """The answer of a regression that could not be fitted."""
    p = regression.x.values.shape[1]
    return Answer(status, message, np.full(p, np.nan), np.full((p, p), np.nan), np.full(p, np.nan))


def report(regression: Regression, found: Answer, method: str, conf_level: float) -> FitResult:
    """The answer as tables."""
    names = regression.x.names
    table = coefficient_table(names, found.estimate, np.sqrt(np.diagonal(found.vcov)), found.df, conf_level, found.own)
    return FitResult(
        table=table,
        criterion=found.criterion,
        sigma=found.sigma,
        theta=None,
        theta_names=None,
        varcorr=None,
        covariance=None,
        random_effects=None,
        coef=found.coef,
        vcov=square(found.vcov, names),
        status=found.status.label,
        converged=found.status is Status.OK,
        singular=False,
        n_rows=len(regression.y),
        n_groups=None if regression.labels is None else len(regression.labels),
        messages=regression.messages + ((found.message,) if found.message else ()),
        model=regression,
        method=method,
        conf_level=conf_level,
        resampled=found.own is not None,
        tests=found.tests if found.status is Status.OK and found.own is None else None,
    )
