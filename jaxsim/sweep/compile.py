"""Compiled programs of a study: one simulator per shape and one fit per shape and strategy, compiled beside each other.

A program works on one tile of datasets on one device. Chunks of any size are tiles put together, the last one filled with empty
datasets, which cost next to nothing; tiles are dealt to the devices. Every device has the same program, compiled for it alone:
XLA's partitioner (``shard_map``, or ``jit`` of sharded arrays) was tried and fuses differently for one device and for several,
which shows in the last bit of some numbers.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from jaxsim.crossproduct import CrossProducts
from jaxsim.design import Cell, Study
from jaxsim.estimators import Estimator, Fit
from jaxsim.estimators.recovery import recover
from jaxsim.processes import Draw
from jaxsim.sweep.functions import fitter, group_truths, key_arguments, simulator
from jaxsim.sweep.shape import padded_groups, tile_datasets

Compiled = Callable[..., Any]
Copies = tuple[Compiled, ...]


@dataclass(frozen=True)
class Shape:
    """What a compiled simulator serves: all cells of one program, padded to ``groups``; it draws ``tile`` datasets at a time."""

    program: Hashable
    groups: int
    tile: int

    @classmethod
    def of(cls, cell: Cell) -> Shape:
        """The shape that serves a cell."""
        groups = padded_groups(cell.process.max_groups)
        return cls(cell.process.program(groups), groups, tile_datasets(groups, len(cell.process.terms) + 1))


@dataclass(frozen=True)
class Tile:
    """Datasets that one call computes: cell and replicate numbers, ``[n]`` each, ``n <= shape.tile``; and the device's number."""

    shape: Shape
    cells: np.ndarray
    replicates: np.ndarray
    device: int = 0

    def __len__(self) -> int:
        return len(self.cells)


