"""How much a strategy shrinks the coefficients of groups together: expected ensemble variances compared (Louis 1984, Ghosh 1992).

Shrinkage is ``1 - sqrt(mean(v) / mean(t))`` with ``v`` the variance over groups of a dataset's estimated coefficients and ``t``
that of the true ones: 0 where they differ as much, 1 where all groups have the same coefficient, negative where noise makes them
differ more. A mean of the datasets' own ratios would depend on the number of groups: true coefficients that are nearly equal by
chance would dominate it. Errors by the delta method.
"""

from __future__ import annotations

import numpy as np

from jaxsim.measures.measure import Measure
from jaxsim.measures.needs import Needs
from jaxsim.measures.sample import Array, Rows
from jaxsim.measures.summary import Summary

ESTIMATED, TRUE = "group_variance", "group_true_variance"
REFERENCE = f"r_{ESTIMATED}"


def _root(summary: Summary, name: str) -> Array:
    """SD of estimated over SD of true coefficients."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(summary.mean(name) / summary.mean(TRUE))


def _slope(summary: Summary, root: Array) -> Array:
    """Of the root in the mean variance of the estimated coefficients; 0 for complete pooling, whose variance is 0 always."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(root == 0, 0.0, 1 / (2 * root * summary.mean(TRUE)))


class GroupShrinkage(Measure):
    """``1 - r`` with ``r = sqrt(mean(v) / mean(t))``; error ``sd(v - r^2 t) / (2 r mean(t) sqrt(n))``."""

    @property
    def needs(self) -> Needs:
        """Means, spreads and covariance of the two variances."""
        return Needs(products=PRODUCTS)

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        root = _root(summary, ESTIMATED)
        spread = (
            summary.covariance(ESTIMATED, ESTIMATED)
            - 2 * root**2 * summary.covariance(ESTIMATED, TRUE)
            + root**4 * summary.covariance(TRUE, TRUE)
        )
        return 1 - root, _slope(summary, root) * np.sqrt(np.clip(spread, 0, None) / summary.size)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """``r^2 t - v``, centred, over ``2 r mean(t)``."""
        root = _root(summary, ESTIMATED)
        rest = (root**2)[rows.code] * summary.centred(TRUE, rows) - summary.centred(ESTIMATED, rows)
        return _slope(summary, root)[rows.code] * rest


class ShrinkageDifference(Measure):
    """Shrinkage of a strategy less that of the reference, on the same datasets: ``r_reference - r``.

    Error: that of the mean of ``b w - a v + c t`` with ``v, w`` the variances of the strategy and of the reference, ``a, b`` the
    slopes of the roots in them and ``c = (r - r_reference) / (2 mean(t))``.
    """

    @property
    def needs(self) -> Needs:
        """Means, spreads and covariances of the three variances."""
        return Needs(products=PAIRED_PRODUCTS)

    def of(self, summary: Summary) -> tuple[Array, Array]:
        """Value and error."""
        weights = self._weights(summary)
        spread = sum(weights[x] * weights[y] * (1 if x == y else 2) * summary.covariance(x, y) for x, y in PAIRED_PRODUCTS)
        value = _root(summary, REFERENCE) - _root(summary, ESTIMATED)
        return value, np.sqrt(np.clip(np.asarray(spread), 0, None) / summary.size)

    def influence(self, rows: Rows, summary: Summary) -> Array:
        """``b w - a v + c t``, centred."""
        weights = self._weights(summary)
        return np.asarray(sum(weights[name][rows.code] * summary.centred(name, rows) for name in weights))

    @staticmethod
    def _weights(summary: Summary) -> dict[str, Array]:
        root, reference = _root(summary, ESTIMATED), _root(summary, REFERENCE)
        with np.errstate(invalid="ignore", divide="ignore"):
            both = (root - reference) / (2 * summary.mean(TRUE))
        return {ESTIMATED: -_slope(summary, root), REFERENCE: _slope(summary, reference), TRUE: both}


PRODUCTS = ((ESTIMATED, ESTIMATED), (ESTIMATED, TRUE), (TRUE, TRUE))
PAIRED_PRODUCTS = (*PRODUCTS, (REFERENCE, REFERENCE), (REFERENCE, TRUE), (ESTIMATED, REFERENCE))
