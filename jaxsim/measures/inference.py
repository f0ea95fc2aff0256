"""Whether intervals cover and tests reject as often as they should. Formulas: Morris, White & Crowther (2019), Table 6."""

from __future__ import annotations

import numpy as np

from jaxsim.measures.sample import Measured, Sample, rate_of

# A p value that is alpha but for rounding is alpha.
ROUNDING = 1e-12


def covers(sample: Sample, centre: np.ndarray) -> np.ndarray:
    """Whether each interval contains ``centre``, bool ``[rows]``."""
    return (sample.conf_low <= centre) & (centre <= sample.conf_high)


def coverage(sample: Sample) -> Measured:
    """Proportion of intervals that contain the truth; error ``sqrt(c (1 - c) / n)``."""
    return rate_of(sample.strata, covers(sample, sample.truth))


def bias_eliminated_coverage(sample: Sample) -> Measured:
    """Proportion of intervals that contain the truth plus the bias: coverage if the estimates were shifted to be unbiased."""
    return rate_of(sample.strata, covers(sample, sample.truth + sample.strata.mean(sample.error)[sample.strata.code]))


def rejects(sample: Sample) -> np.ndarray:
    """Whether ``p <= alpha``, bool ``[rows]``: resampled p values may be equal to it, and their intervals then exclude zero."""
    return sample.p_value <= sample.alpha + ROUNDING


def rejection(sample: Sample) -> Measured:
    """Proportion of tests of "the coefficient is zero" with ``p <= alpha``: power, or type I error where the truth is zero."""
    return rate_of(sample.strata, rejects(sample))
