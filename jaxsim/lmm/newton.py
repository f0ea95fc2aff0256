"""Trust-region Newton on the deviance, as a state machine that takes one evaluation per step.

The deviance is even in every column of a factor of ``T``, so nothing needs bounds: a singular fit is an interior stationary
point, at which Newton's quadratic convergence reaches exact zeros. The price is that a zero column is always stationary,
so a stationary point counts only if the Hessian has no negative curvature; otherwise the step goes along it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from jaxsim.lmm.chart import Chart, chart_of, directions, moved
from jaxsim.lmm.deviance import Spec, curvature, gradient, profile
from jaxsim.lmm.problem import Problem
from jaxsim.lmm.start import Starts
from jaxsim.numerics.arrays import library, while_loop
from jaxsim.numerics.shifted import solve_shifted

Array = jax.Array
Tree = TypeVar("Tree")

# Once a step promises less than this many deviance units it is the last: Newton being quadratic there, it leaves an error
# far below the 1e-6 at which criteria are compared.
PROMISE = 1e-9
# Shifts of the Hessian relative to its largest diagonal entry. The second is the saddle test: curvature that a shift of
# 1e-7 does not lift is negative, the rest is rounding error of the sums over groups.
LADDER = (0.0, 1e-7, 1e-3, 1e-2, 6e-2, 0.3, 2.0, 100.0)
SADDLE_TEST = 1
# A Cholesky pivot below this (relative) has no correct digit.
PIVOT = 1e-12
# Rounding error of a deviance of size 1e4 is about 1e-11; an increase below this is not a worse point.
NOISE = 1e-10
# A later start is given up once its next step leads to the optimum that is known: so near to it, relative to standard deviations,
# with less than this left to gain, and to a deviance at most so much higher, or lower, than is known. Of some 150,000 datasets
# with 5 to 14 groups of few rows and two to four random effects none lost a better optimum by it; it saves a quarter of all
# evaluations.
NEAR, LITTLE = 0.05, 0.5
HIGHER, LOWER = 0.1, 0.01
FIRST_RADIUS, LARGEST_RADIUS, SMALLEST_RADIUS = 1.0, 100.0, 1e-9
MAX_EVALUATIONS = 150


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
    xp = library(gradient, hessian)
    size = xp.maximum(xp.abs(xp.diagonal(hessian)).max(), 1e-8)
    moves, pivots, bend = solve_shifted(hessian, -gradient, size * xp.array(LADDER), SADDLE_TEST)
    definite = (pivots > PIVOT * size).all(0)
    lengths = xp.sqrt((moves**2).sum(0))
    fits = definite & (lengths <= radius)
    chosen = xp.where(fits.any(), xp.argmax(fits), len(LADDER) - 1)
    move = moves[:, chosen] * xp.minimum(1.0, radius / xp.maximum(lengths[chosen], 1e-300))
    decrement = -0.5 * gradient @ moves[:, xp.argmax(definite)]

    saddle = ~definite[SADDLE_TEST]
    bend = bend / xp.maximum(xp.sqrt((bend**2).sum()), 1e-300)
    bend = xp.where(gradient @ bend > 0, -bend, bend)
    room = xp.maximum(radius - xp.sqrt((move**2).sum()), 0.0)
    move = move + xp.where(saddle, room, 0.0) * bend
    promise = -(gradient @ move + 0.5 * move @ hessian @ move)
    return Proposal(move, promise, decrement, saddle)


class Point(NamedTuple):
    """What is kept of one evaluation: enough to move on from there, and to report the fit if it is the last.

    ``chart`` around ``T``; ``deviance`` ``[]``; ``gradient`` ``[T]`` and ``hessian`` ``[T, T]`` in the chart; ``beta``, ``root``,
    ``pw``, ``gamma`` as in :class:`Profile`; ``m``, ``c`` as in :class:`Curvature`; ``stiffness`` = diagonal of sum U_g ``[Q]``;
    ``decrement`` and ``saddle`` as in :class:`Proposal`.
    """

    chart: Chart
    deviance: Array
    gradient: Array
    hessian: Array
    beta: Array
    root: Array
    pw: Array
    gamma: Array
    m: Array
    c: Array
    stiffness: Array
    decrement: Array
    saddle: Array


def evaluate(problem: Problem, relative: Array, spec: Spec) -> Point:
    """The deviance with gradient and Hessian in the chart around ``T``; ``decrement`` and ``saddle`` are not judged yet."""
    xp = library(problem.products)
    chart = chart_of(relative, spec.structure)
    along = directions(chart, spec.structure)
    at = profile(problem.products, problem.n_rows, chart.factor, spec, problem.between)
    second = curvature(at, along, chart.order, spec)
    return Point(
        chart=chart,
        deviance=at.deviance,
        gradient=gradient(at, along),
        hessian=second.hessian,
        beta=at.beta,
        root=at.root,
        pw=at.pw,
        gamma=at.gamma,
        m=second.m,
        c=second.c,
        stiffness=xp.diagonal(at.stiffness),
        decrement=xp.asarray(xp.inf),
        saddle=xp.asarray(True),
    )


def nowhere(spec: Spec, xp: Any) -> Point:
    """What :func:`evaluate` returns before anything has been evaluated: an infinite deviance, zeros of the right shapes."""
    p, q, t = len(spec.fixed), spec.structure.size, len(spec.structure.entries)
    none, no = xp.zeros(()), xp.asarray(False)
    square = xp.zeros((q, q))
    return Point(
        chart=Chart(square, square),
        deviance=xp.asarray(xp.inf),
        gradient=xp.zeros(t),
        hessian=xp.zeros((t, t)),
        beta=xp.zeros(p),
        root=xp.zeros((p, p)),
        pw=none,
        gamma=square,
        m=xp.zeros((t, p, p)),
        c=xp.zeros(t),
        stiffness=xp.zeros(q),
        decrement=none,
        saddle=no,
    )


class State(NamedTuple):
    """Search state of one dataset. ``at`` is the best point of the current start, ``best`` that of the starts before it.

    ``trial`` ``[Q, Q]`` is the ``T`` that the next step evaluates, expecting to gain ``promise``; ``closing`` says that it is
    the last one of its start.
    """

    trial: Array
    promise: Array
    radius: Array
    closing: Array
    at: Point
    best: Point
    start: Array
    evaluations: Array
    total_evaluations: Array
    done: Array


def initial(starts: Starts, spec: Spec) -> State:
    """State that will evaluate the first of ``starts``."""
    xp = library(starts.values)
    at_none = nowhere(spec, xp)
    count = xp.asarray(0, np.int32)
    return State(
        trial=starts.values[0],
        promise=xp.zeros(()),
        radius=xp.asarray(FIRST_RADIUS),
        closing=xp.asarray(False),
        at=at_none,
        best=at_none,
        start=count,
        evaluations=count,
        total_evaluations=count,
        done=xp.asarray(False),
    )


def choose(condition: Array, a: Tree, b: Tree) -> Tree:
    """One of two trees of arrays, by a bool ``[]``."""
    xp = library(condition)
    if xp is np:
        return a if condition else b
    return jax.tree.map(lambda x, y: xp.where(condition, x, y), a, b)


def trust(before: Array, now: Array, promise: Array, radius: Array) -> tuple[Array, Array]:
    """Whether a trial is better than where the search is, bool ``[]``, and the radius of the next step, ``[]``.

    Args:
        before, now: deviances there (infinite before the first trial of a start) and at the trial.
        promise: what the trial was expected to gain.
        radius: of the step to it.
    """
    xp = library(before, now, promise, radius)
    gain = before - now
    first = xp.isinf(before)
    better = xp.isfinite(now) & (first | (gain > -NOISE))
    ratio = xp.where(first | (promise < NOISE), 1.0, gain / xp.maximum(promise, 1e-300))
    radius = xp.where(better & (ratio > 0.75), xp.minimum(2 * radius, LARGEST_RADIUS), radius)
    return better, xp.where(~better | (ratio < 0.25), radius / 4, radius)


def step(problem: Problem, starts: Starts, state: State, spec: Spec) -> State:
    """Evaluate the trial point, keep it if it is better, and choose the next trial."""
    return advance(evaluate(problem, state.trial, spec), starts, state, spec)


def advance(point: Point, starts: Starts, state: State, spec: Spec) -> State:
    """:func:`step`, once its trial point is evaluated."""
    xp = library(state.trial)
    better, radius = trust(state.at.deviance, point.deviance, state.promise, state.radius)
    at = choose(better, point, state.at)
    proposal = propose(at.gradient, at.hessian, radius)
    at = at._replace(decrement=proposal.decrement, saddle=proposal.saddle)
    stationary = (proposal.decrement < PROMISE) & ~proposal.saddle
    evaluations = state.evaluations + 1
    stuck = (radius < SMALLEST_RADIUS) | (evaluations >= MAX_EVALUATIONS)
    trial = moved(at.chart, proposal.move, spec.structure)
    ended, rejoined = state.closing | stuck, rejoins(at, trial, state.best)
    finished = ended | rejoined

    best = choose(ended & (at.deviance < state.best.deviance), at, state.best)
    start = state.start + finished
    fresh = starts.values[xp.minimum(start, len(starts.values) - 1)]
    return State(
        trial=xp.where(finished, fresh, trial),
        promise=xp.where(finished, 0.0, proposal.promise),
        radius=xp.where(finished, FIRST_RADIUS, radius),
        closing=stationary & ~finished,
        at=at._replace(deviance=xp.where(finished, xp.inf, at.deviance)),
        best=best,
        start=start.astype(np.int32),
        evaluations=xp.where(finished, 0, evaluations).astype(np.int32),
        total_evaluations=state.total_evaluations + 1,
        done=start >= starts.needed,
    )


def rejoins(at: Point, trial: Array, best: Point) -> Array:
    """Whether a search that is ``at`` a point, and next at the covariance ``trial`` ``[Q, Q]``, is about to find the ``best`` point
    of the starts before it once more, and that is an optimum, bool ``[]``."""
    xp, known = library(trial), best.chart.factor @ best.chart.factor.T
    scale = xp.sqrt(xp.diagonal(known)) + NEAR
    near = (xp.abs(trial - known) <= NEAR * xp.outer(scale, scale)).all()
    apart = at.deviance - at.decrement - best.deviance
    there = near & ~at.saddle & (at.decrement < LITTLE) & (apart < HIGHER) & (apart > -LOWER)
    return there & (best.decrement < PROMISE) & ~best.saddle


def search(problem: Problem, starts: Starts, spec: Spec) -> State:
    """The final state of one dataset's search, unbatched; its ``best`` is the optimum."""
    return while_loop(lambda state: ~state.done, lambda state: step(problem, starts, state, spec), initial(starts, spec))
