"""Both ways to a posterior, for parts of :data:`PART` datasets: importance sampling, and Markov chains where it is not reliable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.bayesian import diagnostics, importance, laplace, nuts, parameters, pareto, proposal, white
from jaxsim.bayesian.density import Conditional
from jaxsim.bayesian.marginals import Summary, Wanted, pool, summaries
from jaxsim.bayesian.problem import Model, Problem, pose
from jaxsim.data.cross_products import CrossProducts

Array = jax.Array

# Draws that count, of every parameter: what Vehtari et al. (2021) ask for so that the diagnostics themselves can be trusted.
ENOUGH = 400
# Largest R-hat (same paper), smallest E-BFMI (Betancourt 2016).
RHAT, E_BFMI = 1.01, 0.3
# Importance sampling: rounds of draws, and how many attempts there are.
ROUNDS, DRAWS, FAST_ATTEMPTS = 4, 512, 3
# Chains: how many, draws kept of each; warm-up, thinning and target acceptance of each attempt.
CHAINS, KEPT = 4, 500
WARM_UP, THIN, TARGET = (150, 300, 1000), (1, 4, 8), (0.8, 0.9, 0.99)
# Chains worked on at a time: a lane costs the same in a wider program until the cache is full.
LANES = 32
# Keys: importance sampling counts attempts from here, chains from there.
FAST_STREAM, CHAIN_STREAM = 0, 1000


@dataclass(frozen=True)
class Method:
    """What is done, known at trace time: the model, the interval, whether the groups' coefficients are wanted."""

    model: Model
    interval: str
    groups: bool = False


class Found(NamedTuple):
    """State of one dataset between attempts (a leading axis for many).

    ``status``: of the data, before any fit; ``mean`` ``[D]``, ``root`` ``[D, D]``: the best proposal so far; ``begin_mean``,
    ``begin_root``: where importance sampling begins; ``summary``; ``reliable``; then the diagnostics, NaN where a path has none:
    ``pareto_k`` (the largest of the attempts that are pooled), ``ess`` (of the importance weights, or the smallest bulk ESS),
    ``ess_tail``, ``rhat``, ``divergences``, ``saturated``, ``e_bfmi``, ``accept``; ``log_evidence``; ``chains``: whether Markov
    chains made the summary; ``attempts``; ``evaluations`` of the density; ``steps``, ``warm``, ``executed``: leapfrog steps that
    chains needed, those of them in warm-up, and that lanes took; of the last attempt.
    """

    status: Array
    mean: Array
    root: Array
    begin_mean: Array
    begin_root: Array
    summary: Summary
    reliable: Array
    pareto_k: Array
    ess: Array
    ess_tail: Array
    rhat: Array
    divergences: Array
    saturated: Array
    e_bfmi: Array
    accept: Array
    log_evidence: Array
    chains: Array
    attempts: Array
    evaluations: Array
    steps: Array
    warm: Array
    executed: Array


def lanes(data: CrossProducts, model: Model) -> tuple[Problem, Problem]:
    """The problems of a part, datasets first (for :func:`summarise`) and datasets last."""
    first = jax.vmap(lambda one: pose(one, model))(data)
    last = first.each(lambda leaf: jnp.moveaxis(leaf, 0, -1))
    return first, last._replace(groups=first.groups.max())


def prepare(data: CrossProducts, level: Array | float, method: Method) -> Found:
    """The part's datasets with nothing tried yet: their status, and the Laplace fit."""
    model = method.model
    first, last = lanes(data, model)
    fit = laplace.approximate(last, model)
    p, q, count = len(model.fixed), len(model.random), data.sizes.shape[0]
    nan = jnp.full(count, jnp.nan)
    vector = jnp.full((count, p), jnp.nan)
    matrix = jnp.full((count, p, p), jnp.nan)
    groups = jnp.full((count, *model.groups_shape(data.sizes.shape[1])), jnp.nan) if method.groups else None
    summary = Summary(vector, matrix, vector, vector, vector, vector, jnp.full((count, q, q), jnp.nan), nan, groups)
    none = jnp.zeros(count, jnp.int32)
    mean, root = fit.mean.T, jnp.moveaxis(fit.root, -1, 0)
    return Found(
        status=jax.vmap(model.status)(data, first),
        mean=mean,
        root=root,
        begin_mean=mean,
        begin_root=root,
        summary=summary,
        reliable=jnp.zeros(count, bool),
        pareto_k=nan,
        ess=nan,
        ess_tail=nan,
        rhat=nan,
        divergences=nan,
        saturated=nan,
        e_bfmi=nan,
        accept=nan,
        log_evidence=nan,
        chains=jnp.zeros(count, bool),
        attempts=none,
        evaluations=fit.evaluations,
        steps=nan,
        warm=nan,
        executed=nan,
    )


