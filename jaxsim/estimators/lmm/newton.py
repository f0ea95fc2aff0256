"""Trust-region Newton on the deviance, as a state machine that takes one evaluation per step.

The deviance is even in every column of a factor of ``T``, so nothing needs bounds: a singular fit is an interior stationary
point, at which Newton's quadratic convergence reaches exact zeros. The price is that a zero column is always stationary,
so a stationary point counts only if the Hessian has no negative curvature; otherwise the step goes along it.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim import small
from jaxsim.estimators.lmm.chart import Chart, chart_of, directions, moved
from jaxsim.estimators.lmm.deviance import Curvature, Profile, Spec, curvature, gradient, profile
from jaxsim.estimators.lmm.problem import Problem

Array = jax.Array

# A step that promises less than this many deviance units ends the search: the quadratic step that follows leaves an
# error far below the 1e-6 at which criteria are compared.
PROMISE = 1e-9
# Shifts of the Hessian relative to its largest diagonal entry. The second is the saddle test: curvature that a shift of
# 1e-7 does not lift is negative, the rest is rounding error of the sums over groups.
LADDER = (0.0, 1e-7, 1e-3, 1e-2, 6e-2, 0.3, 2.0, 100.0)
SADDLE_TEST = 1
# A Cholesky pivot below this (relative) has no correct digit.
PIVOT = 1e-12
# Rounding error of a deviance of size 1e4 is about 1e-11; an increase below this is not a worse point.
NOISE = 1e-10
FIRST_RADIUS, LARGEST_RADIUS, SMALLEST_RADIUS = 1.0, 100.0, 1e-9
MAX_EVALUATIONS = 150


class State(NamedTuple):
    """Search state of one dataset. ``at*`` is the best point of the current start, ``best*`` of the starts before it.

    ``trial`` ``[Q, Q]`` is the ``T`` that the next step evaluates, expecting to gain ``promise``.
    """

    trial: Array
    promise: Array
    radius: Array
    at: Chart
    at_deviance: Array
    at_gradient: Array
    at_hessian: Array
    best: Array
    best_deviance: Array
    start: Array
    evaluations: Array
    total_evaluations: Array
    done: Array


def initial(starts: Array, spec: Spec) -> State:
    """State that will evaluate the first of ``starts`` (``[S, Q, Q]``)."""
    t = len(spec.structure.entries)
    inf, count = jnp.asarray(jnp.inf), jnp.asarray(0, jnp.int32)
    return State(
        trial=starts[0],
        promise=jnp.zeros(()),
        radius=jnp.asarray(FIRST_RADIUS),
        at=chart_of(starts[0], spec.structure),
        at_deviance=inf,
        at_gradient=jnp.zeros(t),
        at_hessian=jnp.eye(t),
        best=starts[0],
        best_deviance=inf,
        start=count,
        evaluations=count,
        total_evaluations=count,
        done=jnp.asarray(False),
    )


class Proposal(NamedTuple):
    """``move`` ``[T]``, the decrease it promises, what a full step would gain, and whether the curvature is somewhere negative."""

    move: Array
    promise: Array
    decrement: Array
    saddle: Array


def propose(gradient: Array, hessian: Array, radius: Array) -> Proposal:
    """Trust-region step: the least damped of a ladder of shifted Newton steps that is defined and fits into the radius.

    All shifts are solved at once. Where the Hessian has negative curvature and the step leaves room within the radius
    (the "hard case": a saddle), the rest of the radius goes along that curvature.
    """
    t = gradient.shape[0]
    size = jnp.maximum(jnp.abs(jnp.diagonal(hessian)).max(), 1e-8)
    shifts = size * jnp.array(LADDER)
    shifted = hessian[:, :, None] + jnp.eye(t)[:, :, None] * shifts
    right = jnp.broadcast_to(-gradient[:, None], (t, len(LADDER)))
    moves, pivots, bends = small.solve_definite(shifted, right)
    definite = (pivots > PIVOT * size).all(0)
    lengths = jnp.sqrt((moves**2).sum(0))
    fits = definite & (lengths <= radius)
    chosen = jnp.where(fits.any(), jnp.argmax(fits), len(LADDER) - 1)
    move = moves[:, chosen] * jnp.minimum(1.0, radius / jnp.maximum(lengths[chosen], 1e-300))
    decrement = -0.5 * gradient @ moves[:, jnp.argmax(definite)]

    bend = bends[:, SADDLE_TEST]
    saddle = ~definite[SADDLE_TEST]
    bend = bend / jnp.maximum(jnp.sqrt((bend**2).sum()), 1e-300)
    bend = jnp.where(gradient @ bend > 0, -bend, bend)
    room = jnp.maximum(radius - jnp.sqrt((move**2).sum()), 0.0)
    move = move + jnp.where(saddle, room, 0.0) * bend
    promise = -(gradient @ move + 0.5 * move @ hessian @ move)
    return Proposal(move, promise, decrement, saddle)


class Point(NamedTuple):
    """Everything evaluated at one ``T``: the chart around it, ``directions`` ``[T, Q, Q]``, deviance and derivatives."""

    chart: Chart
    directions: Array
    profile: Profile
    gradient: Array
    curvature: Curvature


def evaluate(problem: Problem, relative: Array, spec: Spec) -> Point:
    """The deviance with gradient and Hessian in the chart around ``T``."""
    chart = chart_of(relative, spec.structure)
    along = directions(chart, spec.structure)
    at = profile(problem.products, problem.n_rows, chart.factor, spec)
    return Point(chart, along, at, gradient(at, along), curvature(at, along, chart.order, spec))


def step(problem: Problem, starts: Array, state: State, spec: Spec) -> State:
    """Evaluate the trial point, keep it if it is better, and choose the next trial."""
    point = evaluate(problem, state.trial, spec)
    deviance = point.profile.deviance
    gain = state.at_deviance - deviance
    first = jnp.isinf(state.at_deviance)
    better = jnp.isfinite(deviance) & (first | (gain > -NOISE))
    ratio = jnp.where(first | (state.promise < NOISE), 1.0, gain / jnp.maximum(state.promise, 1e-300))

    def kept(new: Array, old: Array) -> Array:
        return jnp.where(better, new, old)

    at = Chart(kept(point.chart.factor, state.at.factor), kept(point.chart.order, state.at.order))
    at_deviance = kept(deviance, state.at_deviance)
    at_gradient = kept(point.gradient, state.at_gradient)
    at_hessian = kept(point.curvature.hessian, state.at_hessian)

    radius = jnp.where(better & (ratio > 0.75), jnp.minimum(2 * state.radius, LARGEST_RADIUS), state.radius)
    radius = jnp.where(~better | (ratio < 0.25), state.radius / 4, radius)
    proposal = propose(at_gradient, at_hessian, radius)
    stationary = better & (proposal.decrement < PROMISE) & ~proposal.saddle
    evaluations = state.evaluations + 1
    finished = stationary | (radius < SMALLEST_RADIUS) | (evaluations >= MAX_EVALUATIONS)

    wins = finished & (at_deviance < state.best_deviance)
    start = state.start + finished
    fresh = starts[jnp.minimum(start, starts.shape[0] - 1)]
    return State(
        trial=jnp.where(finished, fresh, moved(at, proposal.move, spec.structure)),
        promise=jnp.where(finished, 0.0, proposal.promise),
        radius=jnp.where(finished, FIRST_RADIUS, radius),
        at=at,
        at_deviance=jnp.where(finished, jnp.inf, at_deviance),
        at_gradient=at_gradient,
        at_hessian=at_hessian,
        best=jnp.where(wins, at.factor @ at.factor.T, state.best),
        best_deviance=jnp.where(wins, at_deviance, state.best_deviance),
        start=start.astype(jnp.int32),
        evaluations=jnp.where(finished, 0, evaluations).astype(jnp.int32),
        total_evaluations=state.total_evaluations + 1,
        done=start >= starts.shape[0],
    )
