"""Measures of the difference between two strategies on the same datasets, and the statistics of a pair of rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from jaxsim.measures.measure import Mean, Measure
from jaxsim.measures.needs import Needs
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary

# What rounding makes of the same number, as a share of its size: some ten thousand times the distance of two 64-bit numbers.
ROUNDING = 1e-11


def pair_rows(one: Rows, reference: Rows, names: Iterable[str]) -> Rows:
    """Statistics of pairs of rows of the same dataset and coefficient, in the strata of ``one``.

    Args:
        one, reference: rows of the strategy and of the reference.
        names: statistics that are wanted: ``d_error`` is a difference, ``error`` the strategy's own, ``r_error`` the reference's.
    """
    one = _without_rounding(one, reference)
    return Rows(one.code, {name: _of_pair(one, reference, name) for name in names})


def _without_rounding(one: Rows, reference: Rows) -> Rows:
    """Rows whose estimates and standard errors are the reference's where they differ by rounding alone: of the same number by
    another algorithm there is no difference, and none of 8e-15."""
    values = dict(one.values)
    scale = np.zeros(len(one))
    for name in ("std_error", "estimate"):  # an estimate near zero is as precise as its standard error is large
        if name in one.values and name in reference.values:
            own, other = one.values[name], reference.values[name]
            scale = np.nan_to_num(np.abs(own)) + np.nan_to_num(np.abs(other)) + scale
            values[name] = np.where(np.abs(own - other) <= ROUNDING * scale, other, own)
    return Rows(one.code, values, one.functions)


def _of_pair(one: Rows, reference: Rows, name: str) -> Array:
    start, plain = name[:2], name[2:]
    if start not in ("d_", "r_") or plain not in one:
        return one[name]
    return reference[plain] if start == "r_" else one[plain] - reference[plain]


@dataclass(frozen=True)
class RootMSEDifference(Measure):
    """Difference of the root mean squared errors; error by the delta method on the paired squared errors.

    With ``a = 1 / (2 RMSE)``, ``b`` the same of the reference, and ``x, y`` their squared errors, the variance of ``a x - b y`` is
    written ``(a - b) (a var(x) - b var(y)) + a b var(x - y)``: nothing cancels where the two are nearly the same.

    Args:
        statistic: what the squared errors are.
    """

    statistic: str = "squared_error"

    @property
    def needs(self) -> Needs:
        """Means and spreads of the two, and of their difference."""
        return Needs(products=tuple((name, name) for name in (f"{p}{self.statistic}" for p in ("", "r_", "d_"))))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        rmse, reference = self._roots(summary)
        with np.errstate(invalid="ignore", divide="ignore"):
            a, b = 1 / (2 * rmse), 1 / (2 * reference)
            own, other, both = (summary.covariance(name, name) for name in (f"{p}{self.statistic}" for p in ("", "r_", "d_")))
            spread = (a - b) * (a * own - b * other) + a * b * both
            return rmse - reference, np.sqrt(np.clip(spread, 0, None) / summary.size)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """Difference of the two influences."""
        rmse, reference = self._roots(summary)
        with np.errstate(invalid="ignore", divide="ignore"):
            own = summary.centred(self.statistic, rows) / (2 * rmse)[rows.code]
            return own - summary.centred(f"r_{self.statistic}", rows) / (2 * reference)[rows.code]

    def _roots(self, summary: Summary) -> tuple[Array, Array]:
        return np.sqrt(summary.mean(self.statistic)), np.sqrt(summary.mean(f"r_{self.statistic}"))


class RelativePrecision(Measure):
    """``100 ((EmpSE_reference / EmpSE_model)^2 - 1)``, the percentage by which the model is more precise than the reference.

    Error ``200 (ratio)^2 sqrt((1 - rho^2) / (n - 1))`` with ``rho`` the correlation of the two errors (White 2010).
    """

    @property
    def needs(self) -> Needs:
        """Spreads and covariance of the two errors."""
        return Needs(products=(("error", "error"), ("r_error", "r_error"), ("error", "r_error")))

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        own, reference = self._variances(summary)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = reference / own  # of the same numbers exactly 1
            rho2 = summary.covariance("error", "r_error") ** 2 / (own * reference)
            apart = np.where(1 - rho2 > ROUNDING, 1 - rho2, np.where(np.isnan(rho2), np.nan, 0))
            return 100 * (ratio - 1), 200 * ratio * np.sqrt(apart / (summary.size - 1.0))

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """The ratio times the difference of the squared errors, each over its variance."""
        own, reference = self._variances(summary)
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = (
                summary.centred("r_error", rows) ** 2 / reference[rows.code] - summary.centred("error", rows) ** 2 / own[rows.code]
            )
            return (100 * reference / own)[rows.code] * relative

    @staticmethod
    def _variances(summary: Summary) -> tuple[Array, Array]:
        return summary.covariance("error", "error"), summary.covariance("r_error", "r_error")


CATALOGUE: dict[str, Measure] = {
    "bias": Mean("d_error"),
    "absolute_error": Mean("d_absolute_error"),
    "mse": Mean("d_squared_error"),
    "rmse": RootMSEDifference(),
    "relative_precision": RelativePrecision(),
    "std_error": Mean("d_std_error"),
    "coverage": Mean("d_covers"),
    "rejection": Mean("d_rejects"),
}

# Those that need estimates and truths alone.
OF_ESTIMATES = ("bias", "absolute_error", "mse", "rmse", "relative_precision")
