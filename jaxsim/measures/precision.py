"""Whether the reported standard errors are honest. Formulas: Morris, White & Crowther (2019), Table 6."""

from __future__ import annotations

import numpy as np

from jaxsim.measures.accuracy import EmpiricalSE
from jaxsim.measures.measure import Mean, Measure
from jaxsim.measures.needs import Needs
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary

# Infinite if an interval is unbounded.
MEAN_WIDTH = Mean("width")


class ModelSE(Measure):
    """``ModSE = sqrt(mean(SE^2))``; error ``sqrt(var(SE^2) / (4 n ModSE^2))``."""

    @property
    def needs(self) -> Needs:
        """The mean and the spread of the squared standard errors."""
        return Needs(("variance",), (("variance", "variance"),))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        value = np.sqrt(summary.mean("variance"))
        with np.errstate(invalid="ignore", divide="ignore"):
            return value, summary.error_of_mean("variance") / (2 * value)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """``SE^2``, centred, over ``2 ModSE``."""
        value = np.sqrt(summary.mean("variance"))
        with np.errstate(invalid="ignore", divide="ignore"):
            return summary.centred("variance", rows) / (2 * value)[rows.code]


class ModelSEError(Measure):
    """Relative error of the model SE in percent, ``100 (ModSE / EmpSE - 1)``: below zero the method is overconfident.

    Error ``100 (ModSE / EmpSE) sqrt(var(SE^2) / (4 n ModSE^4) + 1 / (2 (n - 1)))``, with SE and estimate taken as independent.
    """

    @property
    def needs(self) -> Needs:
        """What its two parts need."""
        return Needs(("variance",), (("variance", "variance"), ("error", "error")))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        (model, model_error), (empirical, empirical_error) = ModelSE().of(summary), EmpiricalSE().of(summary)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = 100 * model / empirical
            return ratio - 100, ratio * np.sqrt((model_error / model) ** 2 + (empirical_error / empirical) ** 2)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """The ratio times the difference of the relative influences of its parts."""
        model, empirical = ModelSE(), EmpiricalSE()
        with np.errstate(invalid="ignore", divide="ignore"):
            relative_model = model.influence(rows, summary) / model.of(summary)[0][rows.code]
            relative_empirical = empirical.influence(rows, summary) / empirical.of(summary)[0][rows.code]
            return (self.of(summary)[0] + 100)[rows.code] * (relative_model - relative_empirical)
