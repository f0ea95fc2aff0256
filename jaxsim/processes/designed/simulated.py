"""One dataset of a design (traceable): its truth and its columns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.names import INTERCEPT
from jaxsim.data.random_effects import RandomEffects
from jaxsim.processes import normals
from jaxsim.processes.designed.magnitudes import latent, root
from jaxsim.processes.designed.scale import amounts
from jaxsim.processes.designed.schedule import Schedule
from jaxsim.processes.designed.variables import ROW, Between, Covariate, Within
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.messy import befall
from jaxsim.processes.messy.situation import Situation
from jaxsim.processes.told import KEEP, SIGMA
from jaxsim.seeding import Stream, stream_key

# Folded into the key of the predictors for the parts of covariates of rows that are one number a unit.
UNIT_PARTS = 2**32 - 1


class Again(NamedTuple):
    """Further rows for a dataset: ``key`` of what is drawn anew, and whether they are of ``new_units``; else the units keep their
    schedules, what is one number a unit, and their effects. None of them is missing."""

    key: jax.Array
    new_units: bool


class Keys(NamedTuple):
    """Keys of what belongs to all units, to a unit, and to a row."""

    of_all: jax.Array
    of_units: jax.Array
    of_rows: jax.Array

    def world(self) -> dict[str, jax.Array]:
        """A key for each use of what is messy."""
        every, units, rows = (befall.keys_of(stream_key(key, Stream.WORLD)) for key in self)
        return {**rows, "sd_noise": every["sd_noise"], "variance": units["variance"]}


def dataset(key: jax.Array, design: Any, again: Again | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Truth and columns of one dataset of a :class:`jaxsim.Design`, as :meth:`jaxsim.RowProcess.simulate` returns them.

    Args:
        key: of the dataset.
        design: of it.
        again: of further rows for it.
    """
    keys = Keys(key, key, key) if again is None else Keys(key, again.key if again.new_units else key, again.key)
    plan, world = design.plan, design.world
    rows, unit = plan.schedule, plan.unit
    normal = normals.kept(jax.random.fold_in(stream_key(keys.of_units, Stream.GROUPS), 1), (rows.units, len(plan.random_terms)))
    values = drawn(keys, design, normal)
    columns = plan.matrix.columns(values, rows.rows)
    seen = columns if not design.measurement_error else plan.matrix.columns(measured(keys, design, values), rows.rows)
    beta, deviations, truth = coefficients(key, design, normal)
    response = sum((beta[name] * columns[name] for name in plan.fixed.names), jnp.zeros(rows.rows))
    response += sum(jnp.repeat(deviations[t], rows.block) * columns[t] for t in plan.random_terms)
    planned = present(stream_key(keys.of_units, Stream.SIZES), rows)
    situation = Situation(columns, response, response, planned, rows.units, rows.axes, design.residual_sd)
    noise = normals.kept(jax.random.fold_in(stream_key(keys.of_rows, Stream.GROUPS), 0), (rows.rows,))
    response, there = befall.respond(keys.world(), world, noise, situation, seen)
    index = np.repeat(np.arange(rows.units, dtype=np.int32), rows.block)
    del seen["Intercept"]
    missing = world["missing"] is not None and again is None
    keep = {KEEP: there if missing else planned} if missing or rows.sizes is not None or not rows.keep.all() else {}
    return truth, {unit: index, plan.response: response, **seen, **keep}


def coefficients(key: jax.Array, design: Any, normal: jax.Array) -> tuple[dict[str, Any], dict[str, jax.Array], dict[str, Any]]:
    """Fixed effects by term, deviations of the units' coefficients by term ``[U]``, and the truth of one dataset.

    Args:
        key: of the dataset.
        design: of it.
        normal: what the deviations are made of, ``[U, Q]``.
    """
    plan, (effects, sd) = design.plan, amounts(design)
    beta = drawn_effects(stream_key(key, Stream.TRUTH), plan.fixed.names, effects)
    truth: dict[str, Any] = dict(beta)
    deviations: dict[str, jax.Array] = {}
    if plan.random is not None:
        factor = befall.sd_factor(befall.keys_of(stream_key(key, Stream.WORLD)), design.world["sd_noise"])
        deviations, spread = effects_of_units(normal, design, sd, factor)
        truth |= spread
        every = dict.fromkeys((*plan.fixed.names, *plan.random_terms))
        truth[plan.unit] = {t: beta.get(t, 0.0) + deviations.get(t, jnp.zeros(plan.schedule.units)) for t in every}
    return beta, deviations, truth | {SIGMA: design.residual_sd}


def effects_of_units(
    normal: jax.Array, design: Any, sd: Mapping[str, Any], factor: Any
) -> tuple[dict[str, jax.Array], dict[str, Any]]:
    """Deviations of the units' coefficients by term, ``[U]`` each, and their standard deviations and correlations.

    Args:
        normal: standard normal numbers, ``[U, Q]``.
        design: of the dataset.
        sd: standard deviations, by unit and term.
        factor: of all of them.
    """
    plan, unit = design.plan, design.plan.unit
    own = [factor * jnp.asarray(sd.get(unit, {}).get(term, 0.0), float) for term in plan.random_terms]
    correlation = design.correlation.get(unit, 0.0)
    standard = correlated(befall.shape(design.world["group_effects"])(normal), plan.random, correlation)
    deviations = {term: own[k] * standard[:, k] for k, term in enumerate(plan.random_terms)}
    return deviations, spreads(plan.random, own, correlation)


