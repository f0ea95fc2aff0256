"""Where the posterior is: its mode by BFGS and the normal approximation there, many datasets side by side.

Arrays end with the axes ``D`` (datasets) and ``S`` (1 here): lanes as in :mod:`density`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.bayesian import parameters
from jaxsim.bayesian.density import value_and_gradient
from jaxsim.bayesian.problem import Model, Problem
from jaxsim.numerics import small

Array = jax.Array

# The mode is where a proposal begins, not an answer: a tenth of a percent of a log density unit is near enough.
PROMISE = 1e-3
MAX_STEPS = 80
# Sufficient increase (Nocedal & Wright 2006, 3.1), and the longest step: three units of log SD or log sigma.
INCREASE, LONGEST = 1e-4, 3.0
# A central difference of a gradient of size 100 with this step has errors near 1e-9 / 1e-3 and 1e-6.
DIFFERENCE = 1e-3
# What is added to the precision until it is definite, its pivots above the last number: coordinates have an SD of order one under
# the prior alone, so that a variance above ten is curvature that the mode does not have. A ladder needs no loop that waits for
# the others.
LADDER, LOWEST = (0.0, 0.25, 1.0, 4.0, 16.0, 100.0, 1e4, 1e8), 0.1


class Normal(NamedTuple):
    """``mean`` ``[D, datasets]`` and ``root`` with ``root root'`` the covariance, ``[D, D, datasets]``; ``evaluations``
    ``[datasets]``."""

    mean: Array
    root: Array
    evaluations: Array


class _Search(NamedTuple):
    """``at``, ``slope`` ``[D, datasets]``, ``inverse`` ``[D, D, datasets]``; ``value``, ``length``, ``steps``, ``done``
    ``[datasets]``."""

    at: Array
    value: Array
    slope: Array
    inverse: Array
    length: Array
    steps: Array
    done: Array


def start(problem: Problem, model: Model) -> Array:
    """A point inside: SDs a third of the response's, no correlation, the residual SD that is left, fixed effects as those have it;
    ``[D, datasets]``."""
    count = problem.n_rows.shape
    total = model.residual_squares(problem) / problem.n_rows  # of the least-squares residual, in units of the response
    scale = jnp.log(jnp.sqrt(jnp.maximum(total, 1e-12)))
    size, q = parameters.size(model.structure), model.structure.size
    vector = jnp.zeros((size + (len(model.fixed) if model.other else 0), *count))
    return vector.at[:q].set(scale - 1.0).at[size - 1].set(scale - 0.5)


def widen(problem: Problem) -> Problem:
    """The same datasets with a further lane axis of length 1."""
    return problem.each(lambda leaf: leaf[..., None])


def approximate(problem: Problem, model: Model) -> Normal:
    """Mode and curvature of every dataset (``problem`` with lanes ``[datasets]``)."""
    wide = widen(problem)

    def evaluate(vector: Array) -> tuple[Array, Array]:
        """The log posterior and its slope."""
        value, slope = value_and_gradient(vector[..., None], wide, model)
        return value[..., 0], slope[..., 0]

    found, slopes = _explored(evaluate, start(problem, model))
    d = found.at.shape[0]
    hessian = jnp.moveaxis((slopes[..., d:] - slopes[..., :d]) / (2 * DIFFERENCE), -1, 1)
    hessian = (hessian + jnp.swapaxes(hessian, 0, 1)) / 2
    hessian = jnp.where(jnp.isfinite(hessian).all((0, 1)), hessian, jnp.eye(d)[:, :, None])
    lifted = hessian[..., None] + jnp.eye(d)[:, :, None, None] * jnp.array(LADDER)
    factor, pivots = small.cholesky(lifted)
    first = jnp.argmax((pivots > LOWEST).all(0), axis=-1)
    chosen = jnp.take_along_axis(factor, first[None, None, :, None], axis=-1)[..., 0]
    root = jnp.swapaxes(small.inverse_lower(chosen), 0, 1)
    return Normal(found.at, root, found.steps + 2 * d)


def _explored(evaluate: Callable[[Array], tuple[Array, Array]], begin: Array) -> tuple[_Search, Array]:
    """The modes, and the gradients in small steps forwards and backwards along every coordinate from them, ``[D, datasets, 2 D]``.

    One loop does both, so that there is one compiled copy of the density's gradient, which takes longest to compile.
    """
    d, count = begin.shape
    moves = DIFFERENCE * jnp.concatenate([jnp.eye(d), -jnp.eye(d)])
    none, zero = jnp.zeros(count, jnp.int32), jnp.zeros_like(begin)
    first = _Search(begin, jnp.full(count, -jnp.inf), zero, jnp.zeros((d, *begin.shape)), jnp.ones(count), none, none > 0)

    def step(state: tuple[_Search, Array, Array]) -> tuple[_Search, Array, Array]:
        """One evaluation: of the searches while any goes on, then of the next small step."""
        now, slopes, k = state
        searching = ~now.done.all()
        move = _move(now)
        value, slope = evaluate(now.at + jnp.where(searching, move, moves[k][:, None]))
        after = _moved(now, move, value, slope)
        return after, jnp.where(searching, slopes, slopes.at[..., k].set(slope)), k + ~searching

    def unfinished(state: tuple[_Search, Array, Array]) -> Array:
        """Whether a search goes on or a small step is left."""
        return ~state[0].done.all() | (state[2] < 2 * d)

    found, slopes, _ = jax.lax.while_loop(unfinished, step, (first, jnp.zeros((*begin.shape, 2 * d)), jnp.int32(0)))
    return found, slopes


def _move(now: _Search) -> Array:
    """The next step of a BFGS ascent with one evaluation a step, ``[D, datasets]``: none before the first evaluation."""
    return now.length * _direction(now)


def _direction(now: _Search) -> Array:
    direction = (now.inverse * now.slope[None]).sum(1)
    return direction * jnp.minimum(1.0, LONGEST / jnp.maximum(jnp.abs(direction).max(0), 1e-300))


def _moved(now: _Search, move: Array, value: Array, slope: Array) -> _Search:
    """After an evaluation: a step that does not increase the density enough is tried again shorter."""
    # Out there (SDs that overflow) the density is zero, which the search understands as a step too long.
    value, slope = jnp.where(jnp.isfinite(value), value, -jnp.inf), jnp.where(jnp.isfinite(slope), slope, 0.0)
    uphill = (now.slope * (now.inverse * now.slope[None]).sum(1)).sum(0)
    promise = (now.slope * _direction(now)).sum(0)
    taken = value > now.value + INCREASE * (move * now.slope).sum(0)
    done = (uphill / 2 < PROMISE) | (now.steps >= MAX_STEPS) | (~taken & (now.length * promise < 1e-9))
    new = _Search(
        at=jnp.where(taken, now.at + move, now.at),
        value=jnp.where(taken, value, now.value),
        slope=jnp.where(taken, slope, now.slope),
        inverse=jnp.where(taken, _update(now.inverse, move, now.slope - slope), now.inverse),
        length=jnp.where(taken, 1.0, now.length / 3),
        steps=now.steps + 1,
        done=done,
    )
    scale = 1 / jnp.maximum(jnp.sqrt((slope**2).sum(0)), 1.0)
    begun = now._replace(
        value=value,
        slope=slope,
        inverse=jnp.eye(len(slope))[:, :, None] * scale,
        steps=now.steps + 1,
        done=~jnp.isfinite(value),
    )
    after = jax.tree.map(lambda one, other: jnp.where(now.steps == 0, one, other), begun, new)
    return jax.tree.map(lambda old, fresh: jnp.where(now.done, old, fresh), now, after)


def _update(inverse: Array, move: Array, change: Array) -> Array:
    """The BFGS update of the inverse of minus the Hessian (Nocedal & Wright 2006, 6.17), left out where curvature is not
    positive."""
    along = (move * change).sum(0)
    positive = along > 1e-10 * jnp.sqrt((move**2).sum(0) * (change**2).sum(0))
    rho = 1 / jnp.where(positive, along, 1.0)
    pushed = (inverse * change[None]).sum(1)
    both = move[:, None] * pushed[None]
    outer = move[:, None] * move[None]
    updated = inverse - rho * (both + jnp.swapaxes(both, 0, 1)) + (rho**2 * (change * pushed).sum(0) + rho) * outer
    return jnp.where(positive, updated, inverse)
