"""A messy world applied to one dataset (traceable): its residuals, what is recorded of the responses, and which rows are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.processes.distribution import Distribution
from jaxsim.processes.messy.scenario import KINDS
from jaxsim.processes.messy.situation import Situation
from jaxsim.processes.quantile_table import through
from jaxsim.processes.shapes import standardised, table_of

Keys = Mapping[str, jax.Array]
World = Mapping[str, Any]
# Folded into the key of what is messy, for each use of it.
USES = {name: number for number, name in enumerate((*KINDS, "sd_noise", "measurement_error"))}


def shape(value: Any) -> Callable[[jax.Array], jax.Array]:
    """What standard normal numbers are mapped to, of mean 0 and SD 1, by a distribution or its table; nothing for None."""
    if value is None:
        return lambda z: z
    if isinstance(value, Distribution):
        return (lambda z: through(table_of(value), z)) if value.smooth else standardised(value)
    return lambda z: through(value, z)


def respond(keys: Keys, world: World, normal: jax.Array, situation: Situation, seen: Mapping[str, Any]) -> tuple[Any, Any]:
    """Responses of one dataset as they are recorded, and which rows are there: ``[N]`` each.

    Args:
        keys: as of :func:`keys_of`.
        world: what is not ideal, by field.
        normal: standard normal numbers that residuals are made of, ``[N]``.
        situation: the dataset without residuals.
        seen: predictors as they are observed, which missing at random may depend on.
    """
    response = situation.mean + noise(keys, world, normal, situation)
    if world["recorded"] is not None:
        response = world["recorded"].recorded(response)
    return response, there(keys, world, situation._replace(columns=seen, response=response))


def noise(keys: Keys, world: World, normal: jax.Array, situation: Situation) -> Any:
    """Residuals of one dataset, outliers included, in units of the response, ``[N]``."""
    shaped = shape(world["residual"])
    serial = world["serial"]
    standard = shaped(normal) if serial is None else serial.noise(keys["serial"], normal, shaped, situation)
    if world["variance"] is not None:
        standard = standard * world["variance"].relative(keys["variance"], situation)
    found = situation.residual_sd * standard
    return found if world["outliers"] is None else found + world["outliers"].shifts(keys["outliers"], situation)


def there(keys: Keys, world: World, situation: Situation) -> Any:
    """Which rows are there, bool ``[N]``: those of the design that do not go missing, by one way after the other."""
    missing = world["missing"] if isinstance(world["missing"], tuple) else (world["missing"],)
    found = situation.there
    for number, way in enumerate(way for way in missing if way is not None):
        found = jnp.asarray(found) & ~way.lost(jax.random.fold_in(keys["missing"], number), situation._replace(there=found))
    return found


def sd_factor(keys: Keys, sd_noise: Any) -> Any:
    """What the SDs of a dataset's groups are multiplied by: its square is 1 on average."""
    return 1.0 if sd_noise is None else jnp.exp(sd_noise * jax.random.normal(keys["sd_noise"]) - jnp.asarray(sd_noise, float) ** 2)


def keys_of(key: jax.Array) -> dict[str, jax.Array]:
    """A key for each use."""
    return {name: jax.random.fold_in(key, number) for name, number in USES.items()}
