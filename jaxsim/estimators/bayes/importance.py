"""Adaptive multiple importance sampling of the collapsed posterior (Cornuet, Marin, Mira & Robert 2012).

Rounds of draws from a multivariate t distribution, the first around the mode, the next ones with mean and covariance of all
weighted draws so far. In the end every draw has the weight ``posterior / mixture of all proposals``, so none is wasted and no
single proposal has to be right. Datasets side by side; arrays end with ``D`` (datasets) and ``S`` (draws).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim import small
from jaxsim.estimators.bayes.density import Conditional, log_posterior_and_effects
from jaxsim.estimators.bayes.laplace import Normal, widen
from jaxsim.estimators.bayes.problem import Model, Problem

Array = jax.Array

# Degrees of freedom of the proposals: tails heavier than those of log SDs and correlations, which are exponential.
DF = 6
# Lanes of one evaluation of the density: enough to amortise the loop over groups, few enough for the cache.
LANES = 1024


class Proposal(NamedTuple):
    """A t distribution for each dataset: ``mean`` ``[D, datasets]``, ``root`` ``[D, D, datasets]``, and its ``inverse``."""

    mean: Array
    root: Array
    inverse: Array


class Draws(NamedTuple):
    """``vector`` ``[D, datasets, draws]``, ``log_posterior`` and ``log_weight`` ``[datasets, draws]``."""

    vector: Array
    log_posterior: Array
    log_weight: Array


def rounded(values: Array) -> Array:
    """To the digits of float32: any proposal is right, and one that rounding errors do not reach draws the same numbers every
    time."""
    return values.astype(jnp.float32).astype(values.dtype)


def proposal(mean: Array, root: Array) -> Proposal:
    """With a lower triangular factor of ``root root'``."""
    d = mean.shape[0]
    square = (root[:, None] * root[None]).sum(2)
    size = jnp.stack([square[i, i] for i in range(d)])
    floor = 1e-12 * size.max(0)
    factor, _ = small.cholesky(square + floor * jnp.eye(d)[:, :, None])
    mean, factor = rounded(mean), rounded(factor)
    return Proposal(mean, factor, small.inverse_lower(factor))


def draw(keys: Array, at: Proposal, count: int) -> Array:
    """Draws of every dataset, ``[D, datasets, count]``, each from its own key."""
    d = at.mean.shape[0]
    normal = jax.vmap(lambda key: jax.random.normal(key, (d + DF, count)))(keys)  # [datasets, d + DF, count]
    stretch = jnp.sqrt(DF / (normal[:, d:] ** 2).sum(1))
    step = jnp.einsum("ijk,kjs->iks", at.root, normal[:, :d])
    return at.mean[..., None] + step * stretch


def log_t(vector: Array, at: Proposal) -> Array:
    """Log density of the proposals but for a constant that all share, ``[datasets, draws]``."""
    d = vector.shape[0]
    white = jnp.einsum("ijk,jks->iks", at.inverse, vector - at.mean[..., None])
    logdet = sum(jnp.log(at.inverse[i, i]) for i in range(d))
    return jnp.asarray(logdet)[:, None] - 0.5 * (DF + d) * jnp.log1p((white**2).sum(0) / DF)


