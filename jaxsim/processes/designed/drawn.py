"""Variables of one dataset of a design (traceable): what units are given, what they meet, and covariates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.names import INTERCEPT
from jaxsim.processes import normals
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.coefficients import ByUnit, correlated
from jaxsim.processes.designed.keys import LAST, Keys
from jaxsim.processes.designed.levels import Levels
from jaxsim.processes.designed.magnitudes import latent, root
from jaxsim.processes.designed.schedule import Schedule
from jaxsim.processes.designed.variables import ROW, Between, Covariate, Within
from jaxsim.processes.messy import befall
from jaxsim.seeding import Stream, stream_key

# Folded into the key of the predictors for the parts of covariates of rows that are one number a unit.
UNIT_PARTS = LAST


def drawn(keys: Keys, design: Any, normal: ByUnit, levels: Levels) -> dict[str, Any]:
    """Numbers, or positions of levels, of all variables in every row, ``[N]`` each.

    Args:
        keys: of the dataset.
        design: of it.
        normal: what the units' effects are made of, by unit ``[U, Q]``.
        levels: of the units in the rows.
    """
    plan = design.plan
    rows, variables = plan.schedule, plan.variables
    own = keys.of(Stream.PREDICTORS)
    found = {}
    for name, value in covariates(own, design, normal).items():
        level = variables[name].level
        found[name] = value if level == ROW else levels.spread(level, value)
    for place, (name, variable) in enumerate(variables.items(), start=2):
        if isinstance(variable, Covariate):
            continue
        codes: Any = rows.codes.get(name)
        if isinstance(variable, Between) and codes is None:
            each = given_to(jax.random.fold_in(own.of_unit(plan, variable.unit), place), name, variable, plan)
            codes = levels.spread(variable.unit, each)
        elif codes is None:
            codes = rows.squares[name].codes(levels.index)
        found[name] = codes if variable.names is not None else at_levels(variable.levels, codes)
        if isinstance(variable, Within) and variable.jitter:
            found[name] = found[name] + shifts(jax.random.fold_in(own.of_rows, place), name, variable, rows)
    return found


def given_to(key: jax.Array, name: str, variable: Between, plan: Blueprint) -> Any:
    """Positions of levels by unit, ``[U]``: at random, or as they are balanced."""
    if variable.randomised:
        return assigned(key, variable, plan.tree.count(variable.unit))
    return plan.schedule.given[name]


def covariates(keys: Keys, design: Any, normal: ByUnit) -> dict[str, Any]:
    """Covariates of units, ``[U]`` each, and of rows, ``[N]``: each a map of a normal number.

    Args:
        keys: of the predictors.
        design: of the dataset.
        normal: what the units' effects are made of, by unit ``[U, Q]``.
    """
    plan = design.plan
    rows = plan.schedule
    own: dict[str, list[str]] = {level: [] for level in (*plan.tree.names, ROW)}
    for name, variable in plan.variables.items():
        if isinstance(variable, Covariate):
            own[variable.level].append(name)
    z: dict[str, Any] = {}
    for unit in plan.tree.names:
        key = jax.random.fold_in(keys.of_units, 0) if unit == plan.unit else keys.place(plan, unit)
        z |= dict(zip(own[unit], _of_units(key, unit, own[unit], design, normal), strict=True))
    each = normals.kept(jax.random.fold_in(keys.of_rows, 1), (len(own[ROW]), rows.rows))
    z |= dict(zip(own[ROW], _together(each, latent(own[ROW], design.correlations)), strict=True))
    if any(plan.variables[name].icc for name in own[ROW]):
        parts = _of_units(jax.random.fold_in(keys.of_units, UNIT_PARTS), plan.unit, own[ROW], design, normal)
        for k, name in enumerate(own[ROW]):
            icc = plan.variables[name].icc
            z[name] = np.sqrt(icc) * jnp.repeat(parts[k], rows.block) + np.sqrt(1 - icc) * z[name] if icc else z[name]
    return {name: plan.variables[name].distribution.of_normal(value) for name, value in z.items()}


def _of_units(key: jax.Array, unit: str, names: list[str], design: Any, normal: ByUnit) -> jax.Array:
    """Normal numbers of the levels of a unit, ``[K, U]``, correlated with each other and with its intercepts where the design says
    so."""
    plan = design.plan
    each, together = normals.kept(key, (len(names), plan.tree.count(unit))), latent(names, design.correlations)
    r = np.array([design.endogenous.get(name, 0.0) for name in names])
    if not r.any():
        return _together(each, together)
    standard = correlated(normal[unit], plan.random[unit], design.correlation.get(unit, 0.0))
    intercept = standard[:, plan.random_terms(unit).index(INTERCEPT)]
    return jnp.asarray(root(together - np.outer(r, r))) @ each + jnp.asarray(r)[:, None] * intercept


def _together(normal: jax.Array, matrix: np.ndarray) -> jax.Array:
    return jnp.asarray(root(matrix)) @ normal if (matrix != np.eye(len(matrix))).any() else normal


def measured(keys: Keys, design: Any, values: Mapping[str, Any], levels: Levels) -> dict[str, Any]:
    """The variables as they are seen, ``[N]`` each: covariates with a reliability have normal errors, one a unit or one a row."""
    plan, found = design.plan, dict(values)
    rows = plan.schedule
    for place, (name, variable) in enumerate(plan.variables.items()):
        if name in design.measurement_error:
            by_row = variable.level == ROW
            key = keys.of_rows if by_row else keys.of_unit(plan, variable.level)
            own = befall.keys_of(stream_key(key, Stream.WORLD))["measurement_error"]
            count = rows.rows if by_row else plan.tree.count(variable.level)
            error = normals.kept(jax.random.fold_in(own, place), (count,))
            sd = variable.distribution.moments[1] * jnp.sqrt(1 / jnp.asarray(design.measurement_error[name], float) - 1)
            found[name] = found[name] + sd * (error if by_row else levels.spread(variable.level, error))
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
