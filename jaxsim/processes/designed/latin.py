"""Latin squares: variables whose levels rotate over the pairs of two units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsim.processes.designed.crossing import Crossing
from jaxsim.processes.designed.variables import Counterbalanced, Variable


@dataclass(frozen=True, eq=False)
class Square:
    """How the level of a variable follows from the levels of two units: of the sum of their numbers.

    Attributes:
        over: the two units.
        numbers: of the levels of each, ``[levels]``.
        whole: combinations of the levels of all variables that rotate over these two.
        step, size: the variable's level is ``sum % whole // step % size``.
    """

    over: tuple[str, str]
    numbers: tuple[np.ndarray, np.ndarray]
    whole: int
    step: int
    size: int

    def codes(self, index: Mapping[str, Any]) -> Any:
        """Positions of the variable's levels where the units have these levels; NumPy's of NumPy's."""
        parts = []
        for unit, numbers in zip(self.over, self.numbers, strict=True):
            level = index[unit]
            parts.append((numbers if isinstance(level, np.ndarray) else jnp.asarray(numbers))[level])
        return (parts[0] + parts[1]) % self.whole // self.step % self.size


def latin_squares(variables: Mapping[str, Variable], cells: Crossing) -> dict[str, Square]:
    """By variable. Those over the same two units rotate together, through all combinations of their levels."""
    found: dict[str, Square] = {}
    own = {name: v for name, v in variables.items() if isinstance(v, Counterbalanced)}
    for name, variable in own.items():
        together = {n: len(v.levels) for n, v in own.items() if set(v.over) == set(variable.over)}
        whole, later = math.prod(together.values()), list(together).index(name) + 1
        step = math.prod(list(together.values())[later:])
        numbers = (cells.running[variable.over[0]], cells.running[variable.over[1]])
        found[name] = Square(variable.over, numbers, whole, step, len(variable.levels))
    return found
