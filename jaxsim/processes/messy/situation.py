"""What one dataset is like when a trouble befalls it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.errors import InputError, advised, brief

# Steps for an intercept: a dozen do where Newton's converge, and halves alone leave 1e-5 of the interval after so many.
STEPS = 16


class Situation(NamedTuple):
    """One dataset so far (traceable), its ``N = units * block`` rows in a block for each unit.

    Attributes:
        columns: predictors by name, ``[N]`` each; NumPy's where they are the same in every dataset.
        mean: expected response, effects of the unit included, ``[N]``.
        response: as it is recorded, ``[N]``; the expected one as long as there is none.
        there: where there is a row, bool ``[N]``; or how much it counts.
        units: how many there are.
        axes: how a unit's block is laid out, the slowest first: names of the within variables and the number of their levels, and
            the repeats, called "".
        residual_sd: ``[]``.
    """

    columns: Mapping[str, Any]
    mean: Any
    response: Any
    there: Any
    units: int
    axes: tuple[tuple[str, int], ...]
    residual_sd: Any

    @property
    def block(self) -> int:
        """Rows of a unit."""
        return int(np.prod([size for _, size in self.axes]))

    def occasions(self, time: str | None) -> np.ndarray:
        """Places in a unit's block by occasion, ``[T, S]``: the levels of a within variable, each with ``S`` rows, or (None) its
        rows one by one."""
        places = np.arange(self.block)
        if time is None:
            return places[:, None]
        axis = [name for name, _ in self.axes].index(time)
        return np.moveaxis(places.reshape([size for _, size in self.axes]), axis, 0).reshape(self.axes[axis][1], -1)

    def standardised(self, values: Any) -> Any:
        """Values ``[N]`` less their mean over the dataset's rows, over their SD; 0 where they are all alike."""
        weight = jnp.asarray(self.there, float)
        count = jnp.maximum(weight.sum(), 1.0)
        mean = (weight * values).sum() / count
        variance = (weight * (values - mean) ** 2).sum() / count
        return jnp.where(variance > 0, (values - mean) / jnp.sqrt(jnp.where(variance > 0, variance, 1.0)), 0.0)


def intercept_for(share: Any, slope: Any, z: Any, weight: Any) -> jax.Array:
    """The ``a`` with which the mean of ``logistic(a + slope z)`` over the rows is ``share``, ``[]``.

    Newton's steps for the log odds of the mean, which are nearly a line in ``a``, and halves of the interval that is left where
    such a step would leave it: the mean rises with ``a``, from below the share to above it between the two ends.

    Args:
        share, slope: ``[]``.
        z, weight: of the rows, of one shape.
    """
    weight = jnp.asarray(weight, float)
    weight = weight / jnp.maximum(weight.sum(), 1.0)
    wanted = jnp.log(share / (1 - jnp.asarray(share, float)))
    reach = jnp.abs(slope) * jnp.where(weight > 0, jnp.abs(z), 0.0).max()

    def step(_: int, state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """A step, and the interval that is left."""
        a, low, high = state
        p = jax.nn.sigmoid(a + slope * z)
        mean, change = jnp.clip((weight * p).sum(), 1e-300, 1 - 1e-16), (weight * p * (1 - p)).sum()
        short = wanted - jnp.log(mean / (1 - mean))
        low, high = jnp.where(short > 0, a, low), jnp.where(short > 0, high, a)
        new = a + short * mean * (1 - mean) / jnp.maximum(change, 1e-300)
        return jnp.where((new >= low) & (new <= high), new, (low + high) / 2), low, high

    return jax.lax.fori_loop(0, STEPS, step, (wanted, wanted - reach, wanted + reach))[0]


def with_share(share: Any, slope: Any, z: Any, weight: Any) -> jax.Array:
    """Probabilities ``logistic(a + slope z)`` of which the mean over the rows is ``share``, of the shape of ``z``."""
    return jax.nn.sigmoid(intercept_for(share, slope, z, weight) + slope * z)


def known_column(what: str, name: object, columns: Collection[str]) -> None:
    """Raise :class:`InputError` unless it is one of the predictors."""
    if isinstance(name, str) and name in columns:
        return
    said = f"{what}: {brief(name)} is no column of the design"
    raise InputError(advised(said, name, columns, f"it has {', '.join(columns)}"))
