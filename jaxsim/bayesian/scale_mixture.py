"""Markov chains for the hierarchical model with Student-t residuals, through the mixture of normal distributions that t is.

    y_i ~ Normal(x_i' beta + z_i' b_g, sigma / sqrt(w_i))        w_i ~ Gamma(nu / 2, nu / 2)        b_g ~ Normal(0, Sigma)

(West 1987; Geweke 1993.) A sweep of a chain (a partially collapsed Gibbs sampler, van Dyk & Park 2008, in which each part draws
from, or moves by a step that leaves alone, the joint distribution of all that it changes given the rest) has two parts:

- sigma, nu and the weights given beta and b: sigma and nu by Metropolis steps with the weights integrated out (the likelihood of t
  residuals), then the weights, independent gamma variables. Given weights nu would hardly move.
- Sigma, sigma, beta and b given the weights: rows enter through weighted cross-products, so that everything is as in the normal
  model; Sigma and sigma by Metropolis steps with beta and b integrated out (:mod:`density`), then beta and b, normal.

Chains of one dataset side by side: arrays end with the axis ``C`` (chains), those of groups with ``G`` and it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.bayesian import gamma_quantiles, laplace, metropolis, weighted_rows
from jaxsim.bayesian.density import Conditional, conditional, log_prior
from jaxsim.bayesian.group_sums import GroupSums, eliminate
from jaxsim.bayesian.parameters import size, unpack
from jaxsim.bayesian.problem import Model, Problem
from jaxsim.bayesian.weighted_rows import WeightedRows
from jaxsim.numerics import small

Array = jax.Array

# nu ~ Gamma(2, 0.1) (Juarez & Steel 2010), cut off below: of t with more than two degrees of freedom there is a variance.
SHAPE, RATE, LEAST_NU = 2.0, 0.1, 2.0
CHAINS = 4
# Metropolis steps in a sweep: for sigma and nu, and for each coordinate of the rest, as a step moves less the more there are.
SCALE_STEPS, GROUP_STEPS = 6, 2
# What proposals begin with: SDs of log group SDs and correlations, of log sigma, and of log(nu - 2).
WIDE, TAIL = 0.5, 0.7
# Factors, none below 1, of which one logarithm is taken together: logarithms take longer than products.
TOGETHER = 8
# The gain of the adaptation after t steps is D t^-DECAY, at most 1 (Vihola 2012).
DECAY = 2 / 3


class State(NamedTuple):
    """``vector`` as in :mod:`parameters` ``[D, C]``; ``tail``: log(nu - 2) ``[C]``; ``beta`` ``[P, C]`` and ``effects``
    ``[Q, G, C]``; ``given``: the fixed effects given the rest but the effects; ``effects_mean``: the effects' mean given all but
    them; ``scale_root`` ``[2, 2, C]``, ``group_root`` ``[D, D, C]`` of the proposals; ``accept`` ``[2, C]``: of the last
    steps; ``sweeps`` so far, ``[]``."""

    vector: Array
    tail: Array
    beta: Array
    effects: Array
    given: Conditional
    effects_mean: Array
    scale_root: Array
    group_root: Array
    accept: Array
    sweeps: Array


class Sample(NamedTuple):
    """What is kept of N sweeps: ``vector`` ``[N, D, C]``, ``nu`` ``[N, C]``, ``beta`` ``[N, P, C]`` and ``given`` (``[N, ..]``);
    averages over them: ``effects_mean`` ``[Q, G, C]``, ``accept`` ``[2, C]``."""

    vector: Array
    nu: Array
    beta: Array
    given: Conditional
    effects_mean: Array
    accept: Array


class Target(NamedTuple):
    """One dataset: ``problem`` (with lanes ``[1]``), its ``rows`` and ``model``."""

    problem: Problem
    rows: WeightedRows
    model: Model


def target(problem: Problem, rows: WeightedRows, model: Model) -> Target:
    """Of a problem without lanes."""
    return Target(laplace.widen(problem), rows, model)


def begin(at: Target, keys: Array) -> State:
    """Chains from different places: around those of :func:`laplace.start`, nu around 6, no effects."""
    model, d = at.model, size(at.model.structure)
    p, q, groups = len(model.fixed), len(model.random), len(at.rows.group_place)
    scales = jnp.full(d, WIDE).at[-1].set(1.0).at[-1].multiply(1 / jnp.sqrt(2 * at.problem.n_rows[0]))
    normal = _normal(jax.vmap(lambda key: jax.random.fold_in(key, jnp.uint32(2**32 - 1)))(keys), d + 1)
    sds = jnp.full(d, WIDE)[:, None]
    zero = jnp.zeros(CHAINS)
    nothing = Conditional(jnp.zeros((p, CHAINS)), jnp.zeros((p, p, CHAINS)), zero)
    return State(
        vector=laplace.start(at.problem, model) + sds * normal[:d],
        tail=math.log(4.0) + TAIL * normal[d],
        beta=jnp.zeros((p, CHAINS)),
        effects=jnp.zeros((q, groups, CHAINS)),
        given=nothing,
        effects_mean=jnp.zeros((q, groups, CHAINS)),
        scale_root=metropolis.first_root(jnp.stack([scales[-1], jnp.asarray(TAIL)]), CHAINS),
        group_root=metropolis.first_root(scales, CHAINS),
        accept=jnp.zeros((2, CHAINS)),
        sweeps=jnp.zeros((), jnp.uint32),
    )


def run(at: Target, keys: Array, state: State, warm_up: Array, thin: Array, kept: int) -> tuple[State, Sample]:
    """Warm up, adapting the proposals, and keep one of every ``thin`` sweeps, ``kept`` times.

    Args:
        at: what is sampled.
        keys: one a chain, ``[C]``.
        state: where the chains are.
        warm_up, thin: sweeps, ``[]``.
        kept: N.
    """

    def drawn(now: State) -> tuple[Array, Array, Array, Conditional]:
        """What is kept of a state."""
        return now.vector, LEAST_NU + jnp.exp(now.tail), now.beta, now.given

    def once(number: Array, carry: tuple[State, Sample]) -> tuple[State, Sample]:
        """One sweep, and the sample with it."""
        now, sample = carry
        now = sweep(at, keys, now, number < warm_up)
        after = number - warm_up
        # Each place is written to by all sweeps since the one before, the last of which stays.
        place = jnp.maximum(after, 0) // thin
        earlier = sample.vector, sample.nu, sample.beta, sample.given
        vector, nu, beta, given = jax.tree.map(lambda every, own: every.at[place].set(own), earlier, drawn(now))
        share = jnp.where(after >= 0, 1.0, 0.0) / (thin * kept)
        effects_mean, accept = sample.effects_mean + share * now.effects_mean, sample.accept + share * now.accept
        return now, Sample(vector, nu, beta, given, effects_mean, accept)

    vector, nu, beta, given = jax.tree.map(lambda leaf: jnp.zeros((kept, *leaf.shape), leaf.dtype), drawn(state))
    empty = Sample(vector, nu, beta, given, jnp.zeros_like(state.effects_mean), jnp.zeros_like(state.accept))
    return jax.lax.fori_loop(0, warm_up + thin * kept, once, (state, empty))


def sweep(at: Target, keys: Array, state: State, adapting: Array) -> State:
    """All of it once; with steps that adapt the proposals or do not."""
    own = jax.vmap(lambda key: jax.random.fold_in(key, state.sweeps))(keys)
    streams = jax.vmap(lambda key: jax.random.split(key, 3))(own)
    p, d = len(at.model.fixed), len(state.vector)
    rows, (q, groups) = at.rows, state.effects.shape[:2]
    few = _uniform(streams[:, 0], SCALE_STEPS * 3 + GROUP_STEPS * d * (d + 1) + p)
    of_rows = jax.scipy.special.ndtri(_uniform(streams[:, 1], len(rows.code)))[rows.place]
    of_groups = _normal(streams[:, 2], groups * q).reshape(groups, q, CHAINS)[rows.group_place]
    vector, tail, scales = scale_steps(at, state, few[: SCALE_STEPS * 3], adapting)
    weight = weights(at, state, vector[-1], tail, of_rows)
    few = few[SCALE_STEPS * 3 :]
    products = weighted_rows.products(rows, weight)
    walk = group_steps(at, state, vector, products, few[:-p], adapting)
    given: Conditional = walk.aside
    beta = given.mean + (given.root * jax.scipy.special.ndtri(few[-p:])[None]).sum(1)
    mean, effects = group_effects(at.model, walk.at, products, beta, jnp.moveaxis(of_groups, 1, 0))
    return State(
        vector=walk.at,
        tail=tail,
        beta=beta,
        effects=effects,
        given=given,
        effects_mean=mean,
        scale_root=scales.root,
        group_root=walk.root,
        accept=jnp.stack([scales.accept, walk.accept]),
        sweeps=state.sweeps + 1,
    )


def squared_residuals(at: Target, state: State) -> Array:
    """``[N, C]``; zero where there is no row."""
    values, model = at.rows.values, at.model
    e = values[:, -1:] - values[:, jnp.array(model.fixed)] @ state.beta
    for k, column in enumerate(model.random):
        e = e - values[:, column, None] * state.effects[k][at.rows.code]
    return e**2


def scale_steps(at: Target, state: State, random: Array, adapting: Array) -> tuple[Array, Array, metropolis.Walk]:
    """sigma and nu given fixed effects and group effects, weights integrated out: ``vector``, ``tail`` and the walk."""
    squares, n = squared_residuals(at, state), at.problem.n_rows

    def density(place: Array) -> tuple[Array, None]:
        """The log density at one place."""
        log_sigma, tail = place
        nu = LEAST_NU + jnp.exp(tail)
        constant = jax.lax.lgamma((nu + 1) / 2) - jax.lax.lgamma(nu / 2) - jnp.log(nu) / 2 - log_sigma
        rows = log_of_product(1 + squares / (nu * jnp.exp(2 * log_sigma)))
        vector = state.vector.at[-1].set(log_sigma)
        prior = log_prior(vector, unpack(vector, at.model.structure), at.problem, at.model)
        return n * constant - (nu + 1) / 2 * rows + prior + log_prior_of_tail(tail), None

    place = jnp.stack([state.vector[-1], state.tail])
    gains = gain(state, SCALE_STEPS, 2, adapting)
    walk = metropolis.walk(place, state.scale_root, random.reshape(SCALE_STEPS, 3, CHAINS), gains, density)
    return state.vector.at[-1].set(walk.at[0]), walk.at[1], walk


def log_of_product(values: Array) -> Array:
    """Sum of the logarithms of ``[N, C]``, ``[C]``, by products of :data:`TOGETHER`; one that overflows is infinite."""
    padded = jnp.pad(values, ((0, -len(values) % TOGETHER), (0, 0)), constant_values=1.0)
    return jnp.log(padded.reshape(-1, TOGETHER, values.shape[1]).prod(1)).sum(0)


def log_prior_of_tail(tail: Array) -> Array:
    """Log density of log(nu - 2), up to a constant."""
    nu = LEAST_NU + jnp.exp(tail)
    return (SHAPE - 1) * jnp.log(nu) - RATE * nu + tail


def weights(at: Target, state: State, log_sigma: Array, tail: Array, normal: Array) -> Array:
    """Gamma variables with shape ``(nu + 1) / 2`` and rate ``(nu + e_i^2 / sigma^2) / 2``, ``[N, C]``."""
    nu = LEAST_NU + jnp.exp(tail)
    rate = (nu + squared_residuals(at, state) / jnp.exp(2 * log_sigma)) / 2
    return jnp.exp(gamma_quantiles.log_quantile(normal, (nu + 1) / 2)) / rate


def group_steps(at: Target, state: State, vector: Array, products: Array, random: Array, adapting: Array) -> metropolis.Walk:
    """SDs, correlations and sigma given the weights, fixed effects and group effects integrated out."""
    d, model = len(vector), at.model

    def density(vector: Array) -> tuple[Array, Conditional]:
        """The log density at one place."""
        hyper = unpack(vector, model.structure)
        determinant, rest = eliminate(products, hyper.factor[:, :, None], model.random)
        sums = GroupSums(jnp.log(determinant).sum(0), rest.sum(2))
        given = conditional(at.problem, sums, hyper.sigma, model)
        return given.log_likelihood + log_prior(vector, hyper, at.problem, model), given

    gains = gain(state, GROUP_STEPS * d, d, adapting)
    return metropolis.walk(vector, state.group_root, random.reshape(GROUP_STEPS * d, d + 1, CHAINS), gains, density)


def group_effects(model: Model, vector: Array, products: Array, beta: Array, normal: Array) -> tuple[Array, Array]:
    """Mean of the group effects given all else, and a draw, ``[Q, G, C]``.

    With L the relative factor and ``A = I + L'K_zz L``: mean ``L A^-1 L'(K_zy - K_zx beta)``, covariance ``sigma^2 L A^-1 L'``.
    """
    hyper, x, z = unpack(vector, model.structure), jnp.array(model.fixed), jnp.array(model.random)
    factor = hyper.factor[:, :, None]
    score = products[z, -1] - (products[z][:, x] * beta[None, :, None]).sum(1)
    half = (factor[:, :, None] * products[z][:, z][:, None]).sum(0)  # L'K_zz
    inner = (half[:, :, None] * factor[None]).sum(1)
    chol, _ = small.cholesky(inner + jnp.eye(len(z))[:, :, None, None])
    root = jnp.swapaxes(small.inverse_lower(chol), 0, 1)  # root root' = A^-1
    pulled = (root * (factor * score[:, None]).sum(0)[:, None]).sum(0)
    mean, draw = ((root * white[None]).sum(1) for white in (pulled, pulled + hyper.sigma * normal))
    return (factor * mean[None]).sum(1), (factor * draw[None]).sum(1)


def gain(state: State, steps: int, d: int, adapting: Array) -> Array:
    """Of the adaptation at each step of a sweep, ``[steps]``."""
    count = state.sweeps * steps + jnp.arange(steps) + 1.0
    return jnp.where(adapting, jnp.minimum(1.0, d * count**-DECAY), 0.0)


def _uniform(keys: Array, count: int) -> Array:
    """``[count, C]``; the first ones are the same whatever the count."""
    return jax.vmap(lambda key: jax.random.uniform(key, (count,), minval=1e-15))(keys).T


def _normal(keys: Array, count: int) -> Array:
    return jax.scipy.special.ndtri(_uniform(keys, count))
