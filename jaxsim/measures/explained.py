"""Share of a variance that predictions explain: ``1 - mean(mse) / mean(variance)``, a ratio of expectations over datasets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxsim.measures.measure import Measure, Ratio
from jaxsim.measures.needs import Needs
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary


@dataclass(frozen=True)
class Explained(Measure):
    """``1 - mean(mse) / mean(variance)``; negative where predictions are worse than the mean. Error by the delta method.

    Args:
        mse: the statistic with the mean squared error of a fit's predictions.
        variance: that with the variance of what is predicted.
    """

    mse: str
    variance: str

    @property
    def _rest(self) -> Ratio:
        return Ratio(self.mse, self.variance)

    @property
    def needs(self) -> Needs:
        """Means, spreads and covariance of the two."""
        return self._rest.needs

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        ratio, error = self._rest.of(summary)
        return 1 - ratio, error

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """That on the ratio, with the other sign."""
        return -self._rest.influence(rows, summary)


@dataclass(frozen=True)
class ExplainedDifference(Explained):
    """The same of a strategy less that of the reference: ``-mean(d) / mean(variance)``, ``d`` the difference of their errors."""

    @property
    def _rest(self) -> Ratio:
        return Ratio(f"d_{self.mse}", self.variance)

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        ratio, error = self._rest.of(summary)
        return np.negative(ratio), error
