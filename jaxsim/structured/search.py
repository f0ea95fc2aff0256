"""Trust-region Newton on the criterion of structured residuals, in the structure's parameters and the chart of T together.

The rules are those of :mod:`jaxsim.lmm.newton`: one evaluation a step, a stationary point counts if it has no negative curvature,
and of several starts the best is kept.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.lmm.chart import chart_of, moved
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.newton import FIRST_RADIUS, MAX_EVALUATIONS, PROMISE, SMALLEST_RADIUS, Point, choose, propose, trust
from jaxsim.lmm.problem import Problem
from jaxsim.structured.deviance import surface
from jaxsim.structured.residuals import Residuals
from jaxsim.structured.start import Starts

Array = jax.Array


class Place(NamedTuple):
    """Where the criterion is evaluated: ``psi`` ``[K]`` and ``relative`` T ``[Q, Q]``."""

    psi: Array
    relative: Array


class Found(NamedTuple):
    """An evaluation: ``psi`` ``[K]`` and ``point``, whose gradient, Hessian, ``m`` and ``c`` are of psi, then of the chart."""

    psi: Array
    point: Point


class State(NamedTuple):
    """Search state of one dataset, as :class:`jaxsim.lmm.newton.State`."""

    trial: Place
    promise: Array
    radius: Array
    closing: Array
    at: Found
    best: Found
    start: Array
    evaluations: Array
    total_evaluations: Array
    done: Array


def evaluate(problem: Problem, residuals: Residuals, trial: Place, spec: Spec) -> Found:
    """The criterion with gradient and Hessian; ``decrement`` and ``saddle`` are not judged yet."""
    chart = chart_of(trial.relative, spec.structure)
    found = surface(residuals, trial.psi, chart, problem.n_rows, spec)
    at = found.at
    point = Point(
        chart=chart,
        deviance=found.deviance,
        gradient=found.gradient,
        hessian=found.hessian,
        beta=at.beta,
        root=at.root,
        pw=at.pw,
        gamma=at.gamma,
        m=found.m,
        c=found.c,
        stiffness=jnp.diagonal(at.stiffness),
        decrement=jnp.asarray(jnp.inf),
        saddle=jnp.asarray(True),
    )
    return Found(trial.psi, point)


def initial(problem: Problem, residuals: Residuals, starts: Starts, spec: Spec) -> State:
    """State that will evaluate the first start."""
    first = Place(starts.psi[0], starts.relative[0])
    shapes = jax.eval_shape(lambda trial: evaluate(problem, residuals, trial, spec), first)
    blank: Found = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    nowhere = blank._replace(point=blank.point._replace(deviance=jnp.asarray(jnp.inf)))
    count = jnp.asarray(0, jnp.int32)
    return State(
        first,
        jnp.zeros(()),
        jnp.asarray(FIRST_RADIUS),
        jnp.asarray(False),
        nowhere,
        nowhere,
        count,
        count,
        count,
        jnp.asarray(False),
    )


def step(problem: Problem, residuals: Residuals, starts: Starts, state: State, spec: Spec) -> State:
    """Evaluate the trial place, keep it if it is better, and choose the next."""
    new = evaluate(problem, residuals, state.trial, spec)
    better, radius = trust(state.at.point.deviance, new.point.deviance, state.promise, state.radius)
    at = choose(better, new, state.at)
    proposal = propose(at.point.gradient, at.point.hessian, radius)
    at = at._replace(point=at.point._replace(decrement=proposal.decrement, saddle=proposal.saddle))
    evaluations = state.evaluations + 1
    finished = state.closing | (radius < SMALLEST_RADIUS) | (evaluations >= MAX_EVALUATIONS)
    start = state.start + finished
    place = jnp.minimum(start, len(starts.psi) - 1)
    k = len(at.psi)
    onward = Place(at.psi + proposal.move[:k], moved(at.point.chart, proposal.move[k:], spec.structure))
    fresh = Place(starts.psi[place], starts.relative[place])
    return State(
        trial=jax.tree.map(lambda a, b: jnp.where(finished, a, b), fresh, onward),
        promise=jnp.where(finished, 0.0, proposal.promise),
        radius=jnp.where(finished, FIRST_RADIUS, radius),
        closing=(proposal.decrement < PROMISE) & ~proposal.saddle & ~finished,
        at=at._replace(point=at.point._replace(deviance=jnp.where(finished, jnp.inf, at.point.deviance))),
        best=choose(finished & (at.point.deviance < state.best.point.deviance), at, state.best),
        start=start.astype(jnp.int32),
        evaluations=jnp.where(finished, 0, evaluations).astype(jnp.int32),
        total_evaluations=state.total_evaluations + 1,
        done=start >= starts.needed,
    )


def search(problem: Problem, residuals: Residuals, starts: Starts, spec: Spec) -> State:
    """The final state of one dataset's search, unbatched; its ``best`` is the optimum."""
    return jax.lax.while_loop(
        lambda state: ~state.done,
        lambda state: step(problem, residuals, starts, state, spec),
        initial(problem, residuals, starts, spec),
    )
