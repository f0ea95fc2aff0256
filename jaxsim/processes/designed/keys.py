"""Random keys of a design's dataset, by what belongs to what."""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.messy import befall
from jaxsim.seeding import Stream, stream_key

# Folded into a key, less a unit's place, for what belongs to a unit after the first.
LAST = 2**32 - 1
# The same for which levels of the second unit the first one meets.
MET = 2**31


class Keys(NamedTuple):
    """Keys of what belongs to all units, to the first unit and those that lie in it, to a row, and to the other units."""

    of_all: jax.Array
    of_units: jax.Array
    of_rows: jax.Array
    of_others: jax.Array

    def of(self, stream: Stream) -> Keys:
        """The same of one use of randomness."""
        return Keys(*(stream_key(key, stream) for key in self))

    def of_unit(self, plan: Blueprint, unit: str) -> jax.Array:
        """Key of what belongs to the levels of a unit."""
        return self.of_units if unit in plan.tree.renewed() else self.of_others

    def place(self, plan: Blueprint, unit: str) -> jax.Array:
        """The same, of a use in which units after the first have numbers of their own."""
        return jax.random.fold_in(self.of_unit(plan, unit), LAST - plan.tree.names.index(unit))

    def world(self) -> dict[str, jax.Array]:
        """A key for each use of what is messy."""
        every, units, rows, _ = (befall.keys_of(key) for key in self.of(Stream.WORLD))
        return {**rows, "sd_noise": every["sd_noise"], "variance": units["variance"]}
