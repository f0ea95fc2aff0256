"""CR2, CR3 and Satterthwaite's degrees of freedom where rows have weights: clubSandwich's conventions for a weighted ``lm``.

Weights say how much a row counts, and the working model, under which CR2 is unbiased and the degrees of freedom are approximated,
is one of independent errors with one variance (Pustejovsky & Tipton 2018, with the identity for their Phi). With weights W,
``M = (X'WX)^-1`` and ``H = X M X'W`` a cluster's adjustment is ``A_g = [(I - H)_g (I - H)_g']^-1/2`` for CR2 (a matrix that
differs from the identity on the columns of ``[X_g W_g X_g]`` alone), ``(I - X_g M X_g'W_g)^-1`` for CR3 and the identity else. The
variance of ``c'beta`` is the sum of ``(g_g'e_g)^2``, ``g_g = A_g'W_g X_g M c``, and its degrees of freedom are those of the
quadratic form: ``(tr P)^2 / sum P^2`` with ``P_gh = g_g'(I - H)_g (I - H)_h'g_h``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jaxsim.estimators import ClusterRobust
from jaxsim.estimators.sandwich import POWERS, SINGULAR
from jaxsim.frames.answer import Answer
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
    df = degrees(regression, inverse, pulls) if satterthwaite else found.df
    return replace(found, vcov=vcov, df=df)


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


def degrees(regression: Regression, inverse: np.ndarray, pulls: np.ndarray) -> np.ndarray:
    """Satterthwaite's of each coefficient, ``[P]``."""
    x, weights, codes = regression.x.values, regression.weights, regression.codes
    assert weights is not None
    assert codes is not None
    n_groups = int(codes.max()) + 1
    half = x @ inverse
    spread = (weights[:, None] * half).T @ (weights[:, None] * half)
    found = np.zeros(pulls.shape[1])
    for j, pull in enumerate(pulls.T):
        a, b = (np.zeros((n_groups, x.shape[1])) for _ in range(2))
        np.add.at(a, codes, half * pull[:, None])
        np.add.at(b, codes, half * (weights * pull)[:, None])
        form = np.diag(np.bincount(codes, pull**2)) - a @ b.T - b @ a.T + a @ spread @ a.T
        found[j] = np.trace(form) ** 2 / (form**2).sum()
    return found
