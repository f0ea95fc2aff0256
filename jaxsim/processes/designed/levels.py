"""Levels of the units in the rows of one dataset of a design (traceable), and which of the rows there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.keys import MET, Keys
from jaxsim.processes.designed.meets import Sampled
from jaxsim.processes.designed.schedule import Schedule
from jaxsim.processes.designed.units import Nested
from jaxsim.processes.distributions import GroupSizes
from jaxsim.seeding import Stream, group_keys


@dataclass(frozen=True)
class Levels:
    """Levels of the units.

    Attributes:
        plan: of the design.
        index: level of each unit in each row, from 0, ``[N]``; NumPy's where they are the same in every dataset.
    """

    plan: Blueprint
    index: Mapping[str, Any]

    def spread(self, unit: str, values: Any) -> Any:
        """Numbers of the levels of a unit ``[U]`` in the rows, ``[N]``."""
        if unit == self.plan.unit:
            return jnp.repeat(values, self.plan.schedule.block)
        return jnp.asarray(values)[self.index[unit]]


def levels(keys: Keys, plan: Blueprint) -> Levels:
    """Of the rows of one dataset."""
    cell = plan.schedule.cell

    def of_rows(own: Any) -> Any:
        """Of each cell in its rows; NumPy's of NumPy's."""
        return np.repeat(own, cell) if isinstance(own, np.ndarray) else jnp.repeat(own, cell)

    return Levels(plan, {name: of_rows(own) for name, own in levels_of_cells(keys, plan).items()})


def levels_of_cells(keys: Keys, plan: Blueprint) -> dict[str, Any]:
    """Level of each unit in each cell of one dataset, from 0, ``[C]`` int32; NumPy's where they are the same in every dataset."""
    rows = plan.schedule
    index: dict[str, Any] = {name: own.astype(np.int32) for name, own in rows.crossing.index.items()}
    if isinstance(rows.crossing.meets, Sampled):
        (second,) = plan.tree.others()
        key = jax.random.fold_in(keys.of(Stream.SIZES).of_units, MET)
        index[second] = sample(key, rows.units, plan.tree.count(second), rows.crossing.meets.number).reshape(-1)
    return {name: index[name] for name in plan.tree.names}


def sample(key: jax.Array, units: int, of: int, number: int) -> jax.Array:
    """For each unit so many of other levels, without replacement and in their order, ``[U, k]`` int32."""

    def one(own: jax.Array) -> jax.Array:
        """Those with the smallest of random numbers."""
        return jnp.sort(jnp.argsort(jax.random.uniform(own, (of,)))[:number])

    return jax.vmap(one)(group_keys(key, units)).astype(jnp.int32)


def present(keys: Keys, plan: Blueprint, index: Mapping[str, Any]) -> Any:
    """Which rows the design has, bool ``[N]``; NumPy's where they are the same in every dataset."""
    rows, sized = plan.schedule, keys.of(Stream.SIZES)
    found: Any = rows.keep
    if rows.sizes is not None:
        there = jnp.arange(rows.repeats) < repeats_of_cells(sized.of_units, rows)[:, None]
        there = jnp.repeat(there[:, None], rows.combinations, axis=1).reshape(-1)
        found = there if rows.keep.all() else there & rows.keep
    for name in plan.tree.names:
        if plan.tree.is_random(name):
            found = found & _exist(sized.place(plan, name), plan, name)[index[name]]
    return found


def repeats_there(keys: Keys, plan: Blueprint, index: Mapping[str, Any]) -> Any:
    """Repeats of each combination by cell ``[C]``, none in a cell that the dataset does not have; NumPy's where all datasets are
    alike.

    Args:
        keys, plan: of the dataset.
        index: level of each unit in each cell, ``[C]``.
    """
    rows, sized = plan.schedule, keys.of(Stream.SIZES)
    found = repeats_of_cells(sized.of_units, rows)
    if rows.sizes is not None and not rows.keep.all():
        found = found * rows.keep.reshape(rows.crossing.cells, -1).any(1)
    for name in plan.tree.names:
        if plan.tree.is_random(name):
            found = found * _exist(sized.place(plan, name), plan, name)[index[name]]
    return found


def _exist(key: jax.Array, plan: Blueprint, name: str) -> jax.Array:
    """Which levels of a nested unit there are, of a random number in each that they lie in, bool ``[U]``."""
    number = dict(plan.tree.numbers)[name]
    assert isinstance(number, Nested)
    assert isinstance(number.number, GroupSizes)
    sizes, parameters = number.number, jnp.asarray(number.number.parameters())
    keys = group_keys(key, plan.tree.count(number.unit))
    numbers = jax.vmap(lambda own: sizes.draw(own, parameters))(keys)
    return (jnp.arange(number.most) < numbers[:, None]).reshape(-1)


def repeats_of_cells(key: jax.Array, rows: Schedule) -> Any:
    """Repeats of each combination by cell, ``[C]``; NumPy's where they are the same in every dataset."""
    if rows.sizes is None:
        return rows.keep.reshape(rows.crossing.cells, rows.combinations, rows.repeats)[:, 0].sum(1)
    sizes, parameters = rows.sizes, jnp.asarray(rows.sizes.parameters())
    return jax.vmap(lambda k: sizes.draw(k, parameters))(jax.random.split(key, rows.crossing.cells))
