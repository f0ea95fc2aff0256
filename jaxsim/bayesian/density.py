"""The log posterior density of SDs, correlations and residual SD: group effects and fixed effects integrated out exactly.

With ``S`` and ``log|A|`` from :meth:`Model.sums`, a normal prior of the fixed effects with mean m and precision P0::

    C = (S_xx + sigma^2 P0)^-1      r = S_xy + sigma^2 P0 m      beta | rest ~ N(C r, sigma^2 C)
    pw = S_yy + sigma^2 m'P0 m - r'C r
    -2 log p(y | rest) = (N - P) log sigma^2 + N log(2 pi) + log|A| + log|S_xx + sigma^2 P0| - log|P0| + pw / sigma^2

(Lindley & Smith 1972, section 3.) A flat coefficient has a zero in P0 and leaves no term in ``log|P0|``; what remains is the
restricted likelihood. With priors that are neither normal nor flat the fixed effects are sampled: see :mod:`coefficients`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.bayesian import coefficients
from jaxsim.bayesian.group_sums import GroupSums
from jaxsim.bayesian.parameters import Hyper, log_lkj, size, unpack
from jaxsim.bayesian.priors import Decov
from jaxsim.bayesian.problem import Model, Problem, sd_units, uses_units
from jaxsim.numerics import small

Array = jax.Array


class Conditional(NamedTuple):
    """Normal distribution of the fixed effects given the rest: ``mean`` ``[P, lanes]``, ``root`` with ``root root'`` its covariance
    ``[P, P, lanes]``, all in the units of :class:`Problem`; and ``log_likelihood`` with them integrated out, ``[lanes]``. Where
    they are sampled: themselves, zero, and the likelihood at them."""

    mean: Array
    root: Array
    log_likelihood: Array


def conditional(problem: Problem, sums: GroupSums, sigma: Array, model: Model) -> Conditional:
    """The fixed effects given standard deviations and correlations (lanes last everywhere)."""
    x, p = jnp.array(model.regressors), len(model.fixed)
    s, variance = sums.products, sigma**2
    precision, centre = problem.prior_precision, problem.prior_mean
    pull = (precision * centre[None]).sum(1)  # P0 m
    factor, pivots = small.cholesky(s[x][:, x] + variance * precision)
    right = s[x, -1] + variance * pull
    half = small.solve_lower(factor, jnp.broadcast_to(right, (p, *sigma.shape)))
    pw = s[-1, -1] + variance * (centre * pull).sum(0) - (half**2).sum(0)
    inverse = small.inverse_lower(factor)
    root = jnp.swapaxes(inverse, 0, 1)
    deviance = (
        (problem.n_rows - p) * jnp.log(variance)
        + problem.n_rows * jnp.log(2 * jnp.pi)
        + sums.logdet
        + jnp.log(pivots).sum(0)
        - problem.prior_logdet
        + pw / variance
    )
    return Conditional((root * half[None]).sum(1), sigma * root, -deviance / 2)


def log_likelihood(problem: Problem, sums: GroupSums, beta: Array, sigma: Array, model: Model) -> Array:
    """``log p(y | beta, covariance, sigma)``, ``[lanes]``, for ``beta`` ``[P, lanes]`` in the units of :class:`Problem`."""
    x, s = jnp.array(model.regressors), sums.products
    squares = s[-1, -1] + (beta * ((s[x][:, x] * beta[None]).sum(1) - 2 * s[x, -1])).sum(0)
    return -(problem.n_rows * jnp.log(2 * jnp.pi * sigma**2) + sums.logdet + squares / sigma**2) / 2


def log_prior(vector: Array, hyper: Hyper, problem: Problem, model: Model) -> Array:
    """Log density ``[lanes]`` of the vector ``[D, lanes]`` before the data, its change of variables included."""
    priors, q = model.priors, model.structure.size
    last = size(model.structure) - 1
    value = vector[:q].sum(0) + vector[last] + log_lkj(vector[q:last], model.structure, priors.correlation)
    units = sd_units(problem, model) if uses_units(priors) else None

    def one(prior: object, number: Array, unit: Array | None) -> Array | float:
        """The log density of one prior at a number; 0 of a flat one."""
        if prior.flat:  # type: ignore[attr-defined]
            return 0.0
        made = prior.positive()  # type: ignore[attr-defined]
        if prior.autoscale or unit is None:  # type: ignore[attr-defined]
            return made.log_prob(number)
        return made.log_prob(number * unit) + jnp.log(unit)

    if isinstance(priors.sd, Decov):
        assert units is not None
        sds, sigma, end = hyper.sd * units[:q], hyper.sigma * units[q], 0
        value = value - vector[:q].sum(0)
        for width in model.widths:  # of each factor by itself
            begin, end = end, end + width
            value = value + priors.sd.log_density(sds[begin:end], sigma)
    else:
        for i, each in enumerate(priors.of_sds(q)):
            value = value + one(each, hyper.sd[i], None if units is None else units[i])
    return value + one(priors.sigma, hyper.sigma, None if units is None else units[q])


def log_posterior(vector: Array, problem: Problem, model: Model) -> Array:
    """Log posterior density of the vector ``[D, lanes]`` up to the evidence, ``[lanes]``.

    ``problem`` has its lanes last, too: 1 for a dataset that all lanes share. With a proper prior this is
    the log of likelihood times prior, constants included, in the units of the problem.
    """
    return log_posterior_and_effects(vector, problem, model)[0]


def log_posterior_and_effects(vector: Array, problem: Problem, model: Model) -> tuple[Array, Conditional]:
    """The same, and the fixed effects given the rest."""
    hyper = unpack(vector, model.structure)
    sums = model.sums(problem, hyper.factor)
    given = conditional(problem, sums, hyper.sigma, model)
    prior = log_prior(vector, hyper, problem, model)
    if not model.other:
        return given.log_likelihood + prior, given
    placed = coefficients.place(vector[size(model.structure) :], given.mean, given.root, problem, model)
    likelihood = log_likelihood(problem, sums, placed.beta, hyper.sigma, model)
    return likelihood + placed.log_density + prior, Conditional(placed.beta, jnp.zeros_like(given.root), likelihood)


def value_and_gradient(vector: Array, problem: Problem, model: Model) -> tuple[Array, Array]:
    """Log posterior ``[lanes]`` and its gradient ``[D, lanes]``: lanes do not interact, so one pull-back serves them all."""
    value, pull = jax.vjp(lambda v: log_posterior(v, problem, model), vector)
    return value, pull(jnp.ones_like(value))[0]