@dataclass
class Programs:
    """Compiles on two threads ahead of use; ask for a program and wait for it if it is not ready.

    Args:
        study: whose programs these are.
        devices: the local devices that share the datasets; JAX's default device when None.
    """

    study: Study
    devices: tuple[jax.Device, ...] | None = None
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="compile"))
    simulators: dict[Shape, Future[Copies]] = field(default_factory=dict)
    fits: dict[tuple[Shape, int], Future[Copies]] = field(default_factory=dict)
    group_truths: dict[Shape, Future[Copies]] = field(default_factory=dict)
    recoveries: dict[tuple[Shape, int], Copies] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.devices = self.devices or (jax.local_devices()[0],)

    def prepare(self, shape: Shape, cell: Cell, models: tuple[int, ...]) -> None:
        """Start compiling what a shape needs, if nothing has yet.

        Args:
            shape: of the programs.
            cell: any cell that the shape serves.
            models: numbers of the strategies to fit; those that other software fits need no program.
        """
        with precision(self.study.dtype):
            arguments = self._arguments(Tile(shape, np.array([cell.index]), np.array([0])))
            simulate, shapes = simulator(cell, shape.groups), None
            if shape not in self.simulators:
                self.simulators[shape] = self.pool.submit(self._copies, simulate, arguments)
                if self.study.group_coefficients:
                    self.group_truths[shape] = self.pool.submit(self._copies, group_truths(cell, shape.groups), arguments)
            for i in models:
                estimator = self.study.estimators[i]
                if isinstance(estimator, Estimator) and (shape, i) not in self.fits:
                    shapes = jax.eval_shape(simulate, *arguments) if shapes is None else shapes
                    keys = key_arguments(arguments) if estimator.resamples else ()
                    self.fits[shape, i] = self.pool.submit(self._fit_copies, shape, i, (shapes.data, *keys))

    def ready(self, shape: Shape, model: int | None = None) -> bool:
        """Whether the simulator of a shape, or the program of one of its strategies, is compiled already."""
        future = self.simulators[shape] if model is None else self.fits.get((shape, model))
        return future is None or future.done()

    def simulate(self, tile: Tile) -> Draw:
        """Draw the datasets of a tile; what it lacks to a full one are datasets without a group. Does not wait for the device."""
        program = self.simulators[tile.shape].result()[tile.device]
        with precision(self.study.dtype):
            return program(*self._arguments(tile))

    def true_groups(self, tile: Tile) -> jax.Array | None:
        """True coefficients of the groups of a tile's datasets, ``[B, G, P]``; None if the study does not ask for them."""
        if not self.study.group_coefficients:
            return None
        program = self.group_truths[tile.shape].result()[tile.device]
        with precision(self.study.dtype):
            return program(*self._arguments(tile))

    def fit(self, tile: Tile, model: int, data: CrossProducts, true: jax.Array | None = None) -> Fit:
        """Fit one strategy to a tile's datasets; does not wait for the device.

        Args:
            tile, model: which datasets, and the number of the strategy.
            data: of the tile.
            true: as :meth:`true_groups` gives them; the fit then says how well it recovered them, if it has such coefficients.
        """
        strategy = self.study.estimators[model]
        resamples = isinstance(strategy, Estimator) and strategy.resamples
        keys = key_arguments(self._arguments(tile)) if resamples else ()
        program = self.fits[tile.shape, model].result()[tile.device]
        with precision(self.study.dtype):
            fit = program(data, *keys)
            if true is None or (tile.shape, model) not in self.recoveries:
                return fit
            found = self.recoveries[tile.shape, model][tile.device](data, fit, true)
            return replace(fit, groups=None, extra={**fit.extra, **found})

    def close(self) -> None:
        """Compile nothing more."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _copies(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Copies:
        """The program, once for each device."""
        with precision(self.study.dtype):
            return tuple(compile_program(function, *_on(device, arguments)) for device in self.devices or ())

    def _fit_copies(self, shape: Shape, model: int, arguments: tuple[Any, ...]) -> Copies:
        """The program of a strategy, which is the same whether or not groups are asked for if it can tell their coefficients
        afterwards; then what tells them, as a program of its own: no other number changes by a bit."""
        estimator, groups = self.study.estimators[model], self.study.group_coefficients
        assert isinstance(estimator, Estimator)
        function = fitter(estimator, self.study.conf_level, groups)
        copies = self._copies(function, arguments)
        if groups and estimator.has_group_coefficients:
            data = arguments[0]
            with precision(self.study.dtype):
                fit = jax.eval_shape(function, *arguments)
            true = jax.ShapeDtypeStruct((*data.sizes.shape, len(data.fixed)), data.products.dtype)
            self.recoveries[shape, model] = self._copies(partial(recover, estimator), (data, fit, true))
        return copies

    def _arguments(self, tile: Tile) -> tuple[Any, ...]:
        """Seed, cell words, replicates, and the parameters with which of the datasets are wanted, of a full tile."""
        size, n = tile.shape.tile, len(tile)
        fill = np.minimum(np.arange(size), n - 1)
        cells, replicates = tile.cells[fill], tile.replicates[fill]
        distinct, place = np.unique(cells, return_inverse=True)
        words = np.stack([self.study.cells[c].words for c in distinct])[place]
        values = [self.study.cells[c].process.parameters(tile.shape.groups) for c in distinct]
        parameters = {name: np.stack([v[name] for v in values])[place] for name in values[0]}
        return np.uint32(self.study.seed), words, replicates.astype(np.uint32), (parameters, np.arange(size) < n)


# XLA's older loop emitters and one code generator per program (the programs are compiled beside each other) compile faster, and
# the results run as fast: the time is in matrix products and elementwise loops that every emitter vectorises. LLVM's
# optimisation level stays at its default: with level 1, which compiles in two thirds of the time, the last vector of a loop over
# datasets is rounded differently from the others, and a dataset's last bit would depend on its place in the tile. One thread a
# program: with several, loops are cut at places that depend on the number of cores; tiles are computed beside each other instead.
CPU_OPTIONS: dict[str, str | bool] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": "1",
    "xla_cpu_multi_thread_eigen": False,
}


def compile_program(function: Callable[..., Any], *arguments: Any) -> Compiled:
    """Compile a function for arguments of these shapes (and devices, if they name one), with the options above on CPU."""
    lowered = jax.jit(function).lower(*arguments)
    if jax.default_backend() != "cpu":
        return lowered.compile()
    try:
        return lowered.compile(compiler_options=CPU_OPTIONS)
    except (RuntimeError, ValueError) as error:  # a version of XLA without one of them
        warnings.warn(
            f"XLA does not take jaxsim's options ({error}): the last digits of a number may depend on what is computed beside it.",
            stacklevel=2,
        )
        return lowered.compile()


def precision(dtype: str) -> contextlib.AbstractContextManager[Any]:
    """JAX's precision while programs of a study of this dtype are traced, compiled and called; JAX keeps it for each thread."""
    switch: Any = getattr(jax if hasattr(jax, "enable_x64") else jax.experimental, "enable_x64")  # noqa: B009 - an older place
    return switch(dtype == "float64")


def _on(device: jax.Device, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Shapes of arguments that are on a device."""
    sharding = SingleDeviceSharding(device)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype, sharding=sharding), arguments)
