"""What strategies say of rows that they have not seen. A row with a negative level is of a group that the dataset does not have."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.data.random_effects import RandomEffects
from jaxsim.data.rows import Rows


class Coefficients(NamedTuple):
    """Linear predictions ``x'c`` from all predictor columns: ``known`` ``[G, K]`` of rows of each group of the dataset, ``new``
    ``[K]`` of rows of groups that it does not have."""

    known: jax.Array
    new: jax.Array


class PredictionError(NamedTuple):
    """``variance`` of what a response differs by from its prediction, and the degrees of freedom with which it is known (infinite
    for a normal interval), ``[N]`` each."""

    variance: jax.Array
    df: jax.Array


def of_groups(data: Any, effects: RandomEffects, estimate: jax.Array, modes: jax.Array) -> jax.Array:
    """Fixed effects plus conditional modes (lme4's ``coef``), ``[G, P]``.

    Args:
        data: the dataset, as a strategy's ``view`` gave it.
        effects: the random effects, of columns with a fixed effect and of others, which are left out.
        estimate: of the fixed effects, ``[P]``.
        modes: of each group's random effects, ``[G, Q]``.
    """
    own = [(k, data.fixed.index(name)) for k, name in enumerate(effects.columns) if name in data.fixed]
    columns, places = [k for k, _ in own], [place for _, place in own]
    coefficients = jnp.broadcast_to(estimate, (len(modes), len(data.fixed)))
    return coefficients.at[:, jnp.array(places, int)].add(modes[:, jnp.array(columns, int)])


def with_modes(data: Any, effects: RandomEffects, estimate: jax.Array, modes: jax.Array) -> Coefficients:
    """Fixed effects, of known groups plus conditional modes, those of columns without a fixed effect among them; arguments as of
    :func:`of_groups`."""
    fixed = jnp.zeros(len(data.columns)).at[data.index_of(data.fixed)].set(estimate)
    known = jnp.broadcast_to(fixed, (len(modes), len(fixed)))
    return Coefficients(known.at[:, data.index_of(effects.columns)].add(modes), fixed)


def as_viewed(data: Any, new: Rows) -> Rows:
    """New rows with the response and the fixed effects of a dataset, as a strategy's ``view`` gave it."""
    return new.select(data.response, data.fixed)


def codes_of(data: Any, new: Rows) -> jax.Array:
    """The group of each new row by the grouping factor of a dataset, ``[N]``."""
    return new.levels[:, new.factors.index(data.factors[0])]


def predicted(data: Any, coefficients: Coefficients, new: Rows) -> jax.Array:
    """``x'c`` of each row, ``[N]``."""
    codes = codes_of(data, new)
    own = jnp.where((codes >= 0)[:, None], coefficients.known[jnp.maximum(codes, 0)], coefficients.new)
    return (as_viewed(data, new).x * own).sum(1)


def of_least_squares(data: Any, new: Rows, vcov: jax.Array, sigma: jax.Array, df: jax.Array) -> PredictionError:
    """``sigma^2 + x'Vx`` with the covariance ``V`` ``[P, P]`` of the coefficients (R's ``predict.lm`` with the classical one)."""
    x = as_viewed(data, new).x[:, data.fixed_index]
    variance = sigma**2 + ((x @ vcov) * x).sum(1)
    return PredictionError(variance, jnp.broadcast_to(df, variance.shape))
