"""Standard errors that allow dependence within the groups of either of two factors, such as firms and years."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxsim.errors import InputError, NotSupportedError, brief
from jaxsim.estimators import ClusterRobust
from jaxsim.estimators.multiway import ROUNDING, semidefinite
from jaxsim.estimators.sandwich import sandwich
from jaxsim.frames.answer import Answer, nothing
from jaxsim.frames.linear_tests import FixedDf
from jaxsim.frames.regression import Regression, column_argument
from jaxsim.frames.whitening import log_weights, whitened
from jaxsim.numerics.arrays import on_numpy
from jaxsim.numerics.row_basis import orthonormal, residual, verdict
from jaxsim.status import Status

CONVENTIONS: tuple[str, ...] = ("CR0", "CR1", "CR1S")


def ways_argument(cluster: Any) -> tuple[Any, ...]:
    """The column or the two different columns, by name or themselves."""
    if not isinstance(cluster, (list, tuple)):
        return (column_argument("cluster", cluster),)
    columns = tuple(column_argument("cluster", name) for name in cluster)
    names = [name for name in columns if isinstance(name, str)]
    if not columns or len(set(names)) < len(names):
        raise InputError(
            f"cluster={brief(cluster)} must name one column, or two different ones; values go into a Series or an array."
        )
    if len(columns) > 2:
        raise NotSupportedError(f"cluster={brief(cluster)} names {len(columns)} columns; at most two are supported.")
    return columns


def check_two_way(estimator: ClusterRobust) -> None:
    """Raise :class:`NotSupportedError` for options that exist for one grouping factor only."""
    if estimator.vcov not in CONVENTIONS:
        raise NotSupportedError(f"vcov={estimator.vcov!r} is not defined for two cluster columns; use one of CR0, CR1, CR1S.")
    if estimator.resamples:
        raise NotSupportedError("inference='wild' is supported for one cluster column only; use inference='t'.")
    if estimator.df == "satterthwaite":
        raise NotSupportedError("df='satterthwaite' is supported for one cluster column only; use 'G-1', 'G-P' or 'normal'.")


def two_way(regression: Regression, estimator: ClusterRobust) -> Answer:
    """Two-way clustering (Cameron, Gelbach & Miller 2011): ``V_a + V_b - V_ab``, t with ``min(G_a, G_b) - 1`` df.

    Every term has the factor of its own number of groups (CR1 ``G_x / (G_x - 1)``, CR1S that times ``(N - 1) / (N - P)``), as in
    R's ``sandwich::vcovCL`` (types HC0 and HC1). The difference need not be positive semi-definite: negative eigenvalues are then
    set to zero, with a message (``fix = TRUE`` of sandwich). A result reports the smaller of the two numbers of groups.
    """
    plain = whitened(regression)
    status, message = verdict(plain.x.values, plain.x.names, plain.y)
    if status is not Status.OK:
        return nothing(regression, status, message)
    n, p = plain.x.values.shape
    groups = min(len(way.labels) for way in regression.ways)
    df = {"G-1": groups - 1.0, "G-P": groups - float(p), "normal": np.inf}[estimator.degrees]
    if df <= 0:
        return nothing(regression, Status.TOO_FEW_GROUPS, f"{groups} clusters leave no degrees of freedom; use df='G-1'")
    basis = orthonormal(plain.x.values)
    beta, rest = residual(basis, plain.y)
    scores = basis.q * rest[:, None] @ basis.inverse.T
    terms = [one_way(scores, codes, estimator.vcov) for codes in three_groupings(regression)]
    vcov, repaired = semidefinite(terms[0] + terms[1] - terms[2])
    if (np.diagonal(vcov) <= ROUNDING * np.diagonal(sum(terms))).any():
        return nothing(regression, Status.ZERO_VARIANCE, Status.ZERO_VARIANCE.message)
    message = "the two-way variance was not positive semi-definite; its negative eigenvalues were set to zero" if repaired else ""
    rss = float(rest @ rest)
    criterion = n * (1 + np.log(2 * np.pi * rss / n)) - log_weights(regression)
    sigma, tests = float(np.sqrt(rss / (n - p))), FixedDf(vcov, df)
    return Answer(Status.OK, message, beta, vcov, np.full(p, df), float(criterion), sigma, tests=tests)


def three_groupings(regression: Regression) -> list[np.ndarray]:
    """Codes of both factors and of their intersection, ``[N]`` each."""
    first, second = (way.codes for way in regression.ways)
    _, both = np.unique(np.column_stack([first, second]), axis=0, return_inverse=True)
    return [first, second, both.reshape(-1)]


def one_way(scores: np.ndarray, codes: np.ndarray, vcov: str) -> np.ndarray:
    """The sandwich of one grouping, ``[P, P]``; ``scores`` ``[N, P]`` are ``(X'X)^-1 x_i e_i``."""
    n, p = scores.shape
    sums = np.zeros((codes.max() + 1, p))
    np.add.at(sums, codes, scores)
    found: np.ndarray = on_numpy(sandwich)(vcov, sums.T, np.int64(len(sums)), np.int64(n), p)
    return found
