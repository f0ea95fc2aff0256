"""Whether intervals cover and tests reject as often as they should. Formulas: Morris, White & Crowther (2019), Table 6."""

from __future__ import annotations

import numpy as np

from jaxsim.measures.sample import Measured, Sample


def coverage(sample: Sample) -> Measured:
    """Proportion of intervals that contain the truth; error ``sqrt(c (1 - c) / n)``."""
    return _rate(sample, (sample.conf_low <= sample.truth) & (sample.truth <= sample.conf_high))


def bias_eliminated_coverage(sample: Sample) -> Measured:
    """Proportion of intervals that contain the truth plus the bias: coverage if the estimates were shifted to be unbiased."""
    centre = sample.truth + sample.groups.mean(sample.error)[sample.groups.code]
    return _rate(sample, (sample.conf_low <= centre) & (centre <= sample.conf_high))


def rejection(sample: Sample) -> Measured:
    """Proportion of tests of "the coefficient is zero" with ``p < alpha``: power, or type I error where the truth is zero."""
    return _rate(sample, sample.p_value < sample.alpha)


def _rate(sample: Sample, event: np.ndarray) -> Measured:
    groups = sample.groups
    happened = event.astype(float)
    rate = groups.mean(happened)
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = np.sqrt(rate * (1 - rate) / groups.size)
    return Measured(rate, np.where(groups.is_plain, plain, groups.error_of_mean(happened)), is_rate=True)
