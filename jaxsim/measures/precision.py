"""Whether the reported standard errors are honest. Formulas: Morris, White & Crowther (2019), Table 6."""

from __future__ import annotations

import numpy as np

from jaxsim.measures.accuracy import empirical_se
from jaxsim.measures.sample import Measured, Sample


def model_se(sample: Sample) -> Measured:
    """``ModSE = sqrt(mean(SE^2))``; error ``sqrt(var(SE^2) / (4 n ModSE^2))``."""
    groups = sample.groups
    variance = sample.std_error**2
    value = np.sqrt(groups.mean(variance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return Measured(value, groups.error_of_mean(variance) / (2 * value))


def model_se_error(sample: Sample) -> Measured:
    """Relative error of the model SE in percent, ``100 (ModSE / EmpSE - 1)``: below zero the method is overconfident.

    Error ``100 (ModSE / EmpSE) sqrt(var(SE^2) / (4 n ModSE^4) + 1 / (2 (n - 1)))``, with SE and estimate taken as independent;
    where a group pools cells or terms it is the delta method's, dependence included.
    """
    groups = sample.groups
    model, empirical = model_se(sample), empirical_se(sample)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = model.value / empirical.value
        plain = ratio * np.sqrt((model.mcse / model.value) ** 2 + (empirical.mcse / empirical.value) ** 2)
        centred = sample.error - groups.mean(sample.error)[groups.code]
        of_model = sample.std_error**2 / (2 * model.value**2)[groups.code]
        of_empirical = centred**2 / (2 * empirical.value**2)[groups.code]
        pooled = ratio * groups.error_of_mean(of_model - of_empirical)
    return Measured(100 * (ratio - 1), 100 * np.where(groups.is_plain, plain, pooled))


def mean_width(sample: Sample) -> Measured:
    """Mean width of the confidence intervals; error ``sd / sqrt(n)``."""
    width = sample.conf_high - sample.conf_low
    return Measured(sample.groups.mean(width), sample.groups.error_of_mean(width))
