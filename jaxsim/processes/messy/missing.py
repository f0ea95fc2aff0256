"""Rows that go missing: at random or not (Rubin 1976), one by one, from some time on, by occasion, or with their whole group."""

from __future__ import annotations

import abc
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.errors import InputError, brief, finite
from jaxsim.processes.messy.serial import known_time
from jaxsim.processes.messy.situation import Situation, known_column, with_share

# What missingness may depend on besides a column: the unit's last response that was observed, or the one that goes missing.
EARLIER, OWN = "earlier", "own"
STEEPEST = 5.0


@dataclass(frozen=True)
class Missing(abc.ABC):
    """How rows go missing. A subclass is a frozen dataclass with :meth:`lost`."""

    @abc.abstractmethod
    def lost(self, key: jax.Array, situation: Situation) -> Any:
        """Which rows are missing, bool ``[N]`` (traceable)."""

    def check(self, columns: Collection[str], times: Collection[str]) -> None:  # noqa: B027 - not all need a column
        """Raise :class:`jaxsim.InputError` if it speaks of a column, or a schedule, that there is not."""


def _share(what: Any, name: str = "share") -> None:
    value = getattr(what, name)
    if not finite(value) or not 0 < value < 1:
        raise InputError(
            f"{type(what).__name__}({name}={brief(value)}): give a number above 0 and below 1, such as .2; of 0 nothing is missing "
            "(leave it out), of 1 nothing is left."
        )


def _slope(what: Any) -> None:
    if not finite(what.slope) or not abs(what.slope) <= STEEPEST:
        raise InputError(
            f"{type(what).__name__}(slope={brief(what.slope)}): give the change of the log odds with one SD, between "
            f"-{STEEPEST:g} and {STEEPEST:g}."
        )


@dataclass(frozen=True)
class Shared(Missing):
    """Ways of which it is said how much goes missing."""

    share: float = 0.2

    def __post_init__(self) -> None:
        _share(self)


@dataclass(frozen=True)
class MCAR(Shared):
    """Completely at random: each row is missing with this probability, whatever it holds.

    Raises:
        InputError: unless the share is between 0 and 1.
    """

    def lost(self, key: jax.Array, situation: Situation) -> Any:
        return jax.random.uniform(key, jnp.shape(situation.mean)) < self.share


@dataclass(frozen=True)
class MAR(Shared):
    """At random given what is observed: the log odds rise by ``slope`` with each SD of a column, or of the last response.

    By a column the intercept is the one with which the expected share over the rows of the dataset is ``share``. ``by="earlier"``
    is the last response of the unit that was observed, in the order of its rows: its first row is never missing, and of the second
    rows, the third ones and so on the expected share is ``share`` each.

    Raises:
        InputError: unless the share is between 0 and 1 and the slope between -5 and 5.
    """

    by: str = EARLIER
    slope: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _slope(self)

    def check(self, columns: Collection[str], times: Collection[str]) -> None:
        if self.by == OWN and OWN not in columns:
            raise InputError(f"MAR(by={OWN!r}): what depends on the response that goes missing is not at random; use MNAR(share).")
        if self.by != EARLIER:
            known_column(f"MAR (by {EARLIER!r}, or a column)", self.by, columns)

    def lost(self, key: jax.Array, situation: Situation) -> Any:
        """Rows that are lost by a column or, one occasion after the other, by what was measured before."""
        uniform = jax.random.uniform(key, jnp.shape(situation.mean))
        if self.by != EARLIER:
            z = situation.standardised(situation.columns[self.by])
            return uniform < with_share(self.share, self.slope, z, situation.there)
        return _one_by_one(uniform, situation, self.share, self.slope)


@dataclass(frozen=True)
class MNAR(Shared):
    """Not at random: the log odds rise by ``slope`` with each SD of the response that goes missing itself.

    The intercept is the one with which, over the rows of the dataset, the expected share is ``share``.

    Raises:
        InputError: unless the share is between 0 and 1 and the slope between -5 and 5.
    """

    slope: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _slope(self)

    def lost(self, key: jax.Array, situation: Situation) -> Any:
        z = situation.standardised(situation.response)
        return jax.random.uniform(key, jnp.shape(z)) < with_share(self.share, self.slope, z, situation.there)


