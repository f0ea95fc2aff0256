"""Tests of linear combinations of a fit's coefficients: their covariance, and the t and F distributions they are referred to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from jaxsim.errors import InputError, brief
from jaxsim.numerics.row_basis import RANK_TOLERANCE

# A weight this small beside the largest of a combination is what rounding leaves of none.
ROUNDING = 1e-9
# Why a fit whose status is ``unidentified`` has no test of some combinations.
NOT_IDENTIFIED = "they depend on a variance that the fixed effects leave no trace of in the data"


class JointTest(NamedTuple):
    """That several combinations are zero: ``f`` with ``num_df`` and ``den_df`` degrees of freedom; NaN where there is no test.

    ``scale`` is what makes F of Wald's statistic over ``num_df``: Kenward and Roger's lambda, else 1.
    """

    f: float
    num_df: float
    den_df: float
    scale: float = 1.0


class LinearTests(Protocol):
    """What a kind of fit says about combinations ``rows`` ``[K, P]`` of its coefficients."""

    @property
    def vcov(self) -> np.ndarray:
        """Covariance of the coefficients, ``[P, P]``."""
        ...

    def df(self, rows: np.ndarray) -> np.ndarray:
        """Degrees of freedom of each combination's t statistic, ``[K]``."""
        ...

    def joint(self, rows: np.ndarray, estimate: np.ndarray) -> JointTest:
        """Test of all at once: independent combinations whose estimates, less their hypothetical values, are ``[K]``."""
        ...

    def by(self, df: str) -> LinearTests:
        """The same fit with other degrees of freedom; :class:`InputError` where there is no choice."""
        ...


@dataclass(frozen=True, eq=False)
class FixedDf:
    """The same ``degrees`` for every combination: t, and Wald's statistic over its number of combinations as F."""

    vcov: np.ndarray
    degrees: float

    def df(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), self.degrees)

    def joint(self, rows: np.ndarray, estimate: np.ndarray) -> JointTest:
        return JointTest(wald(rows @ self.vcov @ rows.T, estimate) / len(rows), len(rows), self.degrees)

    def by(self, df: str) -> LinearTests:
        raise InputError(fixed_by_the_fit(df))


@dataclass(frozen=True, eq=False)
class MeanTests:
    """Means over ``n_groups`` groups: t with G - 1, and Hotelling's T squared: ``(G - q) / (q (G - 1)) T^2`` is F with q, G - q."""

    vcov: np.ndarray
    n_groups: int

    def df(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), self.n_groups - 1.0)

    def joint(self, rows: np.ndarray, estimate: np.ndarray) -> JointTest:
        q, left = len(rows), self.n_groups - len(rows)
        if left <= 0:
            return JointTest(np.nan, q, np.nan)
        return JointTest(wald(rows @ self.vcov @ rows.T, estimate) * left / (q * (self.n_groups - 1)), q, left)

    def by(self, df: str) -> LinearTests:
        raise InputError(fixed_by_the_fit(df))


@dataclass(frozen=True, eq=False)
class PartialTests:
    """Those of a fit that knows only some coefficients' standard errors, ``known`` ``[P]``; NaN for combinations with others."""

    whole: LinearTests
    known: np.ndarray

    @property
    def vcov(self) -> np.ndarray:
        return np.where(np.outer(self.known, self.known), self.whole.vcov, np.nan)

    def df(self, rows: np.ndarray) -> np.ndarray:
        return np.where(touches(rows, ~self.known), np.nan, self.whole.df(rows))

    def joint(self, rows: np.ndarray, estimate: np.ndarray) -> JointTest:
        if touches(rows, ~self.known).any():
            return JointTest(np.nan, len(rows), np.nan)
        return self.whole.joint(rows, estimate)

    def by(self, df: str) -> LinearTests:
        return PartialTests(self.whole.by(df), self.known)


def touches(rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Whether combinations ``[K, P]`` have any of the coefficients ``which`` ``[P]`` with a weight beyond rounding, ``[K]``."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    return ((np.abs(rows) > ROUNDING * largest) & which).any(axis=1)


def combined(rows: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """``rows @ beta``, ``[K]``; an unknown coefficient makes only those combinations unknown that have it."""
    return np.where(touches(rows, np.isnan(beta)), np.nan, rows @ np.nan_to_num(beta))


def variances(rows: np.ndarray, vcov: np.ndarray) -> np.ndarray:
    """Of combinations, ``[K]``; as :func:`combined` where some are unknown."""
    found = np.einsum("kp,pq,kq->k", rows, np.nan_to_num(vcov), rows)
    return np.where(touches(rows, np.isnan(np.diagonal(vcov))), np.nan, np.maximum(found, 0.0))


def wald(covariance: np.ndarray, estimate: np.ndarray) -> float:
    """``estimate' covariance^-1 estimate``; NaN where the covariance is singular."""
    scale = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    if not (scale > 0).all():
        return np.nan
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    if values[0] <= RANK_TOLERANCE**2 * values[-1]:
        return np.nan
    return float(((vectors.T @ (estimate / scale)) ** 2 / values).sum())


def fixed_by_the_fit(df: str) -> str:
    """What to tell a user who asks for degrees of freedom that a fit does not have."""
    return f"df={brief(df)} is a choice for mixed models (lmer); this fit has its own degrees of freedom: leave df out."
