"""Likelihood profiles of every parameter of a mixed model: where the best fit at a fixed value is worse by the quantile.

A limit is the value at which the deviance, minimised over all other parameters, lies the quantile of chi-square with one degree of
freedom above its minimum (lme4's ``confint(method = "profile")``: maximum likelihood also after REML; lme4 interpolates between
points of the profile where here the equation is solved). Where the profile never gets that high, the bound of the parameter is its
limit.

Random effects are those of orthonormal columns, turned so that every constraint is linear in the entries of a factor ``F`` of
their covariance. A standard deviation is that of the first of them, ``F_11``. Of a correlation ``r`` the one effect is the first,
the other ``alpha`` times the first and ``beta`` times the second: ``sqrt(1 - r^2) (alpha F_11 + beta F_21) = r beta F_22``. So each
minimum is an ordinary one, in fewer coordinates, by Newton's method on :mod:`jaxsim.frames.postestimation.surface`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxsim.frames.fitted import Fitted
from jaxsim.frames.postestimation.constrained import (
    Coordinates,
    factor_at,
    least,
    least_correlated,
    optimum,
    turned_to,
)
from jaxsim.frames.postestimation.fit_components import random_components
from jaxsim.frames.postestimation.posed import Posed, posed
from jaxsim.frames.postestimation.surface import Surface
from jaxsim.inference import chi_square_point

# Limits are solved for to this fraction of the distance between estimate and limit.
PRECISION = 1e-8
# A deviance this much below the minimum that was found is no rounding: there is a better optimum, and the profile is none.
LOWER = 1e-6
# Of the first step away from an estimate, before a parameter counts as unbounded.
DOUBLINGS = 60


@dataclass(frozen=True, eq=False)
class Profiled:
    """The profile of one parameter: ``estimate``, its range ``low`` to ``high``, a first ``step`` away from the estimate, the least
    deviance ``bottom``, and ``at``: the deviance minimised at a value of the parameter, from a start of the other coordinates, with
    where that was."""

    estimate: float
    low: float
    high: float
    step: float
    bottom: float
    start: np.ndarray
    at: Callable[[float, np.ndarray], tuple[float, np.ndarray]]

    def limits(self, conf_level: float) -> tuple[float, float]:
        """Where the profile crosses the quantile."""
        wanted = float(np.sqrt(chi_square_point(conf_level, 1)))
        return self._limit(self.low, wanted), self._limit(self.high, wanted)

    def _limit(self, bound: float, wanted: float) -> float:
        seen = {self.estimate: (self.bottom, self.start)}

        def excess(value: float) -> float:
            """How far the deviance is above what the limit has."""
            if value not in seen:
                # From the nearest on either side: a start across a ridge may lead to a lesser minimum.
                sides = ([v for v in seen if v < value], [v for v in seen if v > value])
                near = {min(side, key=lambda other: abs(other - value)) for side in sides if side}
                seen[value] = min((self.at(value, seen[other][1]) for other in near), key=lambda found: found[0])
            return float(np.sqrt(max(seen[value][0] - self.bottom, 0.0))) - wanted

        if self.estimate == bound:
            return bound
        inside, outside = self.estimate, self.estimate
        for outside in self._walk(bound):
            if excess(outside) >= 0:
                break
            inside = outside
        else:
            return bound
        from scipy import optimize  # noqa: PLC0415 - slow to import, and few fits are profiled

        found = optimize.brentq(excess, inside, outside, xtol=PRECISION * abs(outside - self.estimate))
        lower = any(deviance < self.bottom - LOWER for deviance, _ in seen.values())
        return np.nan if lower else float(found)

    def _walk(self, bound: float) -> np.ndarray:
        """Values on the way from the estimate to a bound."""
        if np.isinf(bound):
            return self.estimate + np.copysign(self.step, bound) * 2.0 ** np.arange(DOUBLINGS)
        return self.estimate + (bound - self.estimate) * np.linspace(0, 1, 5)[1:]


def profile_limits(fit: Fitted, conf_level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits of fixed effects, components of the random effects and ``sigma``, in this order."""
    problem = posed(fit)
    on = problem.surface(reml=False)
    place, bottom = optimum(problem, on)
    every = [_fixed_effect(problem, on, place, bottom, j) for j in range(problem.x.shape[1])]
    every += [_component(problem, on, place, bottom, i, j) for _, i, j in random_components(problem.model)]
    found = np.array([one.limits(conf_level) for one in (*every, _residual(on, place, bottom))])
    found[-1] = np.exp(found[-1]) * problem.unit
    return found[:, 0], found[:, 1]