def drawn(keys: Keys, design: Any, normal: jax.Array) -> dict[str, Any]:
    """Numbers, or positions of levels, of all variables in every row, ``[N]`` each.

    Args:
        keys: of the dataset.
        design: of it.
        normal: what the units' effects are made of, ``[U, Q]``.
    """
    rows, variables = design.plan.schedule, design.plan.variables
    _, of_units, of_rows = (stream_key(key, Stream.PREDICTORS) for key in keys)
    found = {name: jnp.repeat(v, rows.rows // v.size) for name, v in covariates(of_units, of_rows, design, normal).items()}
    for place, (name, variable) in enumerate(variables.items(), start=2):
        if isinstance(variable, Between):
            codes: Any = rows.codes.get(name)
            if variable.randomised:
                codes = jnp.repeat(assigned(jax.random.fold_in(of_units, place), variable, rows.units), rows.block)
            found[name] = codes if variable.names is not None else at_levels(variable.levels, codes)
        elif isinstance(variable, Within):
            codes = rows.codes[name]
            found[name] = codes if variable.names is not None else at_levels(variable.levels, codes)
            if variable.jitter:
                found[name] = found[name] + shifts(jax.random.fold_in(of_rows, place), name, variable, rows)
    return found


def covariates(of_units: jax.Array, of_rows: jax.Array, design: Any, normal: jax.Array) -> dict[str, Any]:
    """Covariates of units, ``[U]`` each, and of rows, ``[N]``: each a map of a normal number."""
    plan = design.plan
    rows = plan.schedule
    own: dict[str, list[str]] = {plan.unit: [], ROW: []}
    for name, variable in plan.variables.items():
        if isinstance(variable, Covariate):
            own[variable.level].append(name)
    z = dict(zip(own[plan.unit], _of_units(jax.random.fold_in(of_units, 0), own[plan.unit], design, normal), strict=True))
    each = normals.kept(jax.random.fold_in(of_rows, 1), (len(own[ROW]), rows.rows))
    z |= dict(zip(own[ROW], _together(each, latent(own[ROW], design.correlations)), strict=True))
    if any(plan.variables[name].icc for name in own[ROW]):
        parts = _of_units(jax.random.fold_in(of_units, UNIT_PARTS), own[ROW], design, normal)
        for k, name in enumerate(own[ROW]):
            icc = plan.variables[name].icc
            z[name] = np.sqrt(icc) * jnp.repeat(parts[k], rows.block) + np.sqrt(1 - icc) * z[name] if icc else z[name]
    return {name: plan.variables[name].distribution.of_normal(value) for name, value in z.items()}


def _of_units(key: jax.Array, names: list[str], design: Any, normal: jax.Array) -> jax.Array:
    """Normal numbers of units, ``[K, U]``, correlated with each other and with the units' intercepts where the design says so."""
    plan = design.plan
    each, together = normals.kept(key, (len(names), plan.schedule.units)), latent(names, design.correlations)
    r = np.array([design.endogenous.get(name, 0.0) for name in names])
    if not r.any():
        return _together(each, together)
    intercept = correlated(normal, plan.random, design.correlation.get(plan.unit, 0.0))[:, plan.random_terms.index(INTERCEPT)]
    return jnp.asarray(root(together - np.outer(r, r))) @ each + jnp.asarray(r)[:, None] * intercept


def _together(normal: jax.Array, matrix: np.ndarray) -> jax.Array:
    return jnp.asarray(root(matrix)) @ normal if (matrix != np.eye(len(matrix))).any() else normal


def measured(keys: Keys, design: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The variables as they are seen, ``[N]`` each: covariates with a reliability have normal errors, one a unit or one a row."""
    plan, found = design.plan, dict(values)
    rows = plan.schedule
    for place, (name, variable) in enumerate(plan.variables.items()):
        if name in design.measurement_error:
            by_unit = variable.level == plan.unit
            own = befall.keys_of(stream_key(keys.of_units if by_unit else keys.of_rows, Stream.WORLD))["measurement_error"]
            count = rows.units if by_unit else rows.rows
            error = normals.kept(jax.random.fold_in(own, place), (count,))
            sd = variable.distribution.moments[1] * jnp.sqrt(1 / jnp.asarray(design.measurement_error[name], float) - 1)
            found[name] = found[name] + sd * jnp.repeat(error, rows.rows // count)
    return found


def at_levels(levels: Any, codes: Any) -> Any:
    numbers = np.array(levels, float)
    return numbers[codes] if isinstance(codes, np.ndarray) else jnp.asarray(numbers)[codes]


def assigned(key: jax.Array, variable: Between, units: int) -> jax.Array:
    """Positions of levels that units get at random, independently, ``[U]``."""
    return jnp.searchsorted(jnp.asarray(np.cumsum(variable.shares)[:-1]), jax.random.uniform(key, (units,)), side="right")


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
    """Which rows the design has, bool ``[N]``; NumPy's where they are the same in every dataset."""
    if rows.sizes is None:
        return rows.keep
    there = jnp.arange(rows.repeats) < repeats_of_units(key, rows)[:, None]
    return jnp.repeat(there[:, None], rows.combinations, axis=1).reshape(-1)


def repeats_of_units(key: jax.Array, rows: Schedule) -> Any:
    """Repeats of each combination by unit, ``[U]``; NumPy's where they are the same in every dataset."""
    if rows.sizes is None:
        return rows.keep.reshape(rows.units, rows.combinations, rows.repeats)[:, 0].sum(1)
    sizes, parameters = rows.sizes, jnp.asarray(rows.sizes.parameters())
    return jax.vmap(lambda k: sizes.draw(k, parameters))(jax.random.split(key, rows.units))
