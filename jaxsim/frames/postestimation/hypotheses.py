"""Tests of linear hypotheses about the coefficients."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.linear_tests import JointTest, combined, variances
from jaxsim.frames.postestimation.linear_formula import read
from jaxsim.frames.postestimation.tested import joint_test, linear_tests_of
from jaxsim.numerics.row_basis import dependent


def hypotheses(fit: Fitted, text: str, df: str | None = None) -> pd.DataFrame:
    """Test linear hypotheses about the coefficients, each by itself and all together.

    Args:
        fit: the model.
        text: such as ``"a = b, c = 0"`` or ``"x + 2 * z = 1"``, in the names of the table, with backquotes around odd ones.
        df: degrees of freedom as for :func:`jaxsim.lmer`; None for those of the fit.

    Returns:
        ``hypothesis, estimate, std_error, num_df, den_df, f, p_value``: a row for each, ``estimate`` being how far the left side
        lies above the right; then, for several, a row ``joint``.

    Raises:
        InputError: for text that cannot be read, names that are not there, hypotheses that contradict or repeat each other, and a
            fit without tests.
    """
    tests, asked = linear_tests_of(fit, df), read(text, fit.model.x.names)
    rows = asked.rows
    implied = dependent(rows.T)
    if implied:
        shown = ", ".join(repr(asked.texts[i]) for i in implied)
        raise InputError(f"in {brief(text)}, {shown} follows from the hypotheses before, or contradicts them; leave it out.")
    distance = combined(rows, fit.beta) - asked.values
    variance = variances(rows, tests.vcov)
    lines = [
        (text, distance[i], np.sqrt(variance[i]), *_line(*joint_test(tests, rows[[i]], distance[[i]], text)))
        for i, text in enumerate(asked.texts)
    ]
    if len(rows) > 1:
        lines.append(("joint", np.nan, np.nan, *_line(*joint_test(tests, rows, distance, "joint"))))
    return pd.DataFrame(lines, columns=["hypothesis", "estimate", "std_error", "num_df", "den_df", "f", "p_value"])


def _line(found: JointTest, p_value: float) -> tuple[float, float, float, float]:
    return found.num_df, found.den_df, found.f, p_value
