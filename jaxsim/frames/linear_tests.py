"""Tests of linear combinations of a fit's coefficients: their covariance, and the t and F distributions they are referred to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from jaxsim.errors import InputError, brief
from jaxsim.numerics.row_basis import RANK_TOLERANCE


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
