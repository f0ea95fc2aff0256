"""Residual variance that is not the same in all rows. The residual SD that a process states stays their root mean square."""

from __future__ import annotations

import abc
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.errors import InputError, brief, finite
from jaxsim.processes.messy.situation import Situation, known_column


@dataclass(frozen=True)
class Variance(abc.ABC):
    """How the residual SD differs between rows. A subclass is a frozen dataclass with :meth:`relative`."""

    @abc.abstractmethod
    def relative(self, key: jax.Array, situation: Situation) -> Any:
        """The SD of each row over the residual SD, ``[N]`` (traceable)."""

    def check(self, columns: Collection[str], times: Collection[str]) -> None:  # noqa: B027 - most need no column
        """Raise :class:`jaxsim.InputError` if it speaks of a column, or a schedule, that there is not."""


@dataclass(frozen=True)
class VarianceBy(Variance):
    """The SD is multiplied by ``ratio`` for each unit of a column: ``VarianceBy("drugactive", 2)`` doubles it in that arm.

    Over the rows of a dataset the root mean square of the SDs is the residual SD.

    Raises:
        InputError: unless the ratio is positive and finite.
    """

    column: str
    ratio: float = 2.0

    def __post_init__(self) -> None:
        if not (finite(self.ratio) and 0 < self.ratio <= 1e6):
            raise InputError(f"VarianceBy({brief(self.column)}, ratio={brief(self.ratio)}): give a positive ratio of SDs.")

    def check(self, columns: Collection[str], times: Collection[str]) -> None:
        known_column("VarianceBy", self.column, columns)

    def relative(self, key: jax.Array, situation: Situation) -> Any:
        return _scaled(jnp.log(self.ratio) * situation.columns[self.column], situation)


@dataclass(frozen=True)
class VarianceBetween(Variance):
    """Each unit has an SD of its own: lognormal, with this coefficient of variation between units.

    The expected square is that of the residual SD.

    Raises:
        InputError: unless ``0 < cv <= 3``.
    """

    cv: float = 0.3

    def __post_init__(self) -> None:
        if not (finite(self.cv) and 0 < self.cv <= 3):
            raise InputError(f"VarianceBetween(cv={brief(self.cv)}): give a coefficient of variation above 0 and up to 3.")

    def relative(self, key: jax.Array, situation: Situation) -> Any:
        s2 = jnp.log1p(jnp.asarray(self.cv) ** 2)
        own = jnp.exp(jnp.sqrt(s2) * jax.random.normal(key, (situation.units,)) - s2)
        return jnp.repeat(own, situation.block)


@dataclass(frozen=True)
class VarianceByMean(Variance):
    """The SD is proportional to a power of the absolute expected response, as where larger things vary more (``varPower``).

    Over the rows of a dataset the root mean square of the SDs is the residual SD.

    Raises:
        InputError: unless the power is between -3 and 3.
    """

    power: float = 1.0

    def __post_init__(self) -> None:
        if not (finite(self.power) and -3 <= self.power <= 3):
            raise InputError(f"VarianceByMean(power={brief(self.power)}): give a power between -3 and 3.")

    def relative(self, key: jax.Array, situation: Situation) -> Any:
        size, weight = jnp.abs(situation.mean), jnp.asarray(situation.there, float)
        smallest = 1e-6 * jnp.sqrt((weight * size**2).sum() / jnp.maximum(weight.sum(), 1.0)) + jnp.finfo(size.dtype).tiny
        return _scaled(self.power * jnp.log(jnp.maximum(size, smallest)), situation)


def _scaled(log_sd: Any, situation: Situation) -> jax.Array:
    """Relative SDs of which the mean square over the rows is 1, ``[N]``."""
    weight = jnp.asarray(situation.there, float)
    log_sd = log_sd - jnp.where(weight > 0, log_sd, -jnp.inf).max()
    sd = jnp.exp(log_sd)
    return sd / jnp.sqrt((weight * sd**2).sum() / jnp.maximum(weight.sum(), 1.0))
