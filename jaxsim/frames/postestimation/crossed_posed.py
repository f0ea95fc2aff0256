"""A fitted model with several grouping factors in the units of its engine, and what follows from it there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxsim.crossed import solution
from jaxsim.crossed.deviance import Profile, profile
from jaxsim.crossed.model import Model
from jaxsim.crossed.prediction_error import Rows, degrees, errors
from jaxsim.crossed.problem import Problem
from jaxsim.errors import InputError
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.mixed_tests import MixedTests, Optimum, PlainMixedTests
from jaxsim.frames.original_columns import theta_at, triangular
from jaxsim.frames.postestimation.row_terms import weights_of
from jaxsim.lmm import prediction_error
from jaxsim.lmm.chart import directions
from jaxsim.lmm.solution import unprofiled
from jaxsim.numerics.arrays import on_numpy
from jaxsim.numerics.row_basis import orthonormal


@dataclass(frozen=True, eq=False)
class CrossedPosed:
    """The optimum of a fit.

    Attributes:
        model: that was fitted.
        optimum: where its search ended.
        engine: the kernel's model.
        back: from the effects of the kernel's columns to those of the model's, ``[Q, Q]``.
    """

    model: MixedModel
    optimum: Optimum
    engine: Model
    back: np.ndarray

    @property
    def problem(self) -> Problem:
        """In the units of the kernel."""
        assert isinstance(self.optimum.problem, Problem)
        return self.optimum.problem

    @cached_property
    def at(self) -> Profile:
        """The deviance and its pieces at the optimum."""
        found: Profile = on_numpy(profile)(self.problem, self.optimum.point.chart.factor, self.engine)
        return found

    @cached_property
    def relative(self) -> np.ndarray:
        """Relative covariance of the model's effects, ``[Q, Q]``."""
        factor = self.back @ np.asarray(self.optimum.point.chart.factor)
        return factor @ factor.T

    @cached_property
    def directions(self) -> np.ndarray:
        """How it moves along the coordinates of the chart, ``[T, Q, Q]``."""
        moves = np.asarray(on_numpy(directions)(self.optimum.point.chart, self.engine.spec.structure))
        return self.back @ moves @ self.back.T

    @cached_property
    def hessian(self) -> np.ndarray:
        """Of the deviance in these and in the residual standard deviation, ``[T + 1, T + 1]``."""
        return np.asarray(on_numpy(unprofiled)(self.optimum.point, self.optimum.nu))

    @property
    def deviation(self) -> float:
        """The residual standard deviation in the units of the kernel."""
        return float(np.sqrt(np.asarray(self.optimum.point.pw) / self.optimum.nu))

    @property
    def pivots(self) -> np.ndarray:
        """Diagonal of the triangular factor of the kernel's relative covariance, ``[Q]``: zero at the boundary."""
        factor, found = np.asarray(self.optimum.point.chart.factor), np.zeros(len(self.back))
        for block in self.engine.spec.structure.blocks:
            found[list(block)] = np.diagonal(triangular(factor[list(block)]))
        return found


def crossed_posed(fit: Fitted) -> CrossedPosed:
    """Of a mixed model with several grouping factors that has an answer.

    Raises:
        InputError: for a fit that was made by R, which holds no more than its numbers.
    """
    model, tests = fit.model, fit.tests
    assert isinstance(model, MixedModel)
    if not isinstance(tests, (MixedTests, PlainMixedTests)):
        raise InputError("this fit holds no more than its numbers; fit the model with jaxsim.lmer to ask for this.")
    optimum = tests.optimum
    engine = optimum.model
    assert engine is not None
    root, p = np.sqrt(weights_of(model))[:, None], len(engine.spec.fixed)
    order = np.concatenate([model.columns_of(f) for f in engine.factors])
    scale = np.asarray(optimum.problem.column_scale)[p:]
    back = np.zeros((len(order), len(order)))
    for at, block in zip(model.structure.blocks, model.blocks, strict=True):
        back[np.ix_(at, at)] = orthonormal(block.values * root).inverse
    return CrossedPosed(model, optimum, engine, back[:, order] / scale)


def variances(
    fit: Fitted, x: np.ndarray, z: np.ndarray, codes: np.ndarray, *, effects: bool, noise: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Of the errors of predictions, and Satterthwaite's degrees of freedom of these variances, ``[N]`` each.

    Args:
        fit: the model.
        x, z: columns of the rows with fixed and with random effects, ``[N, P]`` and ``[N, Q]``.
        codes: level of each row in each factor, ``[N, F]``, or -1 for a level that is not known; ``[N]`` for none.
        effects: whether the random effects of levels that are not known are part of what is predicted.
        noise: whether the residual (of a row of weight 1) is.
    """
    on = crossed_posed(fit)
    engine, optimum = on.engine, on.optimum
    scale = np.asarray(optimum.problem.column_scale)[: x.shape[1]]
    codes = np.broadcast_to(codes.reshape(len(x), -1), (len(x), len(engine.factors)))
    effects_z = z @ on.back
    rows = Rows(
        x @ optimum.inverse / scale,
        [effects_z[:, begin:end] for begin, end in zip(engine.ends, engine.ends[1:], strict=False)],
        [codes[:, f] for f in engine.factors],
    )
    found = errors(on.at, optimum.point, engine, rows, effects)
    basis = np.linalg.inv(optimum.inverse) * scale[:, None]
    unit = optimum.variance
    given = found.given + noise
    white = found.a @ np.asarray(on.at.root)
    variance = prediction_error.variance(found.a, basis @ fit.vcov.to_numpy() @ basis.T, unit * given)
    return variance, degrees(optimum.point, optimum.nu, (white**2).sum(1) + given, found.along)


def conditional_deviations(fit: Fitted) -> list[np.ndarray]:
    """Of each factor, as :func:`jaxsim.frames.postestimation.prediction_error.conditional_deviations`, ``[G, q]``."""
    on = crossed_posed(fit)
    engine, scale = on.engine, np.asarray(on.problem.column_scale)[len(on.engine.spec.fixed) :]
    theta = theta_at(engine.spec.structure, on.problem, on.optimum.point)
    found = dict(zip(engine.factors, on_numpy(solution.modes)(on.problem, theta, engine), strict=True))
    deviations = []
    for f in range(len(on.model.factors)):
        k = engine.factors.index(f)
        own = slice(engine.ends[k], engine.ends[k + 1])
        back = on.back[on.model.columns_of(f), own] * scale[own]
        variance = np.einsum("qa,gab,qb->gq", back, np.asarray(found[f][1]), back)
        deviations.append(np.sqrt(np.maximum(variance, 0.0)))
    return deviations
