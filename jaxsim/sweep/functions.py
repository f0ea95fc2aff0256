"""What the programs of a study are compiled from: recipes of functions of seed, cells and replicates of a batch of datasets."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw, Truth
from jaxsim.data.fit import Fit
from jaxsim.data.fresh import Fresh
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows
from jaxsim.estimators.estimator import Estimator
from jaxsim.processes.fresh import fresh
from jaxsim.processes.process import Process
from jaxsim.scores.score import Score
from jaxsim.seeding import Stream, replicate_key, stream_key
from jaxsim.sweep.recipe import Recipe, recipe


def simulator(process: Process, bounds: Bounds, reads: type[CrossProducts] | type[Rows]) -> Recipe:
    """Draws the datasets of a batch, as strategies read them; those that are not wanted have no rows. Groups' own coefficients are
    left out.

    Rows are reduced to cross-products where they are drawn: they need not be kept, and a dataset's cross-products are the same to
    the last bit whether or not other strategies read its rows.
    """

    def simulate(seed: jax.Array, words: jax.Array, replicates: jax.Array, conditions: Any) -> Draw:
        """A batch of datasets."""

        def one(word: jax.Array, replicate: jax.Array, values: Any, wanted: jax.Array) -> Draw:
            """Of one dataset."""
            truth, data = process.draw(replicate_key(seed, word, replicate), values, bounds)
            if isinstance(data, Rows) and reads is CrossProducts:
                data = data.reduce(bounds.cells)
            return Draw(replace(truth, groups={}), jax.tree.map(lambda leaf: jnp.where(wanted, leaf, jnp.zeros_like(leaf)), data))

        return jax.vmap(one)(words, replicates, *conditions)

    return recipe(simulate, (process,), "simulate", *_drawn_by(process, bounds), reads.__name__)


def _drawn_by(process: Process, bounds: Bounds) -> tuple[Hashable, ...]:
    """What decides the datasets of a batch, but for its arguments."""
    return (process.program(bounds), process.names, bounds)


def truths(process: Process, bounds: Bounds) -> Recipe:
    """Everything that the same datasets were made with, their groups' own coefficients too.

    A program of its own: what is not asked for is not computed, and no other number changes by a bit.
    """

    def of_batch(seed: jax.Array, words: jax.Array, replicates: jax.Array, conditions: Any) -> Truth:
        """Of a batch of datasets."""

        def one(word: jax.Array, replicate: jax.Array, values: Any) -> Truth:
            """Of one dataset."""
            return process.draw(replicate_key(seed, word, replicate), values, bounds).truth

        return jax.vmap(one)(words, replicates, conditions[0])

    return recipe(of_batch, (process,), "truths", *_drawn_by(process, bounds))


def unseen(process: Process, bounds: Bounds) -> Recipe:
    """Data that the strategies fitted to some datasets have not seen; a program of its own, as :func:`truths`."""

    def of_batch(
        data: CrossProducts | Rows, truth: Truth, seed: jax.Array, words: jax.Array, replicates: jax.Array, conditions: Any
    ) -> Fresh:
        """Of a batch of datasets."""

        def one(data: CrossProducts | Rows, truth: Truth, word: jax.Array, replicate: jax.Array, values: Any) -> Fresh:
            """Of one dataset."""
            return fresh(process, replicate_key(seed, word, replicate), Draw(truth, data), values, bounds)

        return jax.vmap(one)(data, truth, words, replicates, conditions[0])

    return recipe(of_batch, (process,), "unseen", *_drawn_by(process, bounds))


def fitter(estimator: Estimator, conf_level: float, groups: bool = False) -> Recipe:
    """``fit_batch``; a strategy that resamples makes its keys from what decides the data: seed, cell and replicate."""
    if not estimator.resamples:
        plain = partial(estimator.fit_batch, groups=True) if groups else estimator.fit_batch
        return recipe(plain, (estimator,), "fit", type(estimator), estimator, groups)

    def fit(data: Any, seed: jax.Array, words: jax.Array, replicates: jax.Array) -> Fit:
        """The fits of a batch."""
        context = Context(analysis_keys(seed, words, replicates), conf_level)
        return estimator.fit_batch(data, context, groups=True) if groups else estimator.fit_batch(data, context)

    return recipe(fit, (estimator,), "fit", type(estimator), estimator, groups, conf_level)


def scorer(score: Score, estimator: Estimator) -> Recipe:
    """A score of a strategy's fits of a batch of datasets; ``given`` is what else it needs, by argument."""

    def of_batch(
        data: Any, fit: Fit, truth: Truth, given: Any, seed: jax.Array, words: jax.Array, replicates: jax.Array
    ) -> dict[str, jax.Array]:
        """Of a batch of datasets."""

        def one(data: Any, fit: Fit, truth: Truth, given: Any, key: jax.Array) -> dict[str, jax.Array]:
            """Of one dataset."""
            return score.of(Draw(truth, estimator.view(data)), estimator, fit, key, **given)

        return jax.vmap(one)(data, fit, truth, given, analysis_keys(seed, words, replicates, Stream.SCORES))

    return recipe(of_batch, (score, estimator), "score", type(score), score, type(estimator), estimator)


def analysis_keys(seed: jax.Array, words: jax.Array, replicates: jax.Array, stream: Stream = Stream.ANALYSIS) -> jax.Array:
    """Keys of a stream of some datasets, ``[B]``."""
    return jax.vmap(lambda word, replicate: stream_key(replicate_key(seed, word, replicate), stream))(words, replicates)


def key_arguments(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Seed, cell words and replicates among the arguments of a simulator."""
    return arguments[:3]
