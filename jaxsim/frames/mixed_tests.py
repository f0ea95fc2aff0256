"""Tests of linear combinations of fixed effects, by Satterthwaite's or Kenward and Roger's method or simpler ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from jaxsim.crossed import solution as crossed
from jaxsim.crossed.kenward_roger import kenward_roger as crossed_kenward_roger
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem as CrossedProblem
from jaxsim.frames.linear_tests import FixedDf, JointTest, LinearTests
from jaxsim.lmm import solution
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.kenward_roger import Adjustment, kenward_roger
from jaxsim.lmm.newton import Point
from jaxsim.lmm.problem import Problem
from jaxsim.lmm.solution import Solution, check_df
from jaxsim.lmm.uncertainty import (
    Uncertainty,
    degrees_of_freedom,
    kenward_roger_scale,
    kenward_roger_uncertainty,
    pooled_degrees,
    satterthwaite_uncertainty,
)
from jaxsim.numerics.arrays import on_numpy


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where a search ended: what was fitted to what, in standardised units on orthonormal columns; ``inverse`` ``[P, P]`` leads
    from the coefficients of these to the user's. ``model`` is that of the engine for several grouping factors, None for one."""

    spec: Spec
    problem: Problem | CrossedProblem
    point: Point
    inverse: np.ndarray
    model: Model | None = None

    @property
    def n_rows(self) -> float:
        """Rows of the dataset."""
        return float(np.asarray(self.problem.n_rows))

    def solution(self, df: str) -> Solution:
        """What the engine reports, with degrees of freedom of the user's coefficients by one of its methods."""
        if isinstance(self.problem, Problem):
            return on_numpy(solution.solve)(self.problem, self.point, self.spec, df, self.inverse)
        return on_numpy(crossed.solve)(self.problem, self.point, self.model, df, self.inverse)

    def adjustment(self, observed: bool) -> Adjustment:
        """Kenward and Roger's."""
        if isinstance(self.problem, Problem):
            return on_numpy(kenward_roger)(self.problem, self.point, self.spec, observed)
        return on_numpy(crossed_kenward_roger)(self.problem, self.point, self.model, observed)

    @cached_property
    def nu(self) -> float:
        """Degrees of freedom of the residual variance: N - P after REML, else N."""
        return self.n_rows - len(self.spec.fixed) if self.spec.reml else self.n_rows

    @cached_property
    def half(self) -> np.ndarray:
        """``half half'`` times the residual variance is the covariance of the coefficients, ``[P, P]``."""
        scale = np.asarray(self.problem.column_scale)[list(self.spec.fixed)]
        return self.inverse / scale @ np.asarray(self.point.root)

    @cached_property
    def variance(self) -> float:
        """Of the residuals, in the units of the data."""
        return float(self.point.pw) / self.nu * float(self.problem.response_scale) ** 2


@dataclass(frozen=True, eq=False)
class MixedTests:
    """See :class:`~jaxsim.frames.linear_tests.LinearTests`; ``method`` is one of :data:`~jaxsim.lmm.solution.DF_METHODS`."""

    optimum: Optimum
    method: str

    @property
    def adjusted(self) -> bool:
        """Whether the covariance of the coefficients allows for the estimated variances."""
        return self.method.startswith("kenward-roger")

    @cached_property
    def adjustment(self) -> Adjustment:
        """Kenward and Roger's."""
        return self.optimum.adjustment(self.method.endswith("observed"))

    @cached_property
    def known(self) -> Uncertainty:
        """How well the variances are known."""
        if self.adjusted:
            return kenward_roger_uncertainty(self.adjustment)
        return satterthwaite_uncertainty(self.optimum.point, self.optimum.nu)

    @cached_property
    def vcov(self) -> np.ndarray:
        half = self.optimum.half
        middle = self.adjustment.vcov if self.adjusted else np.eye(len(half))
        return self.optimum.variance * half @ middle @ half.T

    def df(self, rows: np.ndarray) -> np.ndarray:
        return degrees_of_freedom(self.known, rows @ self.optimum.half)

    def joint(self, rows: np.ndarray, estimate: np.ndarray) -> JointTest:
        """F of independent combinations, their degrees of freedom pooled; Kenward & Roger's scaled F where that is asked for."""
        values, vectors = np.linalg.eigh(rows @ self.vcov @ rows.T)
        squares = (vectors.T @ estimate) ** 2 / values
        along = vectors.T @ rows
        df = self.df(along)
        q = len(rows)
        if np.isnan(df).any():
            return JointTest(np.nan, q, np.nan)
        if self.adjusted and q > 1:
            den_df, scale = kenward_roger_scale(self.known, along @ self.optimum.half)
            return JointTest(scale * float(squares.mean()), q, den_df, scale)
        return JointTest(float(squares.mean()), q, pooled_degrees(df))

    def by(self, df: str) -> LinearTests:
        return mixed_tests(self.optimum, df)


@dataclass(frozen=True, eq=False)
class PlainMixedTests(FixedDf):
    """A mixed model's with N - P or infinite degrees of freedom for every combination."""

    optimum: Optimum

    def by(self, df: str) -> LinearTests:
        return mixed_tests(self.optimum, df)


def mixed_tests(optimum: Optimum, df: str) -> LinearTests:
    """The tests of a fit by one of :data:`~jaxsim.lmm.solution.DF_METHODS`; :class:`InputError` for others."""
    check_df(df, optimum.spec.reml)
    tests = MixedTests(optimum, df)
    if df in ("residual", "normal"):
        degrees = np.inf if df == "normal" else optimum.n_rows - len(optimum.spec.fixed)
        return PlainMixedTests(replace(tests, method="satterthwaite").vcov, degrees, optimum)
    return tests