def _fixed_effect(problem: Posed, on: Surface, place: np.ndarray, bottom: float, j: int) -> Profiled:
    """Of coefficient ``j``: the model of the other columns for what is left of the response."""
    others = np.delete(problem.x, j, axis=1)
    factor = factor_at(on, place)
    at = on.at(factor @ factor.T * np.exp(-place[-1]))
    estimate = float((on.shift + on.basis.inverse @ at.beta)[j])
    step = float(np.sqrt(np.exp(place[-1]) * (on.basis.inverse[j] @ at.c @ on.basis.inverse[j])))
    everything = Coordinates(np.eye(len(place)), np.zeros(len(place)))

    def deviance(value: float, start: np.ndarray) -> tuple[float, np.ndarray]:
        """The least deviance with one value held."""
        return least(problem.surface(False, others, problem.y - value / problem.unit * problem.x[:, j]), everything, start)

    unit = problem.unit
    return Profiled(estimate * unit, -np.inf, np.inf, 2 * step * unit, bottom, place, deviance)


def _component(problem: Posed, on: Surface, place: np.ndarray, bottom: float, i: int, j: int) -> Profiled:
    """Of the standard deviation of random effect ``i``, or of its correlation with ``j``."""
    one, other = problem.back[i], problem.back[j]
    block = next(block for block in on.structure.blocks if i in block)
    turned, start, turn = turned_to(on, place, block, np.column_stack([one, other]) if i != j else one[:, None])
    entries, first = [tuple(entry) for entry in turned.structure.entries.tolist()], block[0]
    own = factor_at(turned, start)
    if i == j:
        unit = problem.unit * float(np.linalg.norm(one))
        estimate, at = abs(own[first, first]), entries.index((first, first))
        matrix = np.delete(np.eye(len(start)), at, axis=1)

        def deviance(value: float, near: np.ndarray) -> tuple[float, np.ndarray]:
            """The least deviance with one value held."""
            return least(turned, Coordinates(matrix, np.eye(len(start))[at] * value / unit), near)

        return Profiled(estimate * unit, 0.0, np.inf, max(estimate, 0.1) * unit, bottom, start, deviance)
    places = [entries.index(pair) for pair in ((first, first), (first + 1, first), (first + 1, first + 1))]
    shares = turn[:, first] @ other, turn[:, first + 1] @ other
    row = shares @ own[first : first + 2]
    length = float(np.linalg.norm(row))
    estimate = row[first] / length if length > 0 and own[first, first] > 0 else 0.0

    def correlated(value: float, near: np.ndarray) -> tuple[float, np.ndarray]:
        """The least deviance with the correlation held."""
        return least_correlated(turned, places, shares, value, near)

    return Profiled(float(np.clip(estimate, -1, 1)), -1.0, 1.0, 0.1, bottom, start, correlated)


def _residual(on: Surface, place: np.ndarray, bottom: float) -> Profiled:
    """Of the logarithm of the residual standard deviation, which has no bound."""
    size = len(place)
    matrix, last = np.eye(size)[:, :-1], np.eye(size)[-1]

    def deviance(value: float, start: np.ndarray) -> tuple[float, np.ndarray]:
        """The least deviance with one value held."""
        return least(on, Coordinates(matrix, 2 * value * last), start)

    return Profiled(place[-1] / 2, -np.inf, np.inf, 0.1, bottom, place, deviance)
