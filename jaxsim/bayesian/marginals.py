"""From weighted draws of SDs and correlations to what is reported of a dataset, in the units of the data."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.bayesian import empirical, mixture, parameters
from jaxsim.bayesian.density import Conditional
from jaxsim.bayesian.group_means import group_means
from jaxsim.bayesian.problem import Model, Problem

Array = jax.Array

INTERVALS: tuple[str, ...] = ("equal-tailed", "hpd")


class Summary(NamedTuple):
    """``estimate``, ``median``, ``conf_low``, ``conf_high``, ``p_value`` ``[P]`` and ``vcov`` ``[P, P]`` of the fixed effects;
    ``covariance`` ``[Q, Q]`` from the posterior means of SDs and correlations, ``sigma`` ``[]``: the posterior mean; ``groups``
    ``[G, P]``: those of the groups' coefficients, if they are asked for (see :mod:`group_means`); with several grouping factors
    those of all levels' effects, ``[R]``."""

    estimate: Array
    vcov: Array
    median: Array
    conf_low: Array
    conf_high: Array
    p_value: Array
    covariance: Array
    sigma: Array
    groups: Array | None = None


class Wanted(NamedTuple):
    """What is to be reported: ``level`` ``[]`` and kind of the interval (one of :data:`INTERVALS`), and whether ``groups``."""

    level: Array | float
    interval: str
    groups: bool = False


def summaries(
    problems: tuple[Problem, Problem], model: Model, weight: Array, vector: Array, given: Conditional, wanted: Wanted
) -> Summary:
    """Of every dataset of a part.

    Args:
        problems: the datasets with their axis first, and with it last.
        model: of the datasets.
        weight: of the draws, ``[datasets, draws]``, or ``[draws]``, the same for all datasets.
        vector: as for :func:`summarise`, ``[D, datasets, draws]``.
        given: the fixed effects given each, lanes ``[datasets, draws]``.
        wanted: what is to be reported.
    """
    found = jax.vmap(
        lambda problem, weight, vector, mean, root: summarise(
            problem, model, weight, vector, mean, root, wanted.level, wanted.interval
        ),
        in_axes=(0, None if weight.ndim == 1 else 0, 1, 1, 2),
    )(problems[0], weight, vector, given.mean, given.root)
    if not wanted.groups:
        return found
    every = jnp.broadcast_to(weight, vector.shape[1:])
    return found._replace(groups=group_means(problems[1], model, every, vector, given.mean))


def pool(one: Summary, other: Summary, share: Array) -> Summary:
    """Of two samples of the same posteriors (datasets first), the second with this ``share`` ``[datasets]``."""

    def mean(old: Array, new: Array) -> Array:
        """The average of both, by how many draws each has."""
        own = share.reshape(-1, *[1] * (new.ndim - 1))
        return jnp.where(own == 1, new, jnp.where(own == 0, old, old + own * (new - old)))

    both = jax.tree.map(mean, one, other)
    mixed = (share > 0) & (share < 1)
    apart = jnp.where(mixed[:, None], other.estimate - one.estimate, 0.0)
    return both._replace(vcov=both.vcov + (share * (1 - share))[:, None, None] * apart[:, :, None] * apart[:, None])


def summarise(
    problem: Problem, model: Model, weight: Array, vector: Array, mean: Array, root: Array, level: Array | float, interval: str
) -> Summary:
    """One dataset (no lanes in ``problem``).

    The p value is twice the smaller posterior probability of a sign: it is at most ``1 - level`` just when the equal-tailed
    interval leaves out zero (and it is ``2 (1 - pd)`` with the probability of direction pd).

    Args:
        problem, model: the dataset.
        weight: of the draws, ``[draws]``, sum one.
        vector: SDs, correlations, sigma as in :mod:`parameters`, ``[D, draws]``.
        mean, root: of the fixed effects given them, ``[P, draws]`` and ``[P, P, draws]``.
        level: of the interval.
        interval: one of :data:`INTERVALS`.
    """
    unit = problem.response_unit / problem.column_unit[jnp.array(model.fixed)]
    mean = problem.shift[:, None] + unit[:, None] * mean
    root = unit[:, None, None] * root
    centre, vcov = mixture.moments(weight, mean, root)
    tail = (1 - level) / 2
    chances = jnp.stack([jnp.asarray(tail), jnp.asarray(0.5), 1 - jnp.asarray(tail)])
    if model.other:
        draws = empirical.empirical(weight, mean)
        found, negative = empirical.quantiles(draws, chances), empirical.below(draws, 0.0)
    else:
        mix = mixture.Mixture(weight, mean, jnp.sqrt((root**2).sum(1)))
        found, negative = mixture.quantiles(mix, chances), mixture.below(mix, jnp.zeros((len(centre), 1)))[:, 0]
    ends = found[:, [0, 2]]
    if interval == "hpd":
        ends = empirical.shortest(draws, jnp.asarray(level)) if model.other else mixture.shortest(mix, jnp.asarray(level), ends)
    hyper = parameters.unpack(vector, model.structure)
    z = jnp.array(model.random)
    sd = (hyper.sd * weight).sum(1) * problem.response_unit / problem.column_unit[z]
    correlation = (hyper.correlation * weight).sum(-1)
    return Summary(
        estimate=centre,
        vcov=vcov,
        median=found[:, 1],
        conf_low=ends[:, 0],
        conf_high=ends[:, 1],
        p_value=jnp.minimum(2 * jnp.minimum(negative, 1 - negative), 1.0),
        covariance=correlation * jnp.outer(sd, sd),
        sigma=(hyper.sigma * weight).sum() * problem.response_unit,
    )
