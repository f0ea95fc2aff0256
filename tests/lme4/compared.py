"""The largest differences between an answer here and R's, by kind, and how large each may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

# Relative to the number, but for what may be about zero: to no less than LEAST; of estimates and limits to no less than their
# standard errors; of predictions to sigma.
# lme4's polished optimum is good to 1e-8 and everything else is made of it in closed form, F of small differences; but lmerTest's
# Satterthwaite df are made of numerical derivatives, good to 1e-7 mostly and to 3e-4 at times, and to 2e-3 where they are in doubt.
# R's ptukey and qtukey are good to 2e-6.
TARGETS = {
    "estimates": 1e-6,
    "standard errors": 1e-6,
    "covariance of random effects": 1e-6,
    "predictions": 1e-6,
    "F": 1e-5,
    "df, Satterthwaite": 1e-3,
    "df, Satterthwaite, in doubt": 1e-3,
    "df, Kenward-Roger": 1e-6,
    "means and errors": 1e-6,
    "limits and p, Satterthwaite": 1e-3,
    "limits and p, Satterthwaite, in doubt": 1e-3,
    "limits and p, Kenward-Roger": 1e-4,
    "likelihoods": 1e-6,
}
# Where a variance is about zero lme4's optimum may not be polished: theta is good to the root of the criterion's rounding.
AT_EDGE = 10.0
TITLES = {"satterthwaite": "Satterthwaite", "kenward-roger": "Kenward-Roger"}
LEAST = {"p_value": 0.05, "statistic": 1.0}
OF_ERRORS = ("estimate", "mean", "conf_low", "conf_high")
DF_NUMBERS = ("den_df", "df", "p_value", "conf_low", "conf_high")


@dataclass
class Compared:
    """What came of a question: the largest difference of each kind, what one side alone said, and how it ``ended``: ``compared``,
    ``refused`` by both or, for a reason that is known, ``refused here``, ``lower here by ..`` of the criterion, or ``failed``."""

    ended: str = "compared"
    in_doubt: bool = False
    differences: dict[str, float] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def note(self, what: str, off: Any) -> None:
        """Keep the largest difference of a kind; a NaN of one side alone is infinite."""
        largest = float(np.max(np.asarray(off, float), initial=0.0))
        self.differences[what] = max(self.differences.get(what, 0.0), np.inf if np.isnan(largest) else largest)

    def table(self, ours: pd.DataFrame, theirs: dict[str, Any], method: str) -> None:
        """Compare the columns that R's table has."""
        for column, values in theirs.items():
            expected = np.array(values if isinstance(values, list) else [values], float)
            if column == "num_df":
                expected = np.nan_to_num(expected)  # of a term without a hypothesis: ours is 0
            made = ours[column].to_numpy(float)
            size = np.maximum(np.nan_to_num(np.abs(expected)), LEAST.get(column, 1e-3))
            if column in OF_ERRORS:
                size = np.maximum(size, np.nan_to_num(ours["std_error"].to_numpy(float)))
            if column in ("f", "sum_sq"):  # as close as the statistics are whose mean square F is
                size = size * np.maximum(1, 1 / np.sqrt(np.maximum(np.nan_to_num(ours["f"].to_numpy(float), nan=1.0), 1e-12)))
            self.note(kind_of(column, method, self.in_doubt), apart(made, expected) / size)

    @property
    def beyond(self) -> dict[str, float]:
        """What misses its target."""
        rate = AT_EDGE if self.in_doubt else 1.0
        return {what: value for what, value in self.differences.items() if not value <= rate * TARGETS[what]}

    @property
    def bad(self) -> bool:
        """Whether something must be explained."""
        return bool(self.beyond or self.said)


def apart(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Absolute differences: zero where neither has a number, NaN where one has."""
    if ours.shape != theirs.shape:
        return np.array([np.nan])
    return np.where(np.isnan(ours) & np.isnan(theirs), 0.0, np.abs(ours - theirs))


def kind_of(column: str, method: str, in_doubt: bool) -> str:
    """Which target a column is held to."""
    if method == "likelihood":
        return "likelihoods"
    if column not in DF_NUMBERS:
        return "F" if column in ("f", "sum_sq", "num_df") else "means and errors"
    edge = ", in doubt" if in_doubt and method == "satterthwaite" else ""
    return f"{'df' if column in ('den_df', 'df') else 'limits and p'}, {TITLES[method]}{edge}"