class Explored(NamedTuple):
    """The draws of an attempt: ``weight`` ``[datasets, draws]``, ``vector`` ``[D, datasets, draws]``, the fixed effects ``given``
    each. Weights sum to the share that the attempt has in the summary; those of earlier ones have the rest."""

    weight: Array
    vector: Array
    given: Conditional


def rest(weight: Array) -> Array:
    """What earlier attempts keep beside one with these weights, ``[datasets, 1]``: never below zero, as a sum that is one but for
    rounding would have it."""
    return jnp.maximum(1 - weight.sum(1, keepdims=True), 0.0)


def fast(
    number: Array | int, data: CrossProducts, keys: Array, before: Found, level: Array | float, method: Method
) -> tuple[Found, Explored]:
    """One attempt by importance sampling, pooled with those before.

    Each begins where the first one did, as its draws are worth as much and proposals around the mode and around the mean cover more
    together, unless the weights showed that to be no place to begin: then from the mean and covariance that they gave.
    """
    model = method.model
    first, last = lanes(data, model)
    begin = laplace.Normal(before.begin_mean.T, jnp.moveaxis(before.begin_root, 0, -1), before.evaluations)
    keys = jax.vmap(lambda key: jax.random.fold_in(key, FAST_STREAM + number))(keys)
    draws, given = importance.sample(keys, last, model, begin, ROUNDS, DRAWS)
    smoothed = jax.vmap(pareto.smooth)(draws.log_weight)
    following = importance.adapt(draws.vector, draws.log_weight, proposal.proposal(begin.mean, begin.root))
    summary = summaries((first, last), model, smoothed.weight, draws.vector, given, Wanted(level, method.interval, method.groups))
    now = before._replace(
        mean=following.mean.T,
        root=jnp.moveaxis(following.root, -1, 0),
        summary=summary,
        pareto_k=smoothed.k,
        ess=smoothed.ess,
        log_evidence=evidence(draws.log_weight, len(draws.vector)) - last.n_rows * jnp.log(last.response_unit),
        attempts=before.attempts + 1,
        evaluations=before.evaluations + ROUNDS * DRAWS,
    )
    found, share = together(before, now)
    return found, Explored(share[:, None] * smoothed.weight, draws.vector, given)


def together(before: Found, now: Found) -> tuple[Found, Array]:
    """Both attempts in one, by effective sample size, and the share of the second, ``[datasets]``.

    An attempt whose k says that its estimates cannot be trusted counts for nothing beside one that can.
    """
    good = now.pareto_k < pareto.UNRELIABLE
    earlier = jnp.where(before.pareto_k < pareto.UNRELIABLE, before.ess, 0.0)
    ess = earlier + jnp.where(good, now.ess, 0.0)
    share = jnp.where(earlier > 0, jnp.where(good, now.ess, 0.0) / jnp.maximum(ess, 1e-300), 1.0)

    def either(old: Array, new: Array) -> Array:
        """Of diagnostics: the one that counts, the worse where both do."""
        return jnp.where(share == 0, old, jnp.where(share == 1, new, jnp.maximum(old, new)))

    evidence = jnp.logaddexp(jnp.log1p(-share) + before.log_evidence, jnp.log(share) + now.log_evidence)
    around, earlier_alone = good[:, None], (share == 0)[:, None]
    found = now._replace(
        mean=jnp.where(earlier_alone, before.mean, now.mean),
        root=jnp.where(earlier_alone[..., None], before.root, now.root),
        begin_mean=jnp.where(around, before.begin_mean, now.mean),
        begin_root=jnp.where(around[..., None], before.begin_root, now.root),
        summary=pool(before.summary, now.summary, share),
        pareto_k=either(before.pareto_k, now.pareto_k),
        ess=jnp.where(ess > 0, ess, now.ess),
        log_evidence=jnp.where(share == 1, now.log_evidence, jnp.where(share == 0, before.log_evidence, evidence)),
    )
    # A posterior that only few of thousands of draws describe is not described, whatever k says.
    return found._replace(reliable=(found.pareto_k < pareto.UNRELIABLE) & (found.ess >= ENOUGH)), share


