"""Tables of tests of whole terms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.linear_tests import combined
from jaxsim.frames.postestimation.term_hypotheses import hypotheses, term_names
from jaxsim.frames.postestimation.tested import joint_test, linear_tests_of

_ROMAN = {"I": 1, "II": 2, "III": 3, "1": 1, "2": 2, "3": 3}


def anova(fit: Fitted, type: int | str = 3, df: str | None = None) -> pd.DataFrame:
    """F tests of the terms, as lmerTest's ``anova``.

    A mixed model has the method of its fit, or that of ``df``; least squares has F with N - P, cluster-robust errors have the
    approximate Hotelling test (clubSandwich's HTZ) or the df of the fit, and ``lm2`` has Hotelling's T squared of the groups'
    coefficients.

    Args:
        fit: the model.
        type: 1, each term after those before it; 2, after all that do not contain it; 3, the same hypothesis whatever the coding
            and the numbers of rows (see :mod:`jaxsim.frames.postestimation.term_hypotheses`).
        df: ``satterthwaite``, ``kenward-roger`` or another of :func:`jaxsim.lmer`; None for that of the fit.

    Returns:
        ``term, sum_sq, mean_sq, num_df, den_df, f, p_value``; ``mean_sq`` is F, before it is scaled
        by Kenward and Roger's lambda, times the residual variance (NaN without one).

    Raises:
        InputError: for another type, ``df`` that the fit cannot have, and a fit without tests.
    """
    kind = _ROMAN.get(str(type).upper())
    if kind is None:
        if isinstance(type, Fitted):
            raise InputError("fit.anova() tests the terms of one fit; jaxsim.anova(smaller, fit) compares two.")
        raise InputError(f"type={brief(type)} must be 1, 2 or 3.")
    tests, beta = linear_tests_of(fit, df), fit.beta
    variance = np.nan if fit.sigma is None else fit.sigma**2
    lines = []
    for term, rows in zip(term_names(fit.model.x), hypotheses(fit.model, kind), strict=True):
        if not len(rows):
            lines.append((term, np.nan, np.nan, 0, np.nan, np.nan, np.nan))
            continue
        found, p_value = joint_test(tests, rows, combined(rows, beta), term)
        mean = found.f / found.scale * variance
        lines.append((term, mean * found.num_df, mean, int(found.num_df), found.den_df, found.f, p_value))
    return pd.DataFrame(lines, columns=["term", "sum_sq", "mean_sq", "num_df", "den_df", "f", "p_value"])
