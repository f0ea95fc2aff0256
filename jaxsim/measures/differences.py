"""Measures of the difference between two strategies on the same datasets, and the statistics of a pair of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from jaxsim.measures import shrinkage
from jaxsim.measures.measure import Mean, Measure, Recipe
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary

DIFFERENT = ("error", "absolute_error", "squared_error", "std_error", "covers", "rejects")
GROUPS = ("group_squared_error", shrinkage.ESTIMATED)


def pair_rows(one: Rows, reference: Rows) -> Rows:
    """Statistics of pairs of rows of the same dataset and coefficient, in the strata of ``one``.

    ``d_error`` and so on are the differences; ``error``, ``squared_error`` the strategy's own, ``r_error``, ``r_squared_error`` the
    reference's; and so for the coefficients of groups, where there are any.
    """
    groups = "group_squared_error" in one.values
    values = {f"d_{name}": one[name] - reference[name] for name in (*DIFFERENT, *(GROUPS[:1] if groups else ()))}
    for name in ("error", "squared_error", *(GROUPS if groups else ())):
        values |= {name: one[name], f"r_{name}": reference[name]}
    if groups:
        values[shrinkage.TRUE] = one[shrinkage.TRUE]
    return Rows(one.code, values)


@dataclass(frozen=True)
class RootMSEDifference(Measure):
    """Difference of the root mean squared errors; error by the delta method on the paired squared errors.

    With ``a = 1 / (2 RMSE)``, ``b`` the same of the reference, and ``x, y`` their squared errors, the variance of ``a x - b y`` is
    written ``(a - b) (a var(x) - b var(y)) + a b var(x - y)``: nothing cancels where the two are nearly the same.

    Args:
        statistic: what the squared errors are.
    """

    statistic: str = "squared_error"

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

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        own, reference = self._variances(summary)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = 100 * reference / own
            rho2 = summary.covariance("error", "r_error") ** 2 / (own * reference)
            return ratio - 100, 2 * ratio * np.sqrt(np.maximum(1 - rho2, 0) / (summary.size - 1.0))

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

OWN = ("error", "r_error", "squared_error", "r_squared_error")
RECIPE = Recipe(
    measures=CATALOGUE,
    means=(*OWN, *(f"d_{name}" for name in DIFFERENT)),
    products=(*((name, name) for name in (*OWN, *(f"d_{name}" for name in DIFFERENT))), ("error", "r_error")),
    around={},
)

# With the coefficients of groups.
_GROUP_ERRORS = ("group_squared_error", "r_group_squared_error", "d_group_squared_error")
GROUP_RECIPE = replace(
    RECIPE,
    measures={
        **CATALOGUE,
        "group_rmse": RootMSEDifference("group_squared_error"),
        "group_shrinkage": shrinkage.ShrinkageDifference(),
    },
    means=(*RECIPE.means, *_GROUP_ERRORS, shrinkage.ESTIMATED, shrinkage.REFERENCE, shrinkage.TRUE),
    products=(*RECIPE.products, *((name, name) for name in _GROUP_ERRORS), *shrinkage.PAIRED_PRODUCTS),
)
