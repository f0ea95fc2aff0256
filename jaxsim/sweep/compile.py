"""Compiled programs of a study: one simulator and one fit per batch shape and strategy, compiled beside each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxsim.crossproduct import CrossProducts
from jaxsim.design import Study
from jaxsim.estimators import Estimator, Fit, Resampling
from jaxsim.processes import Draw
from jaxsim.seeding import Stream, replicate_key, stream_key
from jaxsim.sweep.plan import Batch, Chunk

Compiled = Callable[..., Any]


@dataclass
class Programs:
    """Compiles on two threads ahead of use; ask for a program and wait for it if it is not ready."""

    study: Study
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="compile"))
    simulators: dict[Batch, Future[Compiled]] = field(default_factory=dict)
    fits: dict[tuple[Batch, int], Future[Compiled]] = field(default_factory=dict)

    def prepare(self, chunk: Chunk) -> None:
        """Start compiling what a chunk needs, if nothing has yet."""
        batch = chunk.batch
        if batch in self.simulators:
            return
        simulate = _simulator(batch)
        arguments = _arguments(self.study, chunk)
        shapes = jax.eval_shape(simulate, *arguments)
        self.simulators[batch] = self.pool.submit(compile_program, simulate, *arguments)
        for i, estimator in enumerate(self.study.estimators):
            if isinstance(estimator, Estimator):
                keys = _key_arguments(arguments) if estimator.resamples else ()
                self.fits[batch, i] = self.pool.submit(
                    compile_program, _fitter(estimator, self.study.conf_level), shapes.data, *keys
                )

    def ready(self, chunk: Chunk, estimator: int | None = None) -> bool:
        """Whether the simulator of a chunk, or the program of one of its strategies, is compiled already."""
        future = self.simulators[chunk.batch] if estimator is None else self.fits.get((chunk.batch, estimator))
        return future is None or future.done()

    def simulate(self, chunk: Chunk) -> Draw:
        """Draw the datasets of a chunk, padded to the batch size by repeating the last one."""
        return self.simulators[chunk.batch].result()(*_arguments(self.study, chunk))

    def fit(self, chunk: Chunk, estimator: int, data: CrossProducts) -> Fit:
        """Fit one strategy to a chunk's datasets; arrays come back on the host."""
        strategy = self.study.estimators[estimator]
        resamples = isinstance(strategy, Estimator) and strategy.resamples
        keys = _key_arguments(_arguments(self.study, chunk)) if resamples else ()
        return jax.device_get(self.fits[chunk.batch, estimator].result()(data, *keys))


# On CPU the time to compile is most of a small study. XLA's older loop emitters, LLVM's first optimisation level and one
# code generator per program (the programs themselves are compiled beside each other) take half of it away, and the
# results run as fast: the time is in matrix products and elementwise loops that every level vectorises.
CPU_OPTIONS: dict[str, str | bool] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": "1",
    "xla_cpu_parallel_codegen_split_count": "1",
}


def compile_program(function: Callable[..., Any], *arguments: Any) -> Compiled:
    """Compile a function for arguments of these shapes, with the options above on CPU."""
    lowered = jax.jit(function).lower(*arguments)
    if jax.default_backend() != "cpu":
        return lowered.compile()
    try:
        return lowered.compile(compiler_options=CPU_OPTIONS)
    except (RuntimeError, ValueError):  # a version of XLA without that option
        return lowered.compile()


def _simulator(batch: Batch) -> Callable[..., Draw]:
    process = batch.example.process

    def simulate(seed: jax.Array, words: jax.Array, replicates: jax.Array, parameters: Any) -> Draw:
        def one(word: jax.Array, replicate: jax.Array, values: Any) -> Draw:
            return process.draw(replicate_key(seed, word, replicate), values, batch.groups)

        return jax.vmap(one)(words, replicates, parameters)

    return simulate


def _fitter(estimator: Estimator, conf_level: float) -> Callable[..., Fit]:
    """``fit_batch``; a strategy that resamples makes its keys from what decides the data: seed, cell and replicate."""
    if not estimator.resamples:
        return estimator.fit_batch

    def fit(data: CrossProducts, seed: jax.Array, words: jax.Array, replicates: jax.Array) -> Fit:
        def key(word: jax.Array, replicate: jax.Array) -> jax.Array:
            return stream_key(replicate_key(seed, word, replicate), Stream.ANALYSIS)

        return estimator.fit_batch(data, Resampling(jax.vmap(key)(words, replicates), conf_level))

    return fit


def _key_arguments(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Seed, cell words and replicates among the arguments of a simulator."""
    return arguments[:3]


def _arguments(study: Study, chunk: Chunk) -> tuple[Any, ...]:
    batch = chunk.batch
    fill = np.minimum(np.arange(batch.datasets), len(chunk) - 1)
    cells, replicates = chunk.cells[fill], chunk.replicates[fill]
    distinct, place = np.unique(cells, return_inverse=True)
    words = np.stack([study.cells[c].words for c in distinct])[place]
    values = [study.cells[c].process.parameters(batch.groups) for c in distinct]
    parameters = {name: np.stack([v[name] for v in values])[place] for name in values[0]}
    return np.uint32(study.seed), words, replicates.astype(np.uint32), parameters
