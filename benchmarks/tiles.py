"""A study's programs, compiled before any clock starts, and its tiles, computed beside each other in threads as a run does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import numpy as np

from jaxsim.estimators import Fit
from jaxsim.study.study import Cell, Study
from jaxsim.sweep.programs import Programs, Simulated
from jaxsim.sweep.shape import Shape, Tile
from jaxsim.workers.cores import usable_cores

Item, Result = TypeVar("Item"), TypeVar("Result")


class Bench:
    """Programs of a study that are ready, called in so many threads: as many as cores when None."""

    def __init__(self, study: Study, threads: int | None = None) -> None:
        self.study, self.programs = study, Programs(study, pool=ThreadPoolExecutor(1))
        self.threads = threads or usable_cores()
        self.compiled: dict[Shape, dict[str, tuple[float, float]]] = {}

    def compile(self, shape: Shape, cell: Cell) -> dict[str, tuple[float, float]]:
        """Seconds on the clock and CPU seconds of compiling each program of a shape, one after the other; of the first time."""
        if shape not in self.compiled:
            self.compiled[shape] = found = {}
            names = ["simulate", *(e.name for e in self.study.estimators)]
            for number, name in enumerate(names):
                wall, cpu = time.perf_counter(), time.process_time()
                self.programs.prepare(shape, cell, (number - 1,) if number else ())
                self.programs.wait(shape, (number - 1,) if number else ())
                found[name] = time.perf_counter() - wall, time.process_time() - cpu
        return self.compiled[shape]

    def tiles(self) -> list[Tile]:
        """Every dataset of the study once, in full tiles as far as there are enough; all their programs are compiled.

        Each cell by the programs of its own padded size, as large studies have them (small ones share programs of larger sizes).
        """
        found = []
        shapes: dict[Shape, list[Cell]] = {}
        for cell in self.study.cells:
            shapes.setdefault(Shape.of(cell), []).append(cell)
        for shape, some in shapes.items():
            self.compile(shape, some[0])
            cells = np.repeat([cell.index for cell in some], self.study.replicates)
            replicates = np.tile(np.arange(self.study.replicates), len(some))
            cuts = [slice(begin, begin + shape.tile) for begin in range(0, len(cells), shape.tile)]
            found += [Tile(shape, cells[rows], replicates[rows]) for rows in cuts]
        return found

    def full(self, cell: Cell, count: int) -> list[Tile]:
        """So many full tiles of one cell; its programs are compiled."""
        shape = Shape.of(cell)
        self.compile(shape, cell)
        numbers = np.arange(shape.tile)
        return [Tile(shape, np.full(shape.tile, cell.index), numbers + i * shape.tile) for i in range(count)]

    def beside(self, call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Results of a call for each of some items, computed beside each other; waits for them."""
        return in_threads(call, items, self.threads)

    def simulate(self, tiles: Iterable[Tile]) -> list[Simulated]:
        """The datasets of each tile."""
        return self.beside(self.programs.simulate, tiles)

    def fit(self, model: int, tiles: Iterable[Tile], draws: Iterable[Simulated]) -> list[Fit]:
        """One strategy's fits of each tile."""
        return self.beside(lambda pair: self.programs.fit(pair[0], model, pair[1]), zip(tiles, draws, strict=True))


def in_threads(call: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None) -> list[Result]:
    """Results of a call for each of some items, so many beside each other (as many as cores when None); waits for them."""
    with ThreadPoolExecutor(threads or usable_cores()) as pool:
        return list(pool.map(lambda item: jax.block_until_ready(call(item)), items))


def wanted(tile: Tile, values: Any) -> np.ndarray:
    """Numbers of a tile's datasets without those that fill it up."""
    return np.asarray(values)[: len(tile)]
