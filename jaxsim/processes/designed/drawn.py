"""Variables of one dataset of a design (traceable): what units are given, what they meet, and covariates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.names import INTERCEPT
from jaxsim.processes import normals
from jaxsim.processes.designed.coefficients import correlated
from jaxsim.processes.designed.magnitudes import latent, root
from jaxsim.processes.designed.schedule import Schedule
from jaxsim.processes.designed.variables import ROW, Between, Covariate, Within
from jaxsim.processes.messy import befall
from jaxsim.seeding import Stream, stream_key

# Folded into the key of the predictors for the parts of covariates of rows that are one number a unit.
UNIT_PARTS = 2**32 - 1


class Keys(NamedTuple):
    """Keys of what belongs to all units, to a unit, and to a row."""

    of_all: jax.Array
    of_units: jax.Array
    of_rows: jax.Array

    def world(self) -> dict[str, jax.Array]:
        """A key for each use of what is messy."""
        every, units, rows = (befall.keys_of(stream_key(key, Stream.WORLD)) for key in self)
        return {**rows, "sd_noise": every["sd_noise"], "variance": units["variance"]}


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
    """Numbers at these positions of the levels, of the shape of the positions; NumPy's of NumPy's."""
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
