"""The hierarchical model as one writes it in NumPyro: the specification, to be read first.

    y_i ~ Normal(x_i' beta + z_i' b_g, sigma)        b_g ~ Normal(0, diag(sd) R diag(sd))        R ~ LKJ

with a sum of ``z_i' b_g`` over the grouping factors where there are several, each with ``sd`` and ``R`` of its own.
:func:`on_rows` is the model itself, and the oracle of the tests. :func:`collapsed` is the same with the group effects integrated
out, which is exact: the rows enter through their cross-products alone. The engine's density
(:mod:`jaxsim.bayesian.density`) integrates the fixed effects out, too; tests hold it against this one.
:func:`robust_on_rows` has Student-t residuals, with ``nu ~ Gamma(2, 0.1)`` above 2 (:mod:`jaxsim.bayesian.scale_mixture`).
Any sampler of NumPyro runs on all of them; they need NumPyro (``pip install 'jaxsim-studies[bayes]'``).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bayesian import scale_mixture
from jaxsim.bayesian.group_sums import group_sums
from jaxsim.bayesian.prior import Prior, distributions
from jaxsim.bayesian.priors import Decov, Priors
from jaxsim.bayesian.problem import Model
from jaxsim.bayesian.scales import Scales

Array = jax.Array


def on_rows(
    x: Array, z: Array, group: Array, y: Array | None, n_groups: int | tuple[int, ...], model: Model, known: Scales
) -> None:
    """The model, a row at a time.

    Args:
        x: predictors with a fixed effect, ``[N, P]``.
        z: those with a random effect, ``[N, Q]``, of one factor after the other.
        group: integer codes ``0 .. n_groups - 1``, ``[N]``; with several factors those of each, ``[N, F]``.
        y: response, ``[N]``; None draws it.
        n_groups: groups, of each factor if there are several.
        model: priors and structure.
        known: what autoscaled priors refer to.
    """
    import numpyro  # noqa: PLC0415 - an optional dependency

    mean, sigma = expected(x, z, group, n_groups, model, known)
    numpyro.sample("y", distributions().Normal(mean, sigma), obs=y)


def robust_on_rows(x: Array, z: Array, group: Array, y: Array | None, n_groups: int, model: Model, known: Scales) -> None:
    """The same with residuals ``sigma t_nu``. Arguments as for :func:`on_rows`."""
    import numpyro  # noqa: PLC0415 - an optional dependency

    dist = distributions()
    mean, sigma = expected(x, z, group, n_groups, model, known)
    more = numpyro.sample("more", dist.ImproperUniform(dist.constraints.positive, (), ()))
    nu = numpyro.deterministic("nu", scale_mixture.LEAST_NU + more)
    numpyro.factor("prior_of_nu", dist.Gamma(scale_mixture.SHAPE, scale_mixture.RATE).log_prob(nu))
    numpyro.sample("y", dist.StudentT(nu, mean, sigma), obs=y)


def expected(x: Array, z: Array, group: Array, n_groups: int | tuple[int, ...], model: Model, known: Scales) -> tuple[Array, Array]:
    """Expected responses given the group effects, ``[N]``, and ``sigma`` ``[]``."""
    import numpyro  # noqa: PLC0415 - an optional dependency

    beta, sigma = fixed_effects(model, known), residual_sd(model.priors, known)
    factor, mean, end = group_factor(model, known, sigma), x @ beta, 0
    counts = (n_groups,) if isinstance(n_groups, int) else n_groups
    for f, (codes, count, width) in enumerate(zip(group.reshape(len(x), -1).T, counts, model.widths, strict=True)):
        begin, end, which = end, end + width, "" if len(counts) == 1 else f"_{f}"
        with numpyro.plate(f"groups{which}", count):
            standard = numpyro.sample(f"standard{which}", distributions().Normal(jnp.zeros(width), 1.0).to_event(1))
        effects = numpyro.deterministic(f"effects{which}", standard @ factor[begin:end, begin:end].T)
        mean = mean + (z[:, begin:end] * effects[codes]).sum(1)
    return mean, sigma


def collapsed(products: Array, n_rows: Array, model: Model, known: Scales) -> None:
    """The same posterior of ``beta``, ``sd``, ``correlation`` and ``sigma`` from the cross-products.

    Args:
        products: cross-products of the columns and the response of each group, ``[G, M, M]``.
        n_rows: rows of all groups, ``[]``.
        model, known: as for :func:`on_rows`.
    """
    import numpyro  # noqa: PLC0415 - an optional dependency

    beta, sigma = fixed_effects(model, known), residual_sd(model.priors, known)
    factor = group_factor(model, known, sigma)
    numpyro.factor("rows", log_likelihood(products, n_rows, beta, factor, sigma, model))


def log_likelihood(products: Array, n_rows: Array, beta: Array, factor: Array, sigma: Array, model: Model) -> Array:
    """``log p(y | beta, covariance, sigma)`` of the marginal normal model, ``[]``; ``factor factor'`` is the covariance."""
    sums = group_sums(products[..., None], products.shape[0], (factor / sigma)[..., None], model.random)
    contrast = jnp.zeros(products.shape[-1]).at[np.array(model.fixed)].set(-beta).at[-1].set(1.0)
    squares = contrast @ sums.products[..., 0] @ contrast
    return -(n_rows * jnp.log(2 * jnp.pi * sigma**2) + sums.logdet[0] + squares / sigma**2) / 2


