"""Whether a model with several grouping factors can be estimated from a dataset at all."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem

Array = jax.Array


def too_few_rows(problem: Problem, model: Model) -> Array:
    """Whether there are no more rows than fixed effects, or than a term has random effects (lme4's rule), bool ``[]``."""
    few = problem.n_rows <= len(model.spec.fixed)
    for k in range(len(model.widths)):
        widest = max(map(len, model.structure(k).blocks))
        few = few | (problem.n_rows <= problem.levels[k] * widest)
    return few


def reproduced(problem: Problem, model: Model, least: float) -> Array:
    """Whether fixed effects and all levels' effects together leave no residual, of fewer effects than rows: the residual variance
    then has no posterior. (As many effects as rows leave none of any response.)

    All effects are eliminated one by one; one that is a combination of those before is left alone.

    Args:
        problem: one dataset.
        model: the model.
        least: what may be left of squares by rounding.

    Returns:
        bool ``[]``.
    """
    rest, rank = problem.rest, jnp.zeros(())
    own, beside = problem.own, problem.beside
    for a in range(len(own)):
        alive = own[a, a] > least * problem.own[a, a]
        scale = jnp.where(alive, 1 / jnp.where(alive, own[a, a], 1.0), 0.0)
        row, edge = own[a] * scale, beside[a] * scale[:, None]
        rest = rest - edge.T @ beside[a]
        own, beside = own - own[a][:, None] * row[None], beside - row[:, :, None] * beside[a][None]
        rank = rank + alive.sum()
    size = rest.shape[0] - 1
    for free in problem.free:
        own, left = free.own, free.squares
        for a in range(len(own)):
            alive = own[a, a] > least * free.own[a, a]
            scale = jnp.where(alive, 1 / jnp.where(alive, own[a, a], 1.0), 0.0)
            rest = rest.at[-left.shape[1] :, -left.shape[1] :].add(-scale * left[a, :, a])
            weight = own[:, a] * scale
            left = left - weight[:, None, None, None] * left[a][None]
            left = left - weight[None, None, :, None] * left[:, :, a][:, :, None]
            own = own - scale * own[:, a][:, None] * own[a][None]
            rank = rank + alive * free.many

    def eliminate(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        """Without one more effect, unless it is a combination of those before."""
        rest, rank = state
        alive = rest[k, k] > least * problem.rest[k, k]
        row = jnp.where(alive, rest[k], 0.0)
        return rest - row[:, None] * row[None] / jnp.where(alive, rest[k, k], 1.0), rank + alive

    rest, rank = jax.lax.fori_loop(0, size, eliminate, (rest, rank))
    return (rest[-1, -1] <= least * problem.rest[-1, -1]) & (problem.n_rows > rank)