@dataclass(frozen=True)
class Dropout(Missing):
    """Monotone: a unit that leaves at one occasion is not seen again. Nobody leaves at the first.

    Args:
        hazard: expected share of those who are still there that leaves, at each occasion.
        by: None (completely at random), ``"earlier"`` (the mean response at the last occasion that was seen: at random),
            ``"own"`` (that at the occasion itself: not at random), or a column.
        slope: change of the log odds with one SD of that.
        time: a within variable whose levels are the occasions, in their order; else every row of a unit is one.

    Raises:
        InputError: unless the hazard is between 0 and 1 and the slope between -5 and 5.
    """

    hazard: float = 0.1
    by: str | None = None
    slope: float = 1.0
    time: str | None = None

    def __post_init__(self) -> None:
        _share(self, "hazard")
        _slope(self)

    def check(self, columns: Collection[str], times: Collection[str]) -> None:
        known_time("Dropout", self.time, times)
        if self.by not in (None, EARLIER, OWN):
            known_column(f"Dropout (by {EARLIER!r}, {OWN!r}, or a column)", self.by, columns)

    def lost(self, key: jax.Array, situation: Situation) -> Any:
        """Everything of a unit from the occasion on at which it leaves; at each those that are there may."""
        places = situation.occasions(self.time)
        uniform = jax.random.uniform(key, (situation.units, len(places)))
        there = jnp.asarray(situation.there, float).reshape(situation.units, -1)[:, places]
        values = situation.columns[self.by] if self.by not in (None, EARLIER, OWN) else situation.response
        rows = jnp.asarray(situation.standardised(values)).reshape(situation.units, -1)[:, places]
        means = (there * rows).sum(2) / jnp.maximum(there.sum(2), 1.0)
        slope = 0.0 if self.by is None else self.slope
        return _spread(_leaving(uniform, means, there.any(2), self.hazard, slope, self.by == EARLIER), places)


@dataclass(frozen=True)
class LostOccasions(Shared):
    """Each unit misses each occasion, with all rows that it would have had then, with this probability.

    ``time`` is the within variable whose levels are the occasions; without it, every row of a unit is one.

    Raises:
        InputError: unless the share is between 0 and 1.
    """

    time: str | None = None

    def check(self, columns: Collection[str], times: Collection[str]) -> None:
        known_time("LostOccasions", self.time, times)

    def lost(self, key: jax.Array, situation: Situation) -> Any:
        places = situation.occasions(self.time)
        return _spread(jax.random.uniform(key, (situation.units, len(places))) < self.share, places)


@dataclass(frozen=True)
class LostGroups(Shared):
    """Each unit is missing altogether with this probability.

    Raises:
        InputError: unless the share is between 0 and 1.
    """

    def lost(self, key: jax.Array, situation: Situation) -> Any:
        return jnp.repeat(jax.random.uniform(key, (situation.units,)) < self.share, situation.block)


def _spread(by_occasion: Any, places: np.ndarray) -> Any:
    """From ``[U, T]`` to the order of the rows, ``[N]``."""
    each = jnp.broadcast_to(by_occasion[:, :, None], (len(by_occasion), *places.shape))
    return each.reshape(len(by_occasion), -1)[:, np.argsort(places.reshape(-1))].reshape(-1)


def _one_by_one(uniform: Any, situation: Situation, share: Any, slope: Any) -> Any:
    """Rows that are lost given the last response of their unit that was not, bool ``[N]``."""
    z = situation.standardised(situation.response).reshape(situation.units, -1)
    there = jnp.broadcast_to(jnp.asarray(situation.there), jnp.shape(situation.mean)).reshape(situation.units, -1)

    def step(state: tuple[Any, Any], given: tuple[Any, Any, Any]) -> tuple[tuple[Any, Any], Any]:
        """Another row of every unit."""
        last, begun = state
        u, own, here = given
        lost = begun & here & (u < with_share(share, slope, last, begun & here))
        seen = here & ~lost
        return (jnp.where(seen, own, last), begun | seen), lost

    start = (jnp.zeros(situation.units), jnp.zeros(situation.units, bool))
    _, lost = jax.lax.scan(step, start, (uniform.reshape(situation.units, -1).T, z.T, there.T > 0))
    return lost.T.reshape(-1)


def _leaving(uniform: Any, means: Any, exists: Any, hazard: Any, slope: Any, by_last: bool) -> Any:
    """Occasions at which units are not there any more, bool ``[U, T]``.

    Args:
        uniform: random numbers, ``[U, T]``.
        means: what leaving depends on, ``[U, T]``.
        exists: occasions that the design has for a unit, and that have not been lost another way, ``[U, T]``.
        hazard, slope: ``[]``.
        by_last: whether it depends on the last occasion that was seen, not on the occasion itself.
    """

    def step(state: tuple[Any, Any, Any], given: tuple[Any, Any, Any]) -> tuple[tuple[Any, Any, Any], Any]:
        """Another occasion of every unit."""
        last, begun, left = state
        u, own, here = given
        at_risk = begun & here & ~left
        left = left | (at_risk & (u < with_share(hazard, slope, last if by_last else own, at_risk)))
        seen = here & ~left
        return (jnp.where(seen, own, last), begun | here, left), left

    units = len(uniform)
    start = (jnp.zeros(units), jnp.zeros(units, bool), jnp.zeros(units, bool))
    return jax.lax.scan(step, start, (uniform.T, means.T, exists.T))[1].T
