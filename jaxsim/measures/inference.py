"""Whether intervals cover and tests reject as often as they should. Formulas: Morris, White & Crowther (2019), Table 6."""

from __future__ import annotations

import numpy as np

from jaxsim.measures.measure import Mean, Proportion, Rate, Ratio
from jaxsim.measures.needs import Needs
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.statistics import contains
from jaxsim.measures.summary import Summary

# Proportion of intervals that contain the truth.
COVERAGE = Rate("covers")
# Proportion of tests of "the coefficient is zero" with p <= alpha: power, or type I error where the truth is zero.
REJECTION = Rate("rejects")
# Width of the interval plus 2 / a for every unit that the truth lies outside of it, a = 1 - the confidence level: the smaller, the
# better, and smallest in expectation for the right interval. Gneiting & Raftery (2007), Journal of the American Statistical
# Association 102, 359-378, equation 43.
INTERVAL_SCORE = Mean("interval_score")
# Gelman & Carlin (2014), Perspectives on Psychological Science 9, 641-651. Of the coefficients that are not zero and whose tests
# reject (p <= alpha): the proportion of estimates with the wrong sign (type S).
TYPE_S = Proportion("wrong_sign", "significant")


class Exaggeration(Ratio):
    """Of the same coefficients, the factor by which estimates exaggerate (type M), ``E|estimate| / E|truth|``: the mean of
    ``|estimate / truth|`` where the truth is constant, and finite in variance where it is drawn. The error of one row is NaN."""

    @property
    def needs(self) -> Needs:
        """What a ratio needs, and how many rows are significant."""
        plain = super().needs
        return Needs((*plain.means, "significant"), plain.products)

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Ratio and error."""
        value, mcse = super().of(summary)
        return value, np.where(self._is_one(summary), np.nan, mcse)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """That of a ratio."""
        return np.where(self._is_one(summary)[rows.code], np.nan, super().influence(rows, summary))

    @staticmethod
    def _is_one(summary: Summary) -> Array:
        return np.rint(summary.mean("significant") * summary.size) == 1


EXAGGERATION = Exaggeration("significant_estimate", "significant_truth")


class BiasEliminatedCoverage(Rate):
    """Proportion of intervals that contain the truth plus the bias: coverage if the estimates were shifted to be unbiased."""

    @property
    def needs(self) -> Needs:
        """The mean error, and the shifted coverage, which it defines."""
        return Needs(("error", self.statistic), around={self.statistic: covers_shifted})


BIAS_ELIMINATED_COVERAGE = BiasEliminatedCoverage("covers_shifted")


def covers_shifted(rows: Rows, summary: Summary) -> Array:
    """Whether each interval contains the truth plus the bias of its stratum, 0 or 1, ``[rows]``; NaN where a limit is."""
    return contains(rows, rows["truth"] + summary.mean("error")[rows.code])
