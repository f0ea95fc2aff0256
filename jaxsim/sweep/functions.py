"""What the programs of a study are compiled from: functions of seed, cells and replicates of a batch of datasets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.crossproduct import CrossProducts
from jaxsim.design import Cell
from jaxsim.estimators import Estimator, Fit, Resampling
from jaxsim.processes import Draw
from jaxsim.seeding import Stream, replicate_key, stream_key


def simulator(cell: Cell, groups: int) -> Callable[..., Draw]:
    """Draws the datasets of a batch; those that are not wanted have no groups."""
    process = cell.process

    def simulate(seed: jax.Array, words: jax.Array, replicates: jax.Array, conditions: Any) -> Draw:
        def one(word: jax.Array, replicate: jax.Array, values: Any, wanted: jax.Array) -> Draw:
            truth, data = process.draw(replicate_key(seed, word, replicate), values, groups)
            return Draw(truth, jax.tree.map(lambda leaf: jnp.where(wanted, leaf, jnp.zeros_like(leaf)), data))

        return jax.vmap(one)(words, replicates, *conditions)

    return simulate


def group_truths(cell: Cell, groups: int) -> Callable[..., jax.Array]:
    """True coefficients of the groups of the same datasets, ``[B, G, P]``."""
    process = cell.process

    def coefficients(seed: jax.Array, words: jax.Array, replicates: jax.Array, conditions: Any) -> jax.Array:
        def one(word: jax.Array, replicate: jax.Array, values: Any) -> jax.Array:
            found = process.group_coefficients(replicate_key(seed, word, replicate), values, groups)
            assert found is not None
            return found

        return jax.vmap(one)(words, replicates, conditions[0])

    return coefficients


def fitter(estimator: Estimator, conf_level: float, groups: bool = False) -> Callable[..., Fit]:
    """``fit_batch``; a strategy that resamples makes its keys from what decides the data: seed, cell and replicate."""
    if not estimator.resamples:
        return partial(estimator.fit_batch, groups=True) if groups else estimator.fit_batch

    def fit(data: CrossProducts, seed: jax.Array, words: jax.Array, replicates: jax.Array) -> Fit:
        def key(word: jax.Array, replicate: jax.Array) -> jax.Array:
            return stream_key(replicate_key(seed, word, replicate), Stream.ANALYSIS)

        resampling = Resampling(jax.vmap(key)(words, replicates), conf_level)
        return estimator.fit_batch(data, resampling, groups=True) if groups else estimator.fit_batch(data, resampling)

    return fit


def key_arguments(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Seed, cell words and replicates among the arguments of a simulator."""
    return arguments[:3]
