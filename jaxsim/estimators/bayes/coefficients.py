"""Fixed effects whose priors are not all normal or flat: coordinates of the posterior, as they cannot be integrated out.

Given SDs and correlations they would be normal, ``N(m, R R')``, if it were not for those priors (:class:`Conditional`). So their
coordinates are ``z`` with ``b = m + R z``: a posteriori nearly standard normal, whatever SDs and correlations are, unless a prior
says much more than the data. A prior that lives on part of the line only, such as a uniform one, takes a step more: what ``b`` is
in the units of that prior is mapped into the part by

    T(x) = low + s log(1 + exp((x - low) / s)) - s log(1 + exp((x - high) / s))

(without the last term if there is no upper end, and the other way round if there is no lower one), which leaves alone what is
inside by more than some ``s``. It is increasing, and ``T'`` is a factor of the density.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.estimators.bayes.prior import Prior
from jaxsim.estimators.bayes.problem import Model, Problem

Array = jax.Array

# The width of the soft ends of an interval, as a share of it.
SOFT = 1 / 16


class Support(NamedTuple):
    """Where a prior lives, in its own units: from ``low`` to ``high``, with ends that are ``soft`` wide."""

    low: float
    high: float
    soft: float


def support(given: Prior) -> Support:
    """Of a prior of a fixed effect."""
    made = given.of_coefficient()
    low, high = (float(getattr(made.support, name, end)) for name, end in (("lower_bound", -math.inf), ("upper_bound", math.inf)))
    if math.isfinite(low) and math.isfinite(high):
        return Support(low, high, SOFT * (high - low))
    if math.isinf(low) and math.isinf(high):
        return Support(low, high, 1.0)
    with jax.ensure_compile_time_eval():  # half of the prior is nearer to the end than this
        middle = float(np.median(np.asarray(made.sample(jax.random.key(0), (1001,)))))
    return Support(low, high, abs(middle - (low if math.isfinite(low) else high)))


def into(x: Array, at: Support) -> tuple[Array, Array | float]:
    """``T(x)`` and ``log T'(x)``."""
    up, down = (x - at.low) / at.soft, (x - at.high) / at.soft
    if math.isinf(at.low) and math.isinf(at.high):
        return x, 0.0
    if math.isinf(at.high):
        return at.low + at.soft * jax.nn.softplus(up), jax.nn.log_sigmoid(up)
    if math.isinf(at.low):
        return at.high - at.soft * jax.nn.softplus(-down), jax.nn.log_sigmoid(-down)
    apart = math.log1p(-math.exp(-(at.high - at.low) / at.soft))
    place = at.low + at.soft * (jax.nn.softplus(up) - jax.nn.softplus(down))
    return place, jax.nn.log_sigmoid(up) + jax.nn.log_sigmoid(-down) + apart


class Placed(NamedTuple):
    """Fixed effects ``beta`` ``[P, lanes]`` in the units of :class:`Problem`, and the log density ``[lanes]`` of their priors with
    the change of variables from z."""

    beta: Array
    log_density: Array


def place(z: Array, mean: Array, root: Array, problem: Problem, model: Model) -> Placed:
    """The fixed effects at the coordinates ``z`` ``[P, lanes]``.

    Args:
        z: coordinates.
        mean, root: of the normal distribution that standardises them, ``[P, lanes]`` and ``[P, P, lanes]``, root triangular.
        problem, model: the dataset, lanes last.
    """
    beta = mean + (root * z[None]).sum(1)
    value = sum(jnp.log(root[j, j]) for j in range(len(z)))
    rows = dict(zip(model.other, problem.standard, strict=True))
    # The prior of the intercept may be about the response at the predictors' means: it comes after those of the slopes.
    for j in sorted(rows, key=lambda j: model.fixed[j] == model.intercept):
        given, unit = model.of_fixed[j], rows[j][j]
        at = (rows[j][:-1] * beta).sum(0) + rows[j][-1]
        inside, stretch = into(at, support(given))
        if inside is not at:
            beta = beta.at[j].add((inside - at) / unit)
        value = value + stretch + given.of_coefficient().log_prob(inside) + jnp.log(jnp.abs(unit))
    return Placed(beta, value + normal_part(beta, problem, model))


def normal_part(beta: Array, problem: Problem, model: Model) -> Array:
    """Log density ``[lanes]`` of the normal priors among those of the fixed effects."""
    away = beta - problem.prior_mean
    square = (away[:, None] * problem.prior_precision * away[None]).sum((0, 1))
    normal = sum(given.normal and not given.flat for given in model.of_fixed)
    return (problem.prior_logdet - square - normal * math.log(2 * math.pi)) / 2
