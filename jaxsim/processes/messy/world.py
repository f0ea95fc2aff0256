"""Processes whose world need not be ideal: the fields that they share."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.processes.distributions import Normal
from jaxsim.processes.messy import befall
from jaxsim.processes.messy.parts import leaves, with_part
from jaxsim.processes.messy.scenario import KINDS, Scenario, Troubles, check_columns, scenario
from jaxsim.processes.messy.situation import Situation

FIELDS = tuple(f.name for f in dataclasses.fields(Troubles))
# Folded into the key of an own process's dataset for the normal numbers of its residuals.
NORMAL = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class Messy(Troubles):
    """Fields of a process whose world need not be ideal, each a grid factor; by name only.

    Args:
        residual, group_effects, variance, serial, outliers, recorded, missing, sd_noise: as of a :class:`jaxsim.Scenario`; None is
            as ``scenario`` says, and () nothing.
        scenario: a :class:`jaxsim.Scenario`, or the name of one: ``"ideal"``, ``"realistic"``, ``"harsh"``.
    """

    scenario: Scenario | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "scenario", scenario(self.scenario))

    @property
    def world(self) -> dict[str, Any]:
        """What is not as in an ideal world, by field: its own, else the scenario's; None for what is."""
        found = {}
        for name in FIELDS:
            own = getattr(self, name)
            value = getattr(self.scenario, name) if own is None and isinstance(self.scenario, Scenario) else own
            found[name] = None if _is_nothing(value) else value
        return found

    @property
    def linear(self) -> bool:
        """Whether responses are recorded as they are."""
        return self.world["recorded"] is None

    @property
    def is_messy(self) -> bool:
        """Whether anything is not as in an ideal world."""
        return any(value is not None for value in self.world.values())

    @property
    def values(self) -> dict[str, Any]:
        """The fields, and every number of what is not ideal by its dotted name, such as ``missing.share``."""
        own: dict[str, Any] = super().values  # type: ignore[misc]  # of the process that this is mixed into
        every = [leaves(name, value) for name, value in self.world.items()]
        return {**own, **{name: v for found in every for name, v in found.items() if isinstance(v, float) and name not in own}}

    def respond(
        self, key: jax.Array, mean: jax.Array, residual_sd: Any, units: int, columns: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Responses of one dataset in this world, and which rows are there: for ``simulate`` of an own process (traceable).

        Args:
            key: of the dataset; take another one for anything else.
            mean: expected responses, ``[N]``, in a block of rows for each unit.
            residual_sd: SD of the residuals, ``[]``.
            units: how many blocks there are.
            columns: predictors by name, ``[N]`` each, that variance or missingness depend on.

        Returns:
            The response, and ``keep`` (bool), ``[N]`` each.
        """
        rows = len(mean)
        every = np.ones(rows, bool)
        self.check_world(tuple(columns or ()))
        situation = Situation(columns or {}, mean, mean, every, units, (("", rows // units),), residual_sd)
        normal = jax.random.normal(jax.random.fold_in(key, NORMAL), (rows,))
        response, there = befall.respond(befall.keys_of(key), self.world, normal, situation, situation.columns)
        return response, jnp.asarray(there)

    def deviations(self, key: jax.Array, sd: Any, units: int) -> jax.Array:
        """Effects of the units of one dataset in this world, of mean 0 and this SD, ``[U]``: shaped as ``group_effects`` says, the
        SD varied by ``sd_noise``. For ``simulate`` of an own process (traceable), which has neither unless it asks.

        Args:
            key: of the dataset, the same as that of :meth:`respond` or another.
            sd: of the effects, ``[]``.
            units: how many there are.
        """
        keys, world = befall.keys_of(key), self.world
        normal = jax.random.normal(keys["group_effects"], (units,))
        return befall.sd_factor(keys, world["sd_noise"]) * sd * befall.shape(world["group_effects"])(normal)

    def having(self, **changes: Any) -> Self:
        """The same process with other values; ``having(**{"missing.share": .3})`` changes a number of one of them."""
        whole = {name: value for name, value in changes.items() if name in KINDS or name.partition(".")[0] not in KINDS}
        return dataclasses.replace(self, **whole, **with_parts(self, changes))

    def check_world(self, columns: Collection[str], times: Collection[str] = ()) -> None:
        """Raise :class:`jaxsim.InputError` for a trouble that speaks of a column that there is not, or of no schedule.

        Args:
            columns: of the predictors.
            times: those of them that are schedules, the same occasions for every group.
        """
        check_columns([value for value in self.world.values() if value is not None], columns, times)


def with_parts(process: Messy, changes: Mapping[str, Any], checked: bool = True) -> dict[str, Any]:
    """Troubles of which parts are changed by their dotted names, by field; parts are of the world that whole fields among the
    changes make.

    Args:
        process: to change.
        changes: by field, or by dotted name.
        checked: validate what is changed; not of numbers that JAX traces.

    Raises:
        InputError: for a part that a trouble does not have.
    """
    changed = copy.copy(process)
    for name in (*FIELDS, "scenario"):
        if name in changes:
            object.__setattr__(changed, name, scenario(changes[name]) if name == "scenario" else changes[name])
    world, found = changed.world, {}
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        if rest and head in KINDS:
            found[head] = world[head] = with_part(world[head], rest, value, checked)
    return found


def _is_nothing(value: Any) -> bool:
    return isinstance(value, Normal) or (isinstance(value, tuple | float) and not value)
