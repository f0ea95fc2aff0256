"""Processes whose world need not be ideal: the fields that they share."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.processes.distribution import Distribution
from jaxsim.processes.distributions import Normal
from jaxsim.processes.messy import befall
from jaxsim.processes.messy.missing import Missing
from jaxsim.processes.messy.parts import leaves, with_part
from jaxsim.processes.messy.recording import Outliers, Recording
from jaxsim.processes.messy.scenario import KINDS, Scenario, check_columns, checked, checked_noise, scenario
from jaxsim.processes.messy.serial import Serial
from jaxsim.processes.messy.situation import Situation
from jaxsim.processes.messy.variance import Variance

FIELDS = (*KINDS, "sd_noise")
# Folded into the key of an own process's dataset for the normal numbers of its residuals.
NORMAL = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class Messy:
    """Fields of a process whose world need not be ideal, each a grid factor; by name only.

    Args:
        residual, group_effects, variance, serial, outliers, recorded, missing, sd_noise: as of a :class:`jaxsim.Scenario`; None is
            as ``scenario`` says, and () nothing.
        scenario: a :class:`jaxsim.Scenario`, or the name of one: ``"ideal"``, ``"realistic"``, ``"harsh"``.
    """

    residual: Distribution | tuple[()] | None = None
    group_effects: Distribution | tuple[()] | None = None
    variance: Variance | tuple[()] | None = None
    serial: Serial | tuple[()] | None = None
    outliers: Outliers | tuple[()] | None = None
    recorded: Recording | tuple[()] | None = None
    missing: Missing | tuple[Missing, ...] | None = None
    sd_noise: float | None = None
    scenario: Scenario | str | None = None

    def __post_init__(self) -> None:
        for name, value in checked_world(self, None, None).items():
            object.__setattr__(self, name, value)

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
        check_columns([value for value in self.world.values() if value is not None], tuple(columns or ()), ())
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
        whole = {name: value for name, value in changes.items() if name.partition(".")[0] not in KINDS or name in KINDS}
        changed = dataclasses.replace(self, **whole)
        world = changed.world  # parts are of the new world
        for name, value in changes.items():
            head, _, rest = name.partition(".")
            if rest and head in KINDS:
                world[head] = with_part(world[head], rest, value, checked=True)
                whole[head] = world[head]
        return dataclasses.replace(self, **whole) if world != changed.world else changed


def _is_nothing(value: Any) -> bool:
    return isinstance(value, Normal) or (isinstance(value, tuple | float) and not value)


def checked_world(process: Any, columns: Collection[str] | None, times: Collection[str] | None) -> dict[str, Any]:
    """Those fields as they are kept.

    Args:
        process: that has them.
        columns: of its predictors; None if they are not known.
        times: those of them that are schedules, the same occasions for every group.

    Raises:
        InputError: for one that holds something else, or speaks of a column that there is not.
    """
    found: dict[str, Any] = {name: checked(name, getattr(process, name)) for name in KINDS}
    found["sd_noise"] = checked_noise(process.sd_noise)
    found["scenario"] = scenario(process.scenario)
    told = [getattr(found["scenario"], name, None) if found[name] is None else found[name] for name in KINDS]
    if columns is not None:
        check_columns([value for value in told if value], columns, times or ())
    return found
