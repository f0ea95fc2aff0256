"""One dataset of a design (traceable): its truth and its columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.processes import normals
from jaxsim.processes.designed.coefficients import coefficients, effect_normals
from jaxsim.processes.designed.drawn import drawn, measured
from jaxsim.processes.designed.keys import Keys
from jaxsim.processes.designed.levels import levels, present
from jaxsim.processes.messy import befall
from jaxsim.processes.messy.situation import Situation
from jaxsim.processes.told import KEEP
from jaxsim.seeding import Stream, stream_key


class Again(NamedTuple):
    """Further rows for a dataset: ``key`` of what is drawn anew, and whether they are of ``new_units``; else the units keep their
    schedules, what is one number a unit, and their effects. Of several units the first, and those that lie in it, are new, and the
    others as they are known. None of the rows is missing."""

    key: jax.Array
    new_units: bool


def dataset(key: jax.Array, design: Any, again: Again | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Truth and columns of one dataset of a :class:`jaxsim.Design`, as :meth:`jaxsim.RowProcess.simulate` returns them.

    Args:
        key: of the dataset.
        design: of it.
        again: of further rows for it.
    """
    renewed = again.key if again is not None and again.new_units else key
    keys = Keys(key, renewed, key if again is None else again.key, key)
    plan, world = design.plan, design.world
    rows, found = plan.schedule, levels(keys, plan)
    normal = effect_normals(keys, plan)
    values = drawn(keys, design, normal, found)
    columns = plan.matrix.columns(values, rows.rows)
    seen = columns if not design.measurement_error else plan.matrix.columns(measured(keys, design, values, found), rows.rows)
    beta, deviations, truth = coefficients(key, design, normal)
    response = sum((beta[name] * columns[name] for name in plan.fixed.names), jnp.zeros(rows.rows))
    for unit, own in deviations.items():
        response += sum(found.spread(unit, values) * columns[t] for t, values in own.items())
    planned = present(keys, plan, found.index)
    situation = Situation(columns, response, response, planned, rows.units, rows.axes, design.residual_sd)
    noise = normals.kept(jax.random.fold_in(stream_key(keys.of_rows, Stream.GROUPS), 0), (rows.rows,))
    response, there = befall.respond(keys.world(), world, noise, situation, seen)
    del seen["Intercept"]
    missing = world["missing"] is not None and again is None
    keep = {KEEP: there if missing else planned} if missing or rows.is_random or not rows.keep.all() else {}
    return truth, {**found.index, plan.response: response, **seen, **keep}
