"""One dataset of a design (traceable): its truth and its columns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.random_effects import RandomEffects
from jaxsim.processes.designed.blueprint import Blueprint, is_fixed
from jaxsim.processes.designed.magnitudes import latent, root
from jaxsim.processes.designed.schedule import Schedule
from jaxsim.processes.designed.variables import ROW, Between, Covariate, Within
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.told import KEEP, SIGMA
from jaxsim.seeding import Stream, stream_key


def dataset(
    key: jax.Array,
    plan: Blueprint,
    correlations: Mapping[tuple[str, str], float],
    effects: Mapping[str, Any],
    sd: Mapping[str, Mapping[str, Any]],
    correlation: Mapping[str, Any],
    residual_sd: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Truth and columns, as :meth:`jaxsim.RowProcess.simulate` returns them; arguments as of a design."""
    rows, unit = plan.schedule, plan.unit
    columns = plan.matrix.columns(drawn(stream_key(key, Stream.PREDICTORS), plan, correlations), rows.rows)
    beta = drawn_effects(stream_key(key, Stream.TRUTH), plan.fixed.names, effects)
    own_key = stream_key(key, Stream.GROUPS)
    noise = jax.random.normal(jax.random.fold_in(own_key, 0), (rows.rows,))
    response = sum((beta[name] * columns[name] for name in plan.fixed.names), jnp.zeros(rows.rows))
    response += residual_sd * noise
    truth: dict[str, Any] = dict(beta)
    if plan.random is not None:
        own_sd = [jnp.asarray(sd.get(unit, {}).get(term, 0.0), float) for term in plan.random_terms]
        own_correlation = correlation.get(unit, 0.0)
        normal = jax.random.normal(jax.random.fold_in(own_key, 1), (rows.units, len(plan.random_terms)))
        standard = correlated(normal, plan.random, own_correlation)
        deviations = {t: own_sd[k] * standard[:, k] for k, t in enumerate(plan.random_terms)}
        response += sum(jnp.repeat(deviations[t], rows.block) * columns[t] for t in plan.random_terms)
        truth |= spreads(plan.random, own_sd, own_correlation)
        every = dict.fromkeys((*plan.fixed.names, *plan.random_terms))
        truth[unit] = {t: beta.get(t, 0.0) + deviations.get(t, jnp.zeros(rows.units)) for t in every}
    truth[SIGMA] = residual_sd
    del columns["Intercept"]
    index = np.repeat(np.arange(rows.units, dtype=np.int32), rows.block)
    keep = present(stream_key(key, Stream.SIZES), rows)
    return truth, {unit: index, plan.response: response, **columns, **({} if keep is None else {KEEP: keep})}


def drawn(key: jax.Array, plan: Blueprint, correlations: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """Numbers, or positions of levels, of all variables in every row, ``[N]`` each."""
    rows, variables = plan.schedule, plan.variables
    found: dict[str, Any] = {}
    for level, count, repeated in ((plan.unit, rows.units, rows.block), (ROW, rows.rows, 1)):
        own = [name for name, v in variables.items() if isinstance(v, Covariate) and v.level == level]
        normal = jax.random.normal(jax.random.fold_in(key, 0 if level == plan.unit else 1), (len(own), count))
        together = latent(own, correlations)
        if (together != np.eye(len(own))).any():
            normal = jnp.asarray(root(together)) @ normal
        for k, name in enumerate(own):
            variable = variables[name]
            assert isinstance(variable, Covariate)
            found[name] = jnp.repeat(variable.distribution.of_normal(normal[k]), repeated)
    for place, (name, variable) in enumerate(variables.items(), start=2):
        if isinstance(variable, Between):
            codes: Any = rows.codes[name] if is_fixed(variable) else assigned(jax.random.fold_in(key, place), variable, rows)
            found[name] = codes if variable.names is not None else _at(variable.levels, codes)
        elif isinstance(variable, Within):
            codes = rows.codes[name]
            found[name] = codes if variable.names is not None else _at(variable.levels, codes)
            if variable.jitter:
                found[name] = found[name] + shifts(jax.random.fold_in(key, place), name, variable, rows)
    return found


def _at(levels: Any, codes: Any) -> Any:
    numbers = np.array(levels, float)
    return numbers[codes] if isinstance(codes, np.ndarray) else jnp.asarray(numbers)[codes]


def assigned(key: jax.Array, variable: Between, rows: Schedule) -> jax.Array:
    """Positions of levels that units get at random, independently, ``[N]``."""
    uniform = jax.random.uniform(key, (rows.units,))
    codes = jnp.searchsorted(jnp.asarray(np.cumsum(variable.shares)[:-1]), uniform, side="right")
    return jnp.repeat(codes, rows.block)


def shifts(key: jax.Array, name: str, variable: Within, rows: Schedule) -> jax.Array:
    """What is added to the levels, one number for each unit and level, ``[N]``."""
    uniform = jax.random.uniform(key, (rows.units, len(variable.levels)), minval=-1.0, maxval=1.0)
    unit = np.repeat(np.arange(rows.units), rows.block)
    return variable.jitter * uniform[unit, rows.codes[name]]


def drawn_effects(key: jax.Array, terms: tuple[str, ...], effects: Mapping[str, Any]) -> dict[str, Any]:
    """True effects by term; those that are distributions are drawn, each from a key of its own."""
    return {
        term: value.of_normal(jax.random.normal(jax.random.fold_in(key, k)))
        if isinstance(value := effects.get(term, 0.0), Distribution)
        else value
        for k, term in enumerate(terms)
    }


def correlated(normal: jax.Array, random: RandomEffects, correlation: Any) -> jax.Array:
    """Standard normal numbers ``[U, Q]`` with the correlations of the random effects."""
    if isinstance(correlation, tuple):
        return normal @ jnp.asarray(root(np.array(correlation)))
    parts = []
    for block in random.structure.blocks:
        # The symmetric root of (1 - r) I + r J of size n is a I + c J with a = sqrt(1 - r), a + n c = sqrt(1 + (n - 1) r).
        n, own = len(block), normal[:, list(block)]
        a = jnp.sqrt(jnp.maximum(1 - correlation, 0.0))
        c = (jnp.sqrt(jnp.maximum(1 + (n - 1) * correlation, 0.0)) - a) / n
        parts.append(a * own + c * own.sum(axis=1, keepdims=True) if n > 1 else own)
    return jnp.concatenate(parts, axis=1)


def spreads(random: RandomEffects, sd: list[Any], correlation: Any) -> dict[str, Any]:
    """Standard deviations and correlations by their names in a truth."""
    terms, unit, together = random.columns, random.factor, random.structure.mask
    found = {f"sd_{unit}_{term}": value for term, value in zip(terms, sd, strict=True)}
    for i, j in itertools.combinations(range(len(terms)), 2):
        own = correlation[i][j] if isinstance(correlation, tuple) else correlation
        found[f"cor_{unit}_{terms[i]}_{terms[j]}"] = own if together[i, j] else 0.0
    return found


def present(key: jax.Array, rows: Schedule) -> Any:
    """Which rows are there, bool ``[N]``; None for all of them."""
    if rows.sizes is None:
        return None if rows.keep.all() else rows.keep
    sizes, parameters = rows.sizes, jnp.asarray(rows.sizes.parameters())
    repeats = jax.vmap(lambda k: sizes.draw(k, parameters))(jax.random.split(key, rows.units))
    there = jnp.arange(rows.repeats) < repeats[:, None]
    return jnp.repeat(there[:, None], rows.combinations, axis=1).reshape(-1)