def evidence(log_weight: Array, d: int) -> Array:
    """Log marginal likelihood from weights ``[datasets, draws]`` that lack the constant of the t density and the number of
    rounds."""
    return jax.nn.logsumexp(log_weight, axis=1) - math.log(log_weight.shape[1]) - proposal.log_constant(d) + math.log(ROUNDS)


def chains(
    number: Array | int, data: CrossProducts, keys: Array, wanted: Array, before: Found, level: Array | float, method: Method
) -> tuple[Found, Explored]:
    """One attempt by Markov chains: longer, and with smaller steps, than the last one."""
    model = method.model
    first, last = lanes(data, model)
    at = proposal.proposal(before.mean.T, jnp.moveaxis(before.root, 0, -1))
    space, sds = white.White(at.mean, at.root), model.structure.size
    schedule = nuts.Schedule(*(jnp.asarray(values)[number] for values in (WARM_UP, THIN, TARGET)))
    run = nuts.sample(last, model, space, queue(keys, number, len(at.mean)), wanted.sum() * CHAINS, KEPT, schedule, LANES)
    part = len(wanted)
    places = jnp.moveaxis(run.vector.reshape(part, CHAINS * KEPT, -1), -1, 0)  # [D, datasets, draws]
    vector = jax.vmap(lambda one: space.vector(one, sds), in_axes=2, out_axes=2)(places)
    value, given = importance.evaluate(vector, last, model)
    weight = jnp.full(CHAINS * KEPT, 1 / (CHAINS * KEPT))
    summary = summaries((first, last), model, weight, vector, given, Wanted(level, method.interval, method.groups))
    quantities = watched(vector, value, given, model)
    mixing = jax.lax.map(diagnostics.mixing, quantities.reshape(part, CHAINS, KEPT, -1))
    e_bfmi = jax.vmap(diagnostics.e_bfmi)(run.energy.reshape(part, CHAINS, KEPT))
    divergences, saturated, steps, warm, accept = (
        leaf.reshape(part, CHAINS) for leaf in (run.divergences, run.saturated, run.steps, run.warm_steps, run.accept)
    )
    rhat, ess, ess_tail = mixing.rhat.max(1), mixing.ess_bulk.min(1), mixing.ess_tail.min(1)
    reliable = (rhat < RHAT) & (ess >= ENOUGH) & (divergences.sum(1) == 0) & (e_bfmi > E_BFMI)
    after = importance.adapt(vector, jnp.zeros(vector.shape[1:]), at)
    needed = (steps + warm).sum(1)
    found = before._replace(
        mean=after.mean.T,
        root=jnp.moveaxis(after.root, -1, 0),
        summary=summary,
        reliable=reliable,
        ess=ess,
        ess_tail=ess_tail,
        rhat=rhat,
        divergences=divergences.sum(1),
        saturated=saturated.sum(1),
        e_bfmi=e_bfmi,
        accept=accept.mean(1),
        chains=jnp.ones(part, bool),
        attempts=before.attempts + 1,
        evaluations=before.evaluations + needed.astype(jnp.int32),
        steps=needed,
        warm=warm.sum(1),
        executed=run.executed * needed / jnp.maximum(jnp.where(wanted, needed, 0.0).sum(), 1.0),
    )
    return found, Explored(jnp.broadcast_to(weight, value.shape), vector, given)


def queue(keys: Array, number: Array | int, d: int) -> nuts.Chains:
    """Four chains for every dataset of a part, from normal draws in its white space."""

    def of_dataset(key: Array) -> Array:
        """The keys of one dataset's chains."""
        return jax.vmap(lambda c: jax.random.fold_in(jax.random.fold_in(key, CHAIN_STREAM + number), c))(jnp.arange(CHAINS))

    own = jax.vmap(of_dataset)(keys).reshape(-1)
    begin = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, jnp.uint32(2**32 - 1)), (d,)))(own).T
    return nuts.Chains(jnp.repeat(jnp.arange(keys.shape[0]), CHAINS), own, begin)


def watched(vector: Array, value: Array, given: Conditional, model: Model) -> Array:
    """What the diagnostics look at, ``[datasets, draws, K]``: SDs, correlations, sigma, the fixed effects' conditional means, the
    density."""
    hyper = parameters.unpack(vector, model.structure)
    every = jnp.concatenate([parameters.reported(hyper, model.structure), given.mean, value[None]])
    return jnp.moveaxis(every, 0, -1)
