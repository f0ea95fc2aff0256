"""How near the truth the estimates are. Formulas: Morris, White & Crowther (2019), Table 6, on errors ``e = estimate - truth``."""

from __future__ import annotations

import numpy as np

from jaxsim.measures.interval import Z
from jaxsim.measures.sample import Measured, Sample, mean_of


def bias(sample: Sample) -> Measured:
    """``mean(e)``; error ``sd(e) / sqrt(n)``."""
    return mean_of(sample.strata, sample.error)


def relative_bias(sample: Sample) -> Measured:
    """``mean(e) / mean(truth)``: ``mean(e) / truth`` where the truth is constant, and finite in variance where it is drawn.

    Error by the delta method, ``sd(e - r truth) / (sqrt(n) |mean(truth)|)``. NaN where the mean truth is zero.
    """
    strata = sample.strata
    truth = strata.mean(sample.truth)
    divisor = np.where(truth == 0, np.nan, truth)
    ratio = strata.mean(sample.error) / divisor
    rest = sample.error - ratio[strata.code] * sample.truth
    return Measured(ratio, strata.error_of_mean(rest) / np.abs(divisor), strata.centred(rest) / divisor[strata.code])


def empirical_se(sample: Sample) -> Measured:
    """``sd(e)``, the standard deviation of the estimates around their truths; error ``sd(e) / sqrt(2 (n - 1))``."""
    strata = sample.strata
    spread = strata.sd(sample.error)
    with np.errstate(invalid="ignore", divide="ignore"):
        mcse = spread / np.sqrt(2 * (strata.size - 1.0))
        influence = strata.centred(strata.centred(sample.error) ** 2) / (2 * spread)[strata.code]
    return Measured(spread, mcse, influence)


def mse(sample: Sample) -> Measured:
    """``mean(e^2)``; error ``sd(e^2) / sqrt(n)``."""
    return mean_of(sample.strata, sample.error**2)


def rmse(sample: Sample) -> Measured:
    """``sqrt(mean(e^2))``; error ``sd(e^2) / (2 RMSE sqrt(n))``."""
    squared = mse(sample)
    value = np.sqrt(squared.value)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Measured(value, squared.mcse / (2 * value), squared.influence / (2 * value)[sample.strata.code])


def median_absolute_error(sample: Sample) -> Measured:
    """``median(|e|)``, which exists where a strategy's errors have no finite variance.

    Error from the order statistics that bound a 95% interval of the median: ``(x_(n+1-c) - x_(c)) / (2 z)`` with
    ``c = (n + 1) / 2 - z sqrt(n / 4)`` rounded.
    """
    strata, size = sample.strata, np.abs(sample.error)
    order = np.lexsort((size, strata.code))
    ordered, n = size[order], strata.size
    start = np.concatenate([[0], np.cumsum(n)[:-1]])
    filled = n > 0

    def at(rank: np.ndarray) -> np.ndarray:
        place = np.clip(start + rank - 1, 0, max(len(ordered) - 1, 0))
        return np.where(filled, ordered[place] if len(ordered) else np.nan, np.nan)

    low = np.clip(np.round((n + 1) / 2 - Z * np.sqrt(n / 4)), 1, None).astype(int)
    value = (at((n + 1) // 2) + at(n // 2 + 1)) / 2
    mcse = np.where(n > 1, (at(n + 1 - low) - at(low)) / (2 * Z), np.nan)
    influence = strata.centred(np.sign(size - value[strata.code])) * (mcse * np.sqrt(n))[strata.code]
    return Measured(value, mcse, influence)
