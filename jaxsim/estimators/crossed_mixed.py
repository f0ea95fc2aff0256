"""How :class:`jaxsim.LinearMixed` fits random effects of several grouping factors: one dataset, or a batch in lanes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.crossed import solution
from jaxsim.crossed.curvature import evaluate
from jaxsim.crossed.model import Model, model_of
from jaxsim.crossed.problem import Problem, pose
from jaxsim.crossed.start import moments, starts
from jaxsim.crossed.verdicts import too_few_rows
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, first_status
from jaxsim.data.random_effects import RandomEffects
from jaxsim.data.rows import Rows
from jaxsim.estimators.fit_of_solution import fit_of
from jaxsim.lmm import newton
from jaxsim.lmm.start import Starts
from jaxsim.numerics.arrays import library, while_loop
from jaxsim.numerics.lanes import in_parts, iterate
from jaxsim.status import Status

# Bytes of what one evaluation keeps of all lanes: about a processor's own cache; a GPU has room for more.
LANE_BYTES = {"cpu": 2**20, "gpu": 2**30}
# Arrays of the size of a dataset's cross-products that an evaluation makes.
ARRAYS = 4
MOST_LANES = {"cpu": 32, "gpu": 2**12}


def lanes(model: Model) -> int:
    """Datasets that are worked on at a time."""
    where = "cpu" if jax.default_backend() == "cpu" else "gpu"
    first = model.widths[0] * model.counts[0]
    numbers = (first + model.dense) * (model.dense + len(model.spec.fixed) + 1)
    return int(np.clip(LANE_BYTES[where] // (8 * ARRAYS * numbers), 2, MOST_LANES[where]))


class Setting(NamedTuple):
    """What a fit needs to know at trace time: the ``model``, its effects in the order of the data, and the inference ``df``."""

    model: Model
    effects: tuple[RandomEffects, ...]
    df: str


def model_for(data: CrossProducts, effects: Sequence[RandomEffects], reml: bool) -> Model:
    """The model of data with these random effects."""
    random = [
        (place, one, [int(i) for i in data.index_of(one.columns)], data.counts[place])
        for one in effects
        for place in [data.factors.index(one.factor)]
    ]
    planned = all(name in data.planned for one in effects for name in one.columns)
    return model_of([int(i) for i in data.fixed_index], random, reml, planned)


def fit_one(data: CrossProducts, setting: Setting) -> Fit:
    """Fit one dataset (traceable; computed by NumPy if its arrays are NumPy's)."""
    model = setting.model
    problem = pose(data, model)
    moment = moments(problem, model)
    begins = starts(problem, moment, model)
    final = while_loop(
        lambda state: ~state.done,
        lambda state: newton.advance(evaluate(problem, state.trial, model), begins, state, model.spec),
        newton.initial(begins, model.spec),
    )
    found = Found(final.best, final.total_evaluations, ~moment.identified)
    return report(data, problem, found, setting)


class Found(NamedTuple):
    """Of one dataset: the optimum, evaluations of the criterion, and whether it cannot tell the components apart."""

    point: newton.Point
    evaluations: jax.Array
    confounded: jax.Array


class Job(NamedTuple):
    """One dataset of a batch."""

    problem: Problem
    begins: Starts


@partial(jax.jit, static_argnums=1)
def fit_batch(data: CrossProducts, setting: Setting) -> Fit:
    """Fit every dataset of a batch, in lanes that do not wait for the slowest."""
    model = setting.model

    def posed(one: CrossProducts) -> tuple[Job, jax.Array]:
        """One dataset with its starts, and whether it cannot tell the components apart."""
        problem = pose(one, model)
        moment = moments(problem, model)
        return Job(problem, starts(problem, moment, model)), ~moment.identified

    part = MOST_LANES["cpu" if jax.default_backend() == "cpu" else "gpu"]
    jobs, confounded = in_parts(jax.vmap(posed), data, part)
    points, evaluations = iterate(
        step=lambda job, state: newton.advance(evaluate(job.problem, state.trial, model), job.begins, state, model.spec),
        is_done=lambda state: state.done,
        extract=lambda state: (state.best, state.total_evaluations),
        problems=jobs,
        states=jax.vmap(lambda job: newton.initial(job.begins, model.spec))(jobs),
        lanes=lanes(model),
    )
    ends = (data, jobs.problem, Found(points, evaluations, confounded))
    return in_parts(jax.vmap(lambda end: report(end[0], end[1], end[2], setting)), ends, part)


def report(data: CrossProducts, problem: Problem, found: Found, setting: Setting) -> Fit:
    """Turn the optimum (standardised units) into a :class:`Fit` with a status."""
    xp, model = library(data.products), setting.model
    best = solution.solve(problem, found.point, model, setting.df)
    covariance, theta = by_factor(best.covariance, best.theta, setting)
    status = first_status(
        (~xp.isfinite(data.products).all(), Status.NON_FINITE),
        ((problem.levels < 2).any(), Status.TOO_FEW_GROUPS),
        (too_few_rows(problem, model), Status.TOO_FEW_ROWS),
        (~problem.full_rank, Status.RANK_DEFICIENT),
        (problem.exact, Status.ZERO_RESIDUAL),
        (found.confounded, Status.UNIDENTIFIED),
        (xp.isnan(best.criterion), Status.NOT_CONVERGED),
        (~xp.isfinite(best.criterion), Status.NON_FINITE),
        (~best.optimal, Status.NOT_CONVERGED),
        (best.singular, Status.SINGULAR),
    )
    return fit_of(best._replace(theta=theta), status, covariance, found.evaluations)


def by_factor(covariance: jax.Array, theta: jax.Array, setting: Setting) -> tuple[dict[str, jax.Array], jax.Array]:
    """Covariance of each factor's effects, by its name, and theta in the order of the effects, from those of the model."""
    model, parts, found = setting.model, [], {}
    sizes = [len(model.structure(k).entries) for k in range(len(model.widths))]
    begins = np.cumsum([0, *sizes])
    for effects, k in zip(setting.effects, model.order, strict=True):
        place = slice(model.ends[k], model.ends[k + 1])
        found[effects.factor] = covariance[place, place]
        parts.append(theta[begins[k] : begins[k + 1]])
    return found, library(theta).concatenate(parts)


def modes(data: CrossProducts, setting: Setting, theta: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Conditional modes ``[G, q]`` and their covariances ``[G, q, q]`` by factor, of one dataset, given theta of its fit."""
    model = setting.model.by_level()
    ends = np.cumsum([0, *(len(effects.structure.entries) for effects in setting.effects)])
    given = [theta[begin:end] for begin, end in itertools.pairwise(ends)]
    own = library(theta).concatenate([given[model.order.index(k)] for k in range(len(given))])
    found = solution.modes(pose(data, model), own, model)
    return {effects.factor: found[k] for effects, k in zip(setting.effects, model.order, strict=True)}


def predicted(data: CrossProducts, setting: Setting, fit: Fit, rows: Rows) -> jax.Array:
    """Expected responses of rows ``[N]``; a negative level is a group that the dataset does not have.

    Args:
        data, setting, fit: one dataset, its model, its fit.
        rows: with the response and the fixed effects of the dataset.
    """
    return with_effects(
        data, fit, {factor: found[0] for factor, found in modes(data, setting, fit.theta).items()}, setting.effects, rows
    )


def with_effects(
    data: CrossProducts, fit: Fit, found: dict[str, jax.Array], effects: Sequence[RandomEffects], rows: Rows
) -> jax.Array:
    """Expected responses of rows ``[N]`` from fixed effects and those of all levels, by factor ``[G, q]``."""
    total = rows.x[:, data.fixed_index] @ fit.estimate
    for one in effects:
        codes = rows.levels[:, rows.factors.index(one.factor)]
        own = jnp.where((codes >= 0)[:, None], found[one.factor][jnp.maximum(codes, 0)], 0.0)
        total = total + (rows.x[:, data.index_of(one.columns)] * own).sum(1)
    return total
