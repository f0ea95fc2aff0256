"""Tests of linear combinations of coefficients with cluster-robust standard errors, by Satterthwaite's method."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxsim.errors import InputError
from jaxsim.estimators.sandwich import POWERS, SINGULAR
from jaxsim.frames.linear_tests import JointTest, LinearTests, fixed_by_the_fit, wald


class HotellingTests(abc.ABC):
    """Degrees of freedom of one combination by Satterthwaite's method, and the approximate Hotelling test (HTZ) of several.

    Pustejovsky & Tipton (2018, *Journal of Business & Economic Statistics* 36, 672-683, section 3.2). With independent errors the
    estimated covariance of the combinations, turned so that its expectation is the identity, has elements ``h_st`` with
    ``Var(h_st) = sum_gh (q_sg,sh q_tg,th + q_sg,th q_tg,sh)``; a Wishart matrix with ``eta = q (q + 1) / sum_st Var(h_st)`` degrees
    of freedom varies as much in total, and ``(eta - q + 1) / (eta q)`` times Wald's statistic is F with q, eta - q + 1.
    """

    vcov: np.ndarray

    @abc.abstractmethod
    def wishart_df(self, rows: np.ndarray) -> float:
        """``eta`` of combinations ``[q, P]``; NaN where the clusters say nothing about the variance of one."""

    def df(self, rows: np.ndarray) -> np.ndarray:
        return np.array([self.wishart_df(row[None]) for row in rows])

    def joint(self, rows: np.ndarray, estimate: np.ndarray) -> JointTest:
        """Hotelling's F test of all rows; NaN where the degrees of freedom do not suffice for so many."""
        q, eta = len(rows), self.wishart_df(rows)
        den_df = eta - q + 1
        if not den_df > 0:
            return JointTest(np.nan, q, np.nan)
        return JointTest(wald(rows @ self.vcov @ rows.T, estimate) * den_df / (eta * q), q, den_df)

    def by(self, df: str) -> LinearTests:
        raise InputError(fixed_by_the_fit(df))


@dataclass(frozen=True, eq=False)
class ClusterTests(HotellingTests):
    """Bell and McCaffrey's degrees of freedom, from cross-products of the clusters.

    Attributes:
        vcov: ``[P, P]``.
        inverse: from coefficients of orthonormal columns to the user's, ``[P, P]``.
        blocks: ``K_g``, the cross-products of each cluster's rows of the orthonormal columns, ``[G, P, P]``.
        convention: of the variance; see :mod:`jaxsim.estimators.sandwich`.
    """

    vcov: np.ndarray
    inverse: np.ndarray
    blocks: np.ndarray
    convention: str

    @cached_property
    def _pieces(self) -> tuple[np.ndarray, np.ndarray]:
        """``f^2 K (1 - K)`` and ``f K`` of each cluster, ``[G, P, P]``."""
        gap, vectors = np.linalg.eigh(np.eye(len(self.inverse)) - self.blocks)
        regular = gap > SINGULAR
        powers = np.where(regular, gap, 1.0) ** POWERS.get(self.convention, 0.0)
        factor = np.where(regular, powers, 0.0 if self.convention in POWERS else 1.0)
        gap = np.clip(gap, 0.0, 1.0)
        own = factor**2 * (1 - gap) * gap
        return _turned(vectors, own), _turned(vectors, factor * (1 - gap))

    def wishart_df(self, rows: np.ndarray) -> float:
        """``eta`` with independent errors: ``q (q + 1)`` over the total variance of the standardised sandwich."""
        own, pull = self._pieces
        directions = rows @ self.inverse
        expected = directions @ own.sum(0) @ directions.T
        if (np.linalg.eigvalsh(expected) <= SINGULAR * (directions**2).sum(1).max()).any():
            return np.nan
        white = np.linalg.solve(np.linalg.cholesky(expected), directions)
        inside = white @ own @ white.T
        pulls = white @ pull
        q = len(rows)
        diagonal = np.einsum("gss->gs", inside)
        variance = float((diagonal.sum(1) ** 2).sum() + (inside**2).sum())
        # Pairs of different clusters, one cluster after the other: nothing large is subtracted.
        before = np.zeros((q, q, rows.shape[1], rows.shape[1]))
        for b in pulls:
            outer = np.einsum("sx,ty->stxy", b, b)
            variance += 2 * float((outer * before).sum() + (outer * before.transpose(1, 0, 2, 3)).sum())
            before += outer
        return q * (q + 1) / variance


def _turned(vectors: np.ndarray, values: np.ndarray) -> np.ndarray:
    return vectors * values[:, None] @ vectors.transpose(0, 2, 1)
