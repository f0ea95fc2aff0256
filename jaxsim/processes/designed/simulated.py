"""One dataset of a design (traceable): its truth and its columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.processes import normals
from jaxsim.processes.designed.coefficients import coefficients
from jaxsim.processes.designed.drawn import Keys, drawn, measured
from jaxsim.processes.designed.schedule import Schedule
from jaxsim.processes.messy import befall
from jaxsim.processes.messy.situation import Situation
from jaxsim.processes.told import KEEP
from jaxsim.seeding import Stream, stream_key


class Again(NamedTuple):
    """Further rows for a dataset: ``key`` of what is drawn anew, and whether they are of ``new_units``; else the units keep their
    schedules, what is one number a unit, and their effects. None of them is missing."""

    key: jax.Array
    new_units: bool


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
