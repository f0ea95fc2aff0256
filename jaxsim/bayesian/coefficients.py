"""Fixed effects whose priors are not all normal or flat: coordinates of the posterior, as they cannot be integrated out.

Given SDs and correlations they would be normal, ``N(m, R R')``, if it were not for those priors (:class:`Conditional`). So their
coordinates are ``z`` with ``b = m + R z``: a posteriori nearly standard normal, whatever SDs and correlations are, unless a prior
says much more than the data. A prior that lives on part of the line only, such as a uniform one, takes a step more. With

    T(x) = low + s log(1 + exp((x - low) / s)) - s log(1 + exp((x - high) / s))

(without the last term if there is no upper end, and the other way round if there is no lower one), an increasing map of the line
into that part, ``b`` in the units of the prior becomes

    T(x)    with    x = T^-1(c) + (b - m) / T'(T^-1(c))

where c is m, or what is nearest to it and one SD of ``b`` inside. So z = 0 is at c, and z moves the coefficient by SDs there.
``T'(x) / T'(T^-1(c))`` is a factor of the density.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bayesian.prior import Prior
from jaxsim.bayesian.problem import Model, Problem
from jaxsim.errors import InputError

Array = jax.Array

# The width of the soft ends of an interval, as a share of it.
SOFT = 1 / 16


class Support(NamedTuple):
    """Where a prior lives, in its own units: from ``low`` to ``high``, with ends that are ``soft`` wide."""

    low: float
    high: float
    soft: float


def support(given: Prior) -> Support:
    """Of a prior of a fixed effect.

    Raises:
        InputError: for one that is concentrated in its lower or upper end, as far as numbers can tell.
    """
    made = given.of_coefficient()
    low, high = (float(getattr(made.support, name, end)) for name, end in (("lower_bound", -math.inf), ("upper_bound", math.inf)))
    if math.isfinite(low) and math.isfinite(high):
        return Support(low, high, SOFT * (high - low))
    if math.isinf(low) and math.isinf(high):
        return Support(low, high, 1.0)
    with jax.ensure_compile_time_eval():  # half of the prior is nearer to the end than this
        draws = given.of_coefficient().sample(jax.random.key(0), (1001,))
        soft = abs(float(np.median(np.asarray(draws))) - (low if math.isfinite(low) else high))
    if not soft > 0:
        raise InputError(f"prior {given} of a fixed effect is concentrated in one point; give it more room.")
    return Support(low, high, soft)


def into(x: Array, at: Support) -> tuple[Array, Array]:
    """``T(x)`` and ``log T'(x)``, of a support with one end or two."""
    up, down = (x - at.low) / at.soft, (x - at.high) / at.soft
    if math.isinf(at.high):
        return at.low + at.soft * jax.nn.softplus(up), jax.nn.log_sigmoid(up)
    if math.isinf(at.low):
        return at.high - at.soft * jax.nn.softplus(-down), jax.nn.log_sigmoid(-down)
    apart = math.log1p(-math.exp(-(at.high - at.low) / at.soft))
    place = at.low + at.soft * (jax.nn.softplus(up) - jax.nn.softplus(down))
    return place, jax.nn.log_sigmoid(up) + jax.nn.log_sigmoid(-down) + apart


def out_of(place: Array, at: Support) -> Array:
    """``T^-1``."""
    up, down = (place - at.low) / at.soft, (at.high - place) / at.soft
    if math.isinf(at.high):
        return at.low + at.soft * (up + _log_rest(up))
    if math.isinf(at.low):
        return at.high - at.soft * (down + _log_rest(down))
    return at.low + at.soft * (up + _log_rest(up) - _log_rest(down))


def _log_rest(x: Array) -> Array:
    """``log(1 - exp(-x))``."""
    return jnp.log(-jnp.expm1(-x))


def inside(at: Support, value: Array, away: Array) -> Array:
    """The nearest place that is ``away`` from the ends, or the middle of an interval that has none."""
    middle = (at.low + at.high) / 2 if math.isfinite(at.low + at.high) else None
    low, high = at.low + away, at.high - away
    if middle is not None:
        low, high = jnp.minimum(low, middle), jnp.maximum(high, middle)
    return jnp.clip(value, low, high)


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
        known = support(given)
        if math.isfinite(known.low) or math.isfinite(known.high):
            step = unit * (beta[j] - mean[j])
            away = jnp.abs(unit) * jnp.sqrt((root[j] ** 2).sum(0))
            begin = out_of(inside(known, at - step, away), known)
            slope = into(begin, known)[1]
            moved, stretch = into(begin + step * jnp.exp(-slope), known)
            beta = beta.at[j].add((moved - at) / unit)
            at, value = moved, value + stretch - slope
        value = value + given.of_coefficient().log_prob(at) + jnp.log(jnp.abs(unit))
    return Placed(beta, value + normal_part(beta, problem, model))


def normal_part(beta: Array, problem: Problem, model: Model) -> Array:
    """Log density ``[lanes]`` of the normal priors among those of the fixed effects."""
    away = beta - problem.prior_mean
    square = (away[:, None] * problem.prior_precision * away[None]).sum((0, 1))
    normal = sum(given.normal and not given.flat for given in model.of_fixed)
    return (problem.prior_logdet - square - normal * math.log(2 * math.pi)) / 2
