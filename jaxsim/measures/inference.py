"""Whether intervals cover and tests reject as often as they should. Formulas: Morris, White & Crowther (2019), Table 6."""

from __future__ import annotations

from jaxsim.measures.measure import Rate
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary

# Proportion of intervals that contain the truth.
COVERAGE = Rate("covers")
# Proportion of intervals that contain the truth plus the bias: coverage if the estimates were shifted to be unbiased.
BIAS_ELIMINATED_COVERAGE = Rate("covers_shifted")
# Proportion of tests of "the coefficient is zero" with p <= alpha: power, or type I error where the truth is zero.
REJECTION = Rate("rejects")


def covers_shifted(rows: Rows, summary: Summary) -> Array:
    """Whether each interval contains the truth plus the bias of its stratum, 0 or 1, ``[rows]``."""
    centre = rows["truth"] + summary.mean("error")[rows.code]
    return ((rows["conf_low"] <= centre) & (centre <= rows["conf_high"])).astype(float)
