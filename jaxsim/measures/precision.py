"""Whether the reported standard errors are honest. Formulas: Morris, White & Crowther (2019), Table 6."""

from __future__ import annotations

import numpy as np

from jaxsim.measures.accuracy import empirical_se
from jaxsim.measures.sample import Measured, Sample, mean_of


def model_se(sample: Sample) -> Measured:
    """``ModSE = sqrt(mean(SE^2))``; error ``sqrt(var(SE^2) / (4 n ModSE^2))``."""
    variance = mean_of(sample.strata, sample.std_error**2)
    value = np.sqrt(variance.value)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Measured(value, variance.mcse / (2 * value), variance.influence / (2 * value)[sample.strata.code])


def model_se_error(sample: Sample) -> Measured:
    """Relative error of the model SE in percent, ``100 (ModSE / EmpSE - 1)``: below zero the method is overconfident.

    Error ``100 (ModSE / EmpSE) sqrt(var(SE^2) / (4 n ModSE^4) + 1 / (2 (n - 1)))``, with SE and estimate taken as independent.
    """
    code = sample.strata.code
    model, empirical = model_se(sample), empirical_se(sample)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = 100 * model.value / empirical.value
        mcse = ratio * np.sqrt((model.mcse / model.value) ** 2 + (empirical.mcse / empirical.value) ** 2)
        relative = model.influence / model.value[code] - empirical.influence / empirical.value[code]
    return Measured(ratio - 100, mcse, ratio[code] * relative)


def mean_width(sample: Sample) -> Measured:
    """Mean width of the confidence intervals, infinite if one is unbounded; error ``sd / sqrt(n)``."""
    return mean_of(sample.strata, sample.conf_high - sample.conf_low)
