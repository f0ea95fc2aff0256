"""The posterior of one dataset under Student-t residuals: chains that go on until they are to be trusted, and what they say."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.bayesian import diagnostics, engine, parameters, scale_mixture, weighted_rows
from jaxsim.bayesian.laplace import widen
from jaxsim.bayesian.marginals import Summary, summarise
from jaxsim.bayesian.problem import Model, Problem, pose
from jaxsim.bayesian.scale_mixture import CHAINS, Sample, State
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.rows import Rows
from jaxsim.status import Status

Array = jax.Array

# Draws kept of each chain; warm-up and thinning of each attempt, which goes on where the one before ended.
KEPT = 500
WARM_UP, THIN = (250, 250, 500), (1, 4, 16)


class Found(NamedTuple):
    """``status``: of the data; ``summary`` (its ``groups`` always there); ``nu``: posterior mean; ``reliable``; ``ess``,
    ``ess_tail``, ``rhat``: the worst of all parameters; ``accept`` ``[2]``: of the steps for sigma and nu, and of those for the
    covariance; ``attempts``; ``sweeps`` of each chain."""

    status: Array
    summary: Summary
    nu: Array
    reliable: Array
    ess: Array
    ess_tail: Array
    rhat: Array
    accept: Array
    attempts: Array
    sweeps: Array


class _Search(NamedTuple):
    found: Found
    state: State


def explore(data: tuple[Rows, CrossProducts], key: Array, level: Array | float, method: engine.Method) -> Found:
    """Up to three attempts, none at data without a posterior (traceable, one dataset, its rows and their cross-products)."""
    (rows, reduced), model = data, method.model
    problem = pose(reduced, model)
    at = scale_mixture.target(problem, weighted_rows.in_units(rows, problem, model), model)
    keys = jax.vmap(lambda c: jax.random.fold_in(key, c))(jnp.arange(CHAINS))
    first = nothing(reduced, model.status(reduced, problem), model)

    def pending(now: _Search) -> Array:
        """Whether a dataset wants another attempt."""
        return (now.found.status == Status.OK) & ~now.found.reliable & (now.found.attempts < len(THIN))

    def attempt(now: _Search) -> _Search:
        """One more attempt, with the warm-up and thinning of its number."""
        number = now.found.attempts
        warm_up, thin = (jnp.asarray(values)[number] for values in (WARM_UP, THIN))
        state, sample = scale_mixture.run(at, keys, now.state, warm_up, thin, KEPT)
        found = described(problem, sample, method, level)
        return _Search(found._replace(status=now.found.status, attempts=number + 1, sweeps=state.sweeps.astype(jnp.int32)), state)

    return jax.lax.while_loop(pending, attempt, _Search(first, scale_mixture.begin(at, keys))).found


def nothing(data: CrossProducts, status: Array, model: Model) -> Found:
    """What is known before the first attempt."""
    p, q, groups = len(model.fixed), len(model.random), len(data.sizes)
    nan, none = jnp.asarray(jnp.nan), jnp.zeros((), jnp.int32)
    vector = jnp.full(p, jnp.nan)
    matrices = jnp.full((p, p), jnp.nan), jnp.full((q, q), jnp.nan), jnp.full((groups, p), jnp.nan)
    summary = Summary(vector, matrices[0], vector, vector, vector, vector, matrices[1], nan, matrices[2])
    return Found(status, summary, nan, jnp.asarray(False), nan, nan, nan, jnp.full(2, jnp.nan), none, none)


def described(problem: Problem, sample: Sample, method: engine.Method, level: Array | float) -> Found:
    """Summary and diagnostics of a sample; its status and counts are not known here."""
    model = method.model
    vector, nu = pooled(sample.vector), pooled(sample.nu)
    given = jax.tree.map(pooled, sample.given)
    weight = jnp.full(nu.shape, 1 / nu.size)
    summary = summarise(problem, model, weight, vector, given.mean, given.root, level, method.interval)
    effects = jnp.moveaxis(sample.effects_mean.mean(-1), 0, 1)[..., None]
    groups = model.in_units(widen(problem), given.mean.mean(-1)[:, None], effects)[0]
    mixing = diagnostics.mixing(watched(sample, model))
    rhat, ess, ess_tail = mixing.rhat.max(), mixing.ess_bulk.min(), mixing.ess_tail.min()
    finite = jnp.isfinite(summary.estimate).all() & jnp.isfinite(summary.vcov).all()
    none = jnp.zeros((), jnp.int32)
    return Found(
        status=none,
        summary=summary._replace(groups=groups),
        nu=nu.mean(),
        reliable=(rhat < engine.RHAT) & (ess >= engine.ENOUGH) & finite,
        ess=ess,
        ess_tail=ess_tail,
        rhat=rhat,
        accept=sample.accept.mean(1),
        attempts=none,
        sweeps=none,
    )


def watched(sample: Sample, model: Model) -> Array:
    """What the diagnostics look at, ``[C, N, K]``: SDs, correlations, sigma, nu, the fixed effects' conditional means."""
    hyper = parameters.unpack(jnp.moveaxis(sample.vector, 0, -1), model.structure)
    known = parameters.reported(hyper, model.structure)
    every = [known, sample.nu.T[None], jnp.moveaxis(sample.given.mean, 0, -1)]
    return jnp.moveaxis(jnp.concatenate(every), 0, -1)


def pooled(draws: Array) -> Array:
    """Draws of all chains, last: ``[N, .., C]`` to ``[.., C N]``."""
    moved = jnp.moveaxis(draws, 0, -1)
    return moved.reshape(*moved.shape[:-2], -1)