def evaluate(vector: Array, problem: Problem, model: Model) -> tuple[Array, Conditional]:
    """Log posterior ``[datasets, draws]``, and the fixed effects given each draw of ``vector`` ``[D, datasets, draws]``.

    ``problem`` has lanes ``[datasets]``. A density that is not a number (SDs that overflow) is zero.
    """
    d, datasets, count = vector.shape
    wide = widen(problem)
    chunk = max(1, LANES // datasets)
    parts = -(-count // chunk)
    padded = jnp.pad(vector, ((0, 0), (0, 0), (0, parts * chunk - count)), mode="edge")
    split = jnp.moveaxis(padded.reshape(d, datasets, parts, chunk), 2, 0)
    found = jax.lax.map(lambda part: log_posterior_and_effects(part, wide, model), split)

    def joined(leaf: Array) -> Array:
        moved = jnp.moveaxis(leaf, 0, -2)
        return moved.reshape(*moved.shape[:-2], parts * chunk)[..., :count]

    value, given = jax.tree.map(joined, found)
    return jnp.where(jnp.isfinite(value), value, -jnp.inf), given


def sample(keys: Array, problem: Problem, model: Model, begin: Normal, rounds: int, count: int) -> tuple[Draws, Conditional]:
    """``rounds`` times ``count`` draws of every dataset, and the fixed effects given each.

    Args:
        keys: one for each dataset, ``[datasets]``.
        problem: lanes ``[datasets]``.
        model: what is sampled.
        begin: the first proposal.
        rounds, count: rounds, and draws in each.
    """
    d, datasets = begin.mean.shape
    p, total = len(model.fixed), rounds * count
    first = proposal(begin.mean, begin.root)
    components = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (rounds, *leaf.shape)), first)
    vector, target = jnp.zeros((d, datasets, total)), jnp.full((datasets, total), -jnp.inf)
    nothing = Conditional(jnp.zeros((p, datasets, total)), jnp.zeros((p, p, datasets, total)), target)

    def one_round(r: Array, carry: tuple) -> tuple:
        components, vector, target, mixture, given = carry
        now = jax.tree.map(lambda leaf: leaf[r], components)
        fresh = draw(jax.vmap(lambda key: jax.random.fold_in(key, r))(keys), now, count)
        vector = jax.lax.dynamic_update_slice(vector, fresh, (0, 0, r * count))
        value, effects = evaluate(fresh, problem, model)
        target = jax.lax.dynamic_update_slice_in_dim(target, value, r * count, axis=-1)
        given = jax.tree.map(lambda all_, new: jax.lax.dynamic_update_slice_in_dim(all_, new, r * count, axis=-1), given, effects)
        mixture = jnp.logaddexp(mixture, log_t(vector, now))
        earlier = jax.lax.fori_loop(
            0,
            r,
            lambda k, sum_: jnp.logaddexp(sum_, log_t(fresh, jax.tree.map(lambda leaf: leaf[k], components))),
            log_t(fresh, now),
        )
        mixture = jax.lax.dynamic_update_slice(mixture, earlier, (0, r * count))
        seen = jnp.arange(total) < (r + 1) * count
        weight = jnp.where(seen, target - mixture, -jnp.inf)
        after = adapt(vector, weight, now)
        place = jnp.minimum(r + 1, rounds - 1)
        following = jax.tree.map(lambda all_, new: jnp.where(r + 1 < rounds, all_.at[place].set(new), all_), components, after)
        return following, vector, target, mixture, given

    carry = (components, vector, target, jnp.full((datasets, total), -jnp.inf), nothing)
    _, vector, target, mixture, given = jax.lax.fori_loop(0, rounds, one_round, carry)
    return Draws(vector, target, target - mixture), given


def adapt(vector: Array, log_weight: Array, now: Proposal) -> Proposal:
    """The next proposal: mean and covariance of the weighted draws.

    Weights are cut off at sqrt(n) times their mean (Ionides 2008), and the covariance keeps some of the one before, as much as a
    sample of its effective size leaves undetermined.
    """
    d = vector.shape[0]
    top = log_weight.max(1, keepdims=True)
    weight = jnp.where(jnp.isfinite(log_weight), jnp.exp(log_weight - top), 0.0)
    count = (weight > 0).sum(1, keepdims=True)
    weight = jnp.minimum(weight, weight.sum(1, keepdims=True) / jnp.sqrt(jnp.maximum(count, 1)))
    weight = weight / jnp.maximum(weight.sum(1, keepdims=True), 1e-300)
    ess = 1 / jnp.maximum((weight**2).sum(1), 1e-300)
    mean = (vector * weight).sum(-1)
    centred = vector - mean[..., None]
    covariance = jnp.einsum("iks,jks->ijk", centred * weight, centred)
    before = (now.root[:, None] * now.root[None]).sum(2)
    keep = 2 * d / (2 * d + ess)
    mixed = (1 - keep) * covariance + keep * before
    usable = jnp.isfinite(mixed).all((0, 1)) & jnp.isfinite(mean).all(0)
    factor, pivots = small.cholesky(mixed)
    usable = usable & (pivots > 0).all(0)
    root = jnp.where(usable, rounded(factor), now.root)
    return Proposal(jnp.where(usable, rounded(mean), now.mean), root, small.inverse_lower(root))
