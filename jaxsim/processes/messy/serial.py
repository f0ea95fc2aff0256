"""Residuals that follow each other within a unit. Each has the SD that it would have by itself; neighbours are correlated."""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.errors import InputError, brief, finite
from jaxsim.processes.messy.situation import Situation

# Standard normal numbers made into innovations of mean 0 and SD 1.
Shaped = Callable[[jax.Array], jax.Array]


@dataclass(frozen=True)
class Serial(abc.ABC):
    """How the residuals of a unit follow each other. A subclass is a frozen dataclass with :meth:`noise`."""

    @abc.abstractmethod
    def noise(self, key: jax.Array, normal: jax.Array, shaped: Shaped, situation: Situation) -> jax.Array:
        """Residuals of mean 0 and SD 1, ``[N]`` (traceable).

        Args:
            key: for more random numbers than there are.
            normal: standard normal numbers, one a row, ``[N]``.
            shaped: makes them what innovations are.
            situation: the dataset so far.
        """

    def check(self, columns: Collection[str], times: Collection[str]) -> None:  # noqa: B027 - most need no schedule
        """Raise :class:`jaxsim.InputError` if it speaks of a column, or a schedule, that there is not."""


@dataclass(frozen=True)
class AR1(Serial):
    """Autoregressive residuals: two of a unit at times ``s`` and ``t`` have the correlation ``correlation ** |s - t|``.

    Without ``time`` the rows of a unit follow each other at equal distances in their order. With it, they are at the numbers of
    that variable (``within(0, 1, 3, 9)``; unequal distances are as they are), and rows that differ in other variables, or are
    repeats, are series of their own. With other than normal innovations these are what has the stated shape.

    Raises:
        InputError: unless the correlation is between -1 and 1, and not negative where a time is named.
    """

    correlation: float = 0.5
    time: str | None = None

    def __post_init__(self) -> None:
        lowest = -1 if self.time is None else 0
        if not finite(self.correlation) or not abs(self.correlation) < 1 or self.correlation < lowest:
            raise InputError(
                f"AR1(correlation={brief(self.correlation)}, time={brief(self.time)}): give a number between -1 and 1, and of at "
                "least 0 where distances in time are no whole numbers."
            )

    def check(self, columns: Collection[str], times: Collection[str]) -> None:
        known_time("AR1", self.time, times)

    def noise(self, key: jax.Array, normal: jax.Array, shaped: Shaped, situation: Situation) -> jax.Array:
        """Residuals of each unit in the order of its occasions, correlated by steps or by the time between them."""
        places = situation.occasions(self.time)
        series, there = (v.reshape(situation.units, -1)[:, places] for v in (shaped(normal), jnp.asarray(situation.there) > 0))
        if self.time is None:
            return _back(_recursion(series, jnp.broadcast_to(self.correlation, series.shape), there), places)
        times = situation.columns[self.time].reshape(situation.units, -1)[:, places]
        numpy: Any = np if isinstance(times, np.ndarray) else jnp
        order = numpy.argsort(times, axis=1)
        apart = numpy.diff(numpy.take_along_axis(times, order, axis=1), axis=1, prepend=0.0)
        # Rows that differ in other variables, or are repeats, are series of their own: of each all rows are there, or none.
        filtered = _recursion(series, jnp.asarray(self.correlation, float) ** jnp.abs(apart), jnp.ones_like(there))
        return _back(jnp.take_along_axis(filtered, jnp.asarray(numpy.argsort(order, axis=1)), axis=1), places)


@dataclass(frozen=True)
class MovingAverage(Serial):
    """Moving-average residuals of first order, ``(u_k + weight u_(k-1)) / sqrt(1 + weight^2)``, in the order of a unit's rows.

    Neighbours have the correlation ``weight / (1 + weight^2)``, others none.

    Raises:
        InputError: unless the weight is between -1 and 1.
    """

    weight: float = 0.5

    def __post_init__(self) -> None:
        if not finite(self.weight) or not abs(self.weight) <= 1:
            raise InputError(f"MovingAverage(weight={brief(self.weight)}): give a number between -1 and 1.")

    def noise(self, key: jax.Array, normal: jax.Array, shaped: Shaped, situation: Situation) -> jax.Array:
        """Each residual with a share of the independent part of the one before it, scaled back to the same variance."""
        own = shaped(normal).reshape(situation.units, -1)
        there = (jnp.asarray(situation.there) > 0).reshape(situation.units, -1)
        weight = jnp.asarray(self.weight, float)

        def step(last: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            """Another row of every unit."""
            now, here = given
            return jnp.where(here, now, last), (now + weight * last) / jnp.sqrt(1 + weight**2)

        before = shaped(jax.random.normal(key, (situation.units,)))
        return jax.lax.scan(step, before, (own.T, there.T))[1].T.reshape(-1)


def known_time(what: str, time: object, times: Collection[str]) -> None:
    """Raise :class:`InputError` unless it is None, or a within variable of numbers."""
    if time is not None and time not in times:
        listed = f"these are: {', '.join(times)}" if times else "there is none; describe one, such as within(0, 1, 3, 9)"
        raise InputError(f"{what}: time={brief(time)} is no within variable of numbers; {listed}.")


def _recursion(series: jax.Array, steps: jax.Array, there: jax.Array) -> jax.Array:
    """``e_k = r_k e_(k-1) + sqrt(1 - r_k^2) u_k`` along the second axis of ``[U, T, S]``, from the first row that is there on;
    ``k - 1`` is the one before that is there."""

    def step(state: tuple[jax.Array, jax.Array], given: tuple[jax.Array, ...]) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        """Another place of every series."""
        last, begun = state
        own, r, here = given
        found = jnp.where(begun, r * last + jnp.sqrt(jnp.maximum(1 - r**2, 0.0)) * own, own)
        return (jnp.where(here, found, last), begun | here), found

    start = (jnp.zeros_like(series[:, 0]), jnp.zeros(series[:, 0].shape, bool))
    given = tuple(jnp.moveaxis(jnp.broadcast_to(part, series.shape), 1, 0) for part in (series, steps, there))
    return jnp.moveaxis(jax.lax.scan(step, start, given)[1], 0, 1)


def _back(values: jax.Array, places: np.ndarray) -> jax.Array:
    """From ``[U, T, S]`` to the order of the rows, ``[N]``."""
    return values.reshape(len(values), -1)[:, np.argsort(places.reshape(-1))].reshape(-1)