def fixed_effects(model: Model, known: Scales) -> Array:
    """``beta`` ``[P]``. The intercept's prior is about the response at the predictors' means if the priors are centred."""
    import numpyro  # noqa: PLC0415 - an optional dependency

    values = []
    for column, given in zip(model.fixed, model.of_fixed, strict=True):
        unit = known.response_sd / known.column_sd[column] if given.autoscale else 1.0
        centre = known.response_mean if column == model.intercept and given.autoscale else 0.0
        values.append(centre + unit * _sample(f"fixed_{column}", given, positive=False))
    beta = jnp.stack(values)
    if model.priors.centre and model.intercept in model.fixed:
        at = model.fixed.index(model.intercept)
        means = known.column_mean[np.array(model.fixed)].at[at].set(0.0)
        beta = beta.at[at].add(-means @ beta)
    return numpyro.deterministic("beta", beta)


def residual_sd(priors: Priors, known: Scales) -> Array:
    """``sigma`` ``[]``."""
    import numpyro  # noqa: PLC0415 - an optional dependency

    unit = known.response_sd if priors.sigma.autoscale else 1.0
    return numpyro.deterministic("sigma", unit * _sample("sigma_in_units", priors.sigma, positive=True))


def group_factor(model: Model, known: Scales, sigma: Array) -> Array:
    """Cholesky factor of the group effects' covariance, ``[Q, Q]``; sites ``sd`` and ``correlation``."""
    import numpyro  # noqa: PLC0415 - an optional dependency

    q = model.structure.size
    sd = numpyro.deterministic("sd", group_sds(model, known, sigma))
    root = jnp.eye(q)
    for number, block in enumerate(model.structure.blocks):
        if len(block) > 1:
            own = numpyro.sample(f"root_{number}", distributions().LKJCholesky(len(block), model.priors.correlation))
            root = root.at[np.ix_(block, block)].set(own)
    numpyro.deterministic("correlation", root @ root.T)
    return sd[:, None] * root


def group_sds(model: Model, known: Scales, sigma: Array) -> Array:
    """Standard deviations of the group effects, ``[Q]``."""
    import numpyro  # noqa: PLC0415 - an optional dependency

    q, given = model.structure.size, model.priors.sd
    if isinstance(given, Decov):
        dist, sds = distributions(), []
        for f, width in enumerate(model.widths):
            which = "" if len(model.widths) == 1 else f"_{f}"
            tau = numpyro.sample(f"tau{which}", dist.Gamma(given.shape, 1 / given.scale))
            even = dist.Dirichlet(jnp.full(width, given.concentration))
            shares = numpyro.sample(f"shares{which}", even) if width > 1 else jnp.ones(1)
            sds.append(sigma * tau * jnp.sqrt(width * shares))
        return jnp.concatenate(sds)
    values = []
    for i, (column, each) in enumerate(zip(model.random, model.priors.of_sds(q), strict=True)):
        unit = known.response_sd / known.column_sd[column] if each.autoscale else 1.0
        values.append(unit * _sample(f"sd_in_units_{i}", each, positive=True))
    return jnp.stack(values)


def _sample(name: str, given: Prior, positive: bool) -> Any:
    import numpyro  # noqa: PLC0415 - an optional dependency

    if given.flat:
        dist = distributions()
        support = dist.constraints.positive if positive else dist.constraints.real
        return numpyro.sample(name, dist.ImproperUniform(support, (), ()))
    return numpyro.sample(name, given.positive() if positive else given.distribution())
