"""From weighted draws of SDs and correlations to what is reported of a dataset, in the units of the data."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.estimators.bayes import mixture, parameters
from jaxsim.estimators.bayes.problem import Model, Problem

Array = jax.Array

INTERVALS: tuple[str, ...] = ("equal-tailed", "hpd")


class Summary(NamedTuple):
    """``estimate``, ``median``, ``conf_low``, ``conf_high``, ``p_value`` ``[P]`` and ``vcov`` ``[P, P]`` of the fixed effects;
    ``covariance`` ``[Q, Q]`` from the posterior means of SDs and correlations, ``sigma`` ``[]``: the posterior mean."""

    estimate: Array
    vcov: Array
    median: Array
    conf_low: Array
    conf_high: Array
    p_value: Array
    covariance: Array
    sigma: Array


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
    mix = mixture.Mixture(weight, mean, jnp.sqrt((root**2).sum(1)))
    tail = (1 - level) / 2
    found = mixture.quantiles(mix, jnp.stack([jnp.asarray(tail), jnp.asarray(0.5), 1 - jnp.asarray(tail)]))
    ends = found[:, [0, 2]]
    if interval == "hpd":
        ends = mixture.shortest(mix, jnp.asarray(level), ends)
    negative = mixture.below(mix, jnp.zeros((len(centre), 1)))[:, 0]
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
