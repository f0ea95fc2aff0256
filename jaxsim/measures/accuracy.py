"""How near the truth the estimates are. Formulas: Morris, White & Crowther (2019), Table 6, on errors ``e = estimate - truth``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxsim.measures.interval import Z
from jaxsim.measures.measure import Mean, Measure, Ratio
from jaxsim.measures.middle import Middle
from jaxsim.measures.needs import Needs
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary

BIAS = Mean("error")
# ``mean(e) / mean(truth)``: ``mean(e) / truth`` where the truth is constant, and finite in variance where it is drawn.
RELATIVE_BIAS = Ratio("error", "truth")
MSE = Mean("squared_error")


class EmpiricalSE(Measure):
    """``sd(e)``, the standard deviation of the estimates around their truths; error ``sd(e) / sqrt(2 (n - 1))``."""

    @property
    def needs(self) -> Needs:
        """The spread of the errors."""
        return Needs(products=(("error", "error"),))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        spread = summary.sd("error")
        with np.errstate(invalid="ignore", divide="ignore"):
            return spread, spread / np.sqrt(2 * (summary.size - 1.0))

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """``(e - mean)^2``, centred, over ``2 sd(e)``."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_square = summary.products["error", "error"] / summary.size
            return (summary.centred("error", rows) ** 2 - mean_square[rows.code]) / (2 * summary.sd("error"))[rows.code]


@dataclass(frozen=True)
class RootMSE(Measure):
    """``sqrt(mean(e^2))``; error ``sd(e^2) / (2 RMSE sqrt(n))``.

    Args:
        statistic: what ``e^2`` is: of the coefficient, or the mean over groups of that of their own coefficients.
    """

    statistic: str = "squared_error"

    @property
    def needs(self) -> Needs:
        """The mean and the spread of ``e^2``."""
        return Needs((self.statistic,), ((self.statistic, self.statistic),))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        value = np.sqrt(summary.mean(self.statistic))
        with np.errstate(invalid="ignore", divide="ignore"):
            return value, summary.error_of_mean(self.statistic) / (2 * value)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """``e^2``, centred, over ``2 RMSE``."""
        value = np.sqrt(summary.mean(self.statistic))
        with np.errstate(invalid="ignore", divide="ignore"):
            return summary.centred(self.statistic, rows) / (2 * value)[rows.code]


class MedianAbsoluteError(Measure):
    """``median(|e|)``, which exists where a strategy's errors have no finite variance.

    Error from the order statistics that bound a 95% interval of the median: ``(x_(n+1-c) - x_(c)) / (2 z)`` (see
    :func:`jaxsim.measures.middle.ranks`).
    """

    @property
    def needs(self) -> Needs:
        """The median of ``|e|``."""
        return Needs(middle="absolute_error")

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        middle = _middle(summary)
        with np.errstate(invalid="ignore"):
            return middle.median, np.where(summary.size > 1, (middle.high - middle.low) / (2 * Z), np.nan)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """On which side of the median ``|e|`` is (-1, 0 or 1), centred, scaled to the error."""
        middle, scale = _middle(summary), self.of(summary)[1] * np.sqrt(summary.size)
        side = np.sign(rows["absolute_error"] - middle.median[rows.code])
        return (side - middle.lean[rows.code]) * scale[rows.code]


def _middle(summary: Summary) -> Middle:
    if summary.middle is None:
        raise ValueError("the summary lacks the order statistics of |e|; it takes a second look at the rows.")
    return summary.middle
