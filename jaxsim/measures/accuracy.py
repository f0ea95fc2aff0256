"""How near the truth the estimates are. Formulas: Morris, White & Crowther (2019), Table 6, on errors ``e = estimate - truth``."""

from __future__ import annotations

import numpy as np

from jaxsim.measures.sample import Measured, Sample


def bias(sample: Sample) -> Measured:
    """``mean(e)``; error ``sd(e) / sqrt(n)``."""
    return Measured(sample.groups.mean(sample.error), sample.groups.error_of_mean(sample.error))


def relative_bias(sample: Sample) -> Measured:
    """``mean(e) / mean(truth)``: ``mean(e) / truth`` where the truth is constant, and finite in variance where it is drawn.

    Error by the delta method, ``sd(e - r truth) / (sqrt(n) |mean(truth)|)``. NaN where the mean truth is zero.
    """
    groups = sample.groups
    truth = groups.mean(sample.truth)
    divisor = np.where(truth == 0, np.nan, truth)
    ratio = groups.mean(sample.error) / divisor
    return Measured(ratio, groups.error_of_mean(sample.error - ratio[groups.code] * sample.truth) / np.abs(divisor))


def empirical_se(sample: Sample) -> Measured:
    """``sd(e)``, the standard deviation of the estimates around their truths; error ``sd(e) / sqrt(2 (n - 1))``.

    That error assumes normal estimates; where a group pools cells or terms it does not, and uses fourth moments.
    """
    groups = sample.groups
    spread = np.sqrt(groups.variance(sample.error))
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = spread / np.sqrt(2 * (groups.size - 1.0))
        centred = sample.error - groups.mean(sample.error)[groups.code]
        pooled = groups.error_of_mean(centred**2) / (2 * spread)
    return Measured(spread, np.where(groups.is_plain, plain, pooled))


def mse(sample: Sample) -> Measured:
    """``mean(e^2)``; error ``sd(e^2) / sqrt(n)``."""
    return Measured(sample.groups.mean(sample.error**2), sample.groups.error_of_mean(sample.error**2))


def rmse(sample: Sample) -> Measured:
    """``sqrt(mean(e^2))``; error ``sd(e^2) / (2 RMSE sqrt(n))``."""
    squared = mse(sample)
    value = np.sqrt(squared.value)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Measured(value, squared.mcse / (2 * value))
