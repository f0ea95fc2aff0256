"""How a response is recorded: rounded, with a floor or a ceiling, in a few ordered categories, or with outliers.

Truths stay those of the response before it was recorded, so that bias shows what recording does.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.errors import InputError, brief, finite, several
from jaxsim.processes.messy.situation import Situation

# Categories of an ordinal response at most.
MOST_CUTS = 100


@dataclass(frozen=True)
class Recording(abc.ABC):
    """How a response is recorded. A subclass is a frozen dataclass with :meth:`recorded`."""

    @abc.abstractmethod
    def recorded(self, response: Any) -> Any:
        """What is written down, ``[N]`` (traceable)."""


@dataclass(frozen=True)
class Rounded(Recording):
    """To the nearest multiple of ``step``.

    Raises:
        InputError: unless the step is positive and finite.
    """

    step: float = 1.0

    def __post_init__(self) -> None:
        if not finite(self.step) or not self.step > 0:
            raise InputError(f"Rounded(step={brief(self.step)}): give a positive number.")

    def recorded(self, response: Any) -> Any:
        return jnp.round(response / self.step) * self.step


@dataclass(frozen=True)
class Limited(Recording):
    """With a floor, a ceiling or both: what is beyond is recorded as the limit.

    Raises:
        InputError: without any limit, or unless the floor is below the ceiling.
    """

    floor: float | None = None
    ceiling: float | None = None

    def __post_init__(self) -> None:
        given = [limit for limit in (self.floor, self.ceiling) if limit is not None]
        if not given or not all(finite(limit) for limit in given) or (len(given) == 2 and not given[0] < given[1]):
            raise InputError(
                f"Limited(floor={brief(self.floor)}, ceiling={brief(self.ceiling)}): give one finite limit, or two with floor < "
                "ceiling."
            )

    def recorded(self, response: Any) -> Any:
        return jnp.clip(response, self.floor, self.ceiling)


@dataclass(frozen=True)
class Ordinal(Recording):
    """In ordered categories 1, 2, ..: one more than the number of cuts that the response is above.

    Raises:
        InputError: unless the cuts are finite and rise.
    """

    cuts: tuple[float, ...]

    def __post_init__(self) -> None:
        given = several(self.cuts, MOST_CUTS)
        if not given or len(given) > MOST_CUTS or not all(finite(cut) for cut in given) or (np.diff(given) <= 0).any():
            raise InputError(f"Ordinal(cuts={brief(self.cuts)}): give 1 to {MOST_CUTS} rising numbers, such as (-1, 0, 1).")
        object.__setattr__(self, "cuts", tuple(map(float, given)))

    def recorded(self, response: Any) -> Any:
        return 1.0 + (response[..., None] > jnp.asarray(self.cuts)).sum(-1)


@dataclass(frozen=True)
class Outliers:
    """A share of the rows is off by ``size`` residual SDs, up or down. The stated residual SD is that of the other rows.

    Raises:
        InputError: unless the share is between 0 and 1, and the size positive and finite.
    """

    share: float = 0.02
    size: float = 5.0

    def __post_init__(self) -> None:
        if not (finite(self.share) and 0 < self.share < 1 and finite(self.size) and self.size > 0):
            raise InputError(
                f"Outliers(share={brief(self.share)}, size={brief(self.size)}): give a share between 0 and 1, and a positive size."
            )

    def shifts(self, key: jax.Array, situation: Situation) -> jax.Array:
        """What is added to the responses, ``[N]`` (traceable)."""
        uniform = jax.random.uniform(key, jnp.shape(situation.mean))
        sign = jnp.where(uniform < self.share / 2, 1.0, -1.0)
        return jnp.where(uniform < self.share, sign * self.size * situation.residual_sd, 0.0)
