"""Likelihood profiles of every parameter of a mixed model: where the best fit at a fixed value is worse by the quantile.

A limit is the value at which the deviance, minimised over all other parameters, lies the quantile of chi-square with one degree of
freedom above its minimum (lme4's ``confint(method = "profile")``: maximum likelihood also after REML; lme4 interpolates between
points of the profile where here the equation is solved). Where the profile never gets that high, the bound of the parameter is its
limit.

Every constraint is linear in the entries of a factor ``F`` of the covariance if the columns are put in the right order: a standard
deviation is the only entry of the first row; with a correlation ``r`` the second row is ``s (r, sqrt(1 - r^2))``. So each minimum
is an ordinary one, in fewer coordinates, by Newton's method on :mod:`jaxsim.frames.postestimation.surface`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.components import random_components
from jaxsim.frames.postestimation.newton import minimise
from jaxsim.frames.postestimation.row_terms import offset_of, weights_of
from jaxsim.frames.postestimation.simulation import factor_of
from jaxsim.frames.postestimation.surface import Surface, derivatives, surface

# Limits are solved for to this fraction of the distance between estimate and limit.
PRECISION = 1e-8
# A deviance this much below the minimum that was found is no rounding: there is a better optimum, and the profile is none.
LOWER = 1e-6
# Of the first step away from an estimate, before a parameter counts as unbounded.
DOUBLINGS = 60


class Problem(NamedTuple):
    """Rows times the root of their weights, in units in which nothing is far from 1: ``x [N, P]``, ``z [N, Q]``, ``y [N]``.

    ``z_unit`` ``[Q]`` and ``y_unit`` are what the columns with random effects and the response were divided by.
    """

    model: MixedModel
    x: np.ndarray
    z: np.ndarray
    y: np.ndarray
    z_unit: np.ndarray
    y_unit: float

    def surface(self, x: np.ndarray, y: np.ndarray) -> Surface:
        """The ML deviance with these columns and this response."""
        return surface(x, self.z, y, self.model.codes, self.model.structure, reml=False)


class Coordinates(NamedTuple):
    """Entries of the factor and log residual variance, ``[T + 1]``, as ``matrix @ free + fixed``."""

    matrix: np.ndarray
    fixed: np.ndarray


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
        wanted = float(np.sqrt(stats.chi2.ppf(conf_level, 1)))
        return self._limit(self.low, wanted), self._limit(self.high, wanted)

    def _limit(self, bound: float, wanted: float) -> float:
        seen = {self.estimate: (self.bottom, self.start)}

        def excess(value: float) -> float:
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
    problem = _problem(fit)
    on = problem.surface(problem.x, problem.y)
    place, bottom = _optimum(fit, problem, on)
    every = [_fixed_effect(problem, on, place, bottom, j) for j in range(problem.x.shape[1])]
    every += [_component(problem, on, place, bottom, i, j) for _, i, j in random_components(problem.model)]
    found = np.array([one.limits(conf_level) for one in (*every, _residual(on, place, bottom))])
    found[-1] = np.exp(found[-1]) * problem.y_unit
    return found[:, 0], found[:, 1]


def _problem(fit: Fitted) -> Problem:
    model = fit.model
    assert isinstance(model, MixedModel)
    assert fit.sigma is not None
    root = np.sqrt(weights_of(model))
    z = model.z * root[:, None]
    unit = np.sqrt((z**2).mean(0))
    return Problem(
        model, model.x.values * root[:, None], z / unit, (model.y - offset_of(model)) * root / fit.sigma, unit, fit.sigma
    )


def _entries(on: Surface, factor: np.ndarray, log_variance: float) -> np.ndarray:
    rows, columns = on.structure.entries.T
    return np.append(factor[rows, columns], log_variance)


def _factor(on: Surface, entries: np.ndarray) -> np.ndarray:
    rows, columns = on.structure.entries.T
    factor = np.zeros((on.structure.size,) * 2)
    factor[rows, columns] = entries[:-1]
    return factor


def _best(on: Surface, coordinates: Coordinates, start: np.ndarray) -> tuple[float, np.ndarray]:
    """The least deviance in some coordinates, and all entries ``[T + 1]`` where it is; from entries nearby."""
    matrix, fixed = coordinates

    def function(free: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        entries = matrix @ free + fixed
        try:
            value, gradient, hessian = derivatives(on, _factor(on, entries), entries[-1])
        except np.linalg.LinAlgError:  # so far away that nothing is left of the residual
            return np.inf, free, np.eye(len(free))
        return value, matrix.T @ gradient, matrix.T @ hessian @ matrix

    value, free = minimise(function, matrix.T @ (start - fixed))
    return value, matrix @ free + fixed


def _optimum(fit: Fitted, problem: Problem, on: Surface) -> tuple[np.ndarray, float]:
    """Entries at the maximum of the likelihood and the deviance there: the best that is found from the fit and from two others."""
    own = factor_of(fit) * problem.z_unit[:, None] / problem.y_unit
    size = len(on.structure.entries) + 1
    everything = Coordinates(np.eye(size), np.zeros(size))
    starts = [_entries(on, factor, 0.0) for factor in (own, np.eye(len(own)), 0.3 * np.eye(len(own)))]
    value, place = min((_best(on, everything, start) for start in starts), key=lambda found: found[0])
    return place, value


def _fixed_effect(problem: Problem, on: Surface, place: np.ndarray, bottom: float, j: int) -> Profiled:
    """Of coefficient ``j``: the model of the other columns for what is left of the response."""
    others = np.delete(problem.x, j, axis=1)
    factor = _factor(on, place)
    at = on.at(factor @ factor.T * np.exp(-place[-1]))
    estimate = float((on.shift + on.basis.inverse @ at.beta)[j])
    step = float(np.sqrt(np.exp(place[-1]) * (on.basis.inverse[j] @ at.c @ on.basis.inverse[j])))
    everything = Coordinates(np.eye(len(place)), np.zeros(len(place)))

    def deviance(value: float, start: np.ndarray) -> tuple[float, np.ndarray]:
        return _best(problem.surface(others, problem.y - value / problem.y_unit * problem.x[:, j]), everything, start)

    unit = problem.y_unit
    return Profiled(estimate * unit, -np.inf, np.inf, 2 * step * unit, bottom, place, deviance)


def _component(problem: Problem, on: Surface, place: np.ndarray, bottom: float, i: int, j: int) -> Profiled:
    """Of the standard deviation of random effect ``i``, or of its correlation with ``j``."""
    turned, start, first = _reordered(on, place, tuple(dict.fromkeys((i, j))))
    entries = [tuple(entry) for entry in turned.structure.entries.tolist()]
    own = _factor(turned, start)
    if i == j:
        unit = problem.y_unit / problem.z_unit[i]
        estimate = abs(own[first, first])
        at = entries.index((first, first))
        matrix = np.delete(np.eye(len(start)), at, axis=1)

        def deviance(value: float, near: np.ndarray) -> tuple[float, np.ndarray]:
            return _best(turned, Coordinates(matrix, np.eye(len(start))[at] * value / unit), near)

        return Profiled(estimate * unit, 0.0, np.inf, max(estimate, 0.1) * unit, bottom, start, deviance)
    places = [entries.index(pair) for pair in ((first, first), (first + 1, first), (first + 1, first + 1))]
    length = float(np.hypot(*own[first + 1, first : first + 2]))
    estimate = own[first + 1, first] / length if length > 0 and own[first, first] > 0 else 0.0

    def correlated(value: float, near: np.ndarray) -> tuple[float, np.ndarray]:
        return _correlated(turned, places, value, near)

    return Profiled(float(np.clip(estimate, -1, 1)), -1.0, 1.0, 0.1, bottom, start, correlated)


def _reordered(on: Surface, place: np.ndarray, ahead: tuple[int, ...]) -> tuple[Surface, np.ndarray, int]:
    """The same surface and place with some columns first in their block, and the position at which that block begins."""
    order = list(range(on.structure.size))
    block = next(block for block in on.structure.blocks if ahead[0] in block)
    order[block[0] : block[-1] + 1] = [*ahead, *(k for k in block if k not in ahead)]
    turned = replace(on, zz=on.zz[:, order][:, :, order], zx=on.zx[:, order], zy=on.zy[:, order])
    _, upper = np.linalg.qr(_factor(on, place)[order].T)
    factor = np.where(np.diagonal(upper) < 0, -1.0, 1.0) * upper.T
    return turned, _entries(turned, factor, place[-1]), block[0]


def _correlated(on: Surface, places: list[int], value: float, near: np.ndarray) -> tuple[float, np.ndarray]:
    """The least deviance with a correlation between two effects, whose three entries of the factor are at ``places``.

    Both standard deviations must have one sign; where they would not, the least is at one that is zero.
    """
    first, below, beside = places
    size = len(near)
    row = np.zeros(size)
    row[below], row[beside] = value, np.sqrt(max(1 - value**2, 0.0))
    others = [k for k in range(size) if k not in (below, beside)]
    matrix = np.column_stack([np.eye(size)[:, others], row])
    start = near.copy()
    start[[below, beside]] = row[[below, beside]] * np.hypot(near[below], near[beside])
    found, place = _best(on, Coordinates(matrix, np.zeros(size)), start)
    if place[first] * (place @ row) >= 0:
        return found, place
    edges = [[k for k in range(matrix.shape[1]) if k != gone] for gone in (others.index(first), matrix.shape[1] - 1)]
    return min((_best(on, Coordinates(matrix[:, kept], np.zeros(size)), start) for kept in edges), key=lambda pair: pair[0])


def _residual(on: Surface, place: np.ndarray, bottom: float) -> Profiled:
    """Of the logarithm of the residual standard deviation, which has no bound."""
    size = len(place)
    matrix, last = np.eye(size)[:, :-1], np.eye(size)[-1]

    def deviance(value: float, start: np.ndarray) -> tuple[float, np.ndarray]:
        return _best(on, Coordinates(matrix, 2 * value * last), start)

    return Profiled(place[-1] / 2, -np.inf, np.inf, 0.1, bottom, place, deviance)
