"""CR2, CR3 and Satterthwaite's degrees of freedom where rows have weights: clubSandwich's conventions for a weighted ``lm``.

Weights say how much a row counts, and the working model, under which CR2 is unbiased and the degrees of freedom are approximated,
is one of independent errors with one variance (Pustejovsky & Tipton 2018, with the identity for their Phi). With weights W,
``M = (X'WX)^-1`` and ``H = X M X'W`` a cluster's adjustment is ``A_g = [(I - H)_g (I - H)_g']^-1/2`` for CR2 (a matrix that
differs from the identity on the columns of ``[X_g W_g X_g]`` alone), ``(I - X_g M X_g'W_g)^-1`` for CR3 and the identity else. The
variance of ``c'beta`` is the sum of ``(g_g'e_g)^2``, ``g_g = A_g'W_g X_g M c``, and its degrees of freedom are those of the
quadratic form: ``(tr P)^2 / sum P^2`` with ``P_gh = g_g'(I - H)_g (I - H)_h'g_h``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from jaxsim.estimators import ClusterRobust
from jaxsim.estimators.sandwich import POWERS, SINGULAR
from jaxsim.frames.answer import Answer
from jaxsim.frames.cluster_tests import HotellingTests
from jaxsim.frames.linear_tests import FixedDf
from jaxsim.frames.regression import Regression
from jaxsim.frames.whitening import whitened
from jaxsim.numerics.row_basis import orthonormal
from jaxsim.status import Status


def for_weighted_rows(found: Answer, regression: Regression, estimator: ClusterRobust) -> Answer:
    """The answer with the covariance and the degrees of freedom of weighted rows; as it is where these do not differ."""
    satterthwaite = estimator.degrees == "satterthwaite"
    if regression.weights is None or found.status is not Status.OK or not (satterthwaite or estimator.vcov in POWERS):
        return found
    plain = whitened(regression)
    inverse = orthonormal(plain.x.values).inverse
    rest = (plain.y - plain.x.values @ found.estimate) / np.sqrt(regression.weights)
    codes, pulls = regression.codes, adjusted(regression, inverse, estimator.vcov)
    assert codes is not None
    scores = np.stack([np.bincount(codes, pulls[:, j] * rest) for j in range(pulls.shape[1])])
    vcov = scores @ scores.T if estimator.vcov in POWERS else found.vcov
    if not satterthwaite:
        return replace(found, vcov=vcov, tests=FixedDf(vcov, float(found.df[0])))
    tests = WeightedTests(vcov, pulls, regression.x.values @ inverse, regression.weights, codes)
    return replace(found, vcov=vcov, df=tests.df(np.eye(len(vcov))), tests=None if found.tests is None else tests)


@dataclass(frozen=True, eq=False)
class WeightedTests(HotellingTests):
    """As :class:`jaxsim.frames.cluster_tests.ClusterTests`, for weighted rows.

    Attributes:
        vcov: ``[P, P]``.
        pulls: of :func:`adjusted`.
        half: ``[N, P]`` with ``half half' = X M X'``.
        weights, codes: of the rows, ``[N]``.
    """

    vcov: np.ndarray
    pulls: np.ndarray
    half: np.ndarray
    weights: np.ndarray
    codes: np.ndarray

    def _forms(self, rows: np.ndarray) -> np.ndarray:
        """Covariances ``[q, q, G, G]`` of what the clusters add to each of the combinations ``rows`` ``[q, P]``."""
        pulls, count = self.pulls @ rows.T, int(self.codes.max()) + 1
        weighted = self.weights[:, None] * self.half
        spread = weighted.T @ weighted
        a, b = (np.zeros((len(rows), count, self.half.shape[1])) for _ in range(2))
        for s, pull in enumerate(pulls.T):
            np.add.at(a[s], self.codes, self.half * pull[:, None])
            np.add.at(b[s], self.codes, weighted * pull[:, None])
        forms = np.einsum("sgp,pr,thr->stgh", a, spread, a)
        forms -= np.einsum("sgp,thp->stgh", a, b) + np.einsum("sgp,thp->stgh", b, a)
        own = np.arange(count)
        for s, t in np.ndindex(len(rows), len(rows)):
            forms[s, t, own, own] += np.bincount(self.codes, pulls[:, s] * pulls[:, t])
        return forms

    def wishart_df(self, rows: np.ndarray) -> float:
        """``eta`` from the quadratic forms of the weighted model, of rows ``[q, P]``: ``q (q + 1)`` over their total variance."""
        forms = self._forms(rows)
        turn = np.linalg.inv(np.linalg.cholesky(np.einsum("stgg->st", forms)))
        white = np.einsum("sx,ty,xygh->stgh", turn, turn, forms)
        q = len(rows)
        variance = np.einsum("ssgh,ttgh->", white, white) + np.einsum("stgh,sthg->", white, white)
        return float(q * (q + 1) / variance)


def adjusted(regression: Regression, inverse: np.ndarray, vcov: str) -> np.ndarray:
    """``g_g`` for each coefficient, ``[N, P]``: what a row's residual adds to the estimates, adjusted within its cluster."""
    x, weights, codes = regression.x.values, regression.weights, regression.codes
    assert weights is not None
    assert codes is not None
    m = inverse @ inverse.T
    wx = weights[:, None] * x
    squares = m @ (wx.T @ wx) @ m
    pulls = wx @ m
    if vcov not in POWERS:
        return pulls
    for g in range(codes.max() + 1):
        own = codes == g
        if vcov == "CR3":
            inner = np.linalg.pinv(np.linalg.inv(m) - x[own].T @ wx[own], rcond=SINGULAR, hermitian=True)
            pulls[own] += wx[own] @ inner.T @ (x[own].T @ pulls[own])
        else:
            pulls[own] = inverse_root(x[own], wx[own], m, squares) @ pulls[own]
    return pulls


def inverse_root(x: np.ndarray, wx: np.ndarray, m: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """CR2's adjustment of a cluster ``[n, n]``, by the columns on which it differs from the identity; a null space is left out."""
    p = x.shape[1]
    q, r = np.linalg.qr(np.column_stack([x, wx]))
    middle = np.block([[squares, -m], [-m, np.zeros((p, p))]])
    inside = r @ middle @ r.T
    values, vectors = np.linalg.eigh(np.eye(len(inside)) + (inside + inside.T) / 2)
    power = np.where(values > SINGULAR, np.where(values > SINGULAR, values, 1.0) ** -0.5, 0.0)
    along = q @ vectors
    return np.eye(len(x)) + (along * (power - 1)) @ along.T
