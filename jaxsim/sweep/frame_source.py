"""Datasets that a user's Python code draws: in worker processes, one after the other, each seeded by its key."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Truth
from jaxsim.errors import InputError
from jaxsim.processes.frame_process import FrameProcess, checked, complete, reduced
from jaxsim.study.cell import Cell
from jaxsim.study.study import Study
from jaxsim.sweep.programs import Simulated
from jaxsim.sweep.shape import Tile
from jaxsim.workers.functions import Call, PythonPool, function_id, pickle_function, python_pool
from jaxsim.workers.seeded import seeded

# Datasets that are kept for the strategies that read them as they are: those of one chunk.
KEPT = 1024
# Seconds that drawing one dataset may take.
TIME_LIMIT_S = 60.0

Drawn = tuple[dict[str, float], pd.DataFrame] | str


@dataclass
class FrameSource:
    """Draws datasets of a study whose process is a :class:`jaxsim.FrameProcess`."""

    study: Study
    pool: PythonPool
    content: bytes
    kept: OrderedDict[tuple[int, int], Drawn] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def simulate(self, tile: Tile) -> Simulated:
        """A tile's datasets as cross-products, and the truths; empty ones where the process did not draw."""
        names = self.study.names
        pairs = [(self.study.cells[int(c)], int(r)) for c, r in zip(tile.cells, tile.replicates, strict=True)]
        m, groups, size = len(names.columns) + 1, tile.shape.groups, tile.shape.tile
        products, sizes = np.zeros((size, groups, m, m)), np.zeros((size, groups), np.int32)
        fixed = np.full((size, len(names.fixed)), np.nan)
        estimands = {name: np.full(size, np.nan) for name in names.estimands}
        lost: dict[int, str] = {}
        for k, drawn in enumerate(self._drawn(pairs)):
            if isinstance(drawn, str):
                lost[k] = drawn
                continue
            told, frame = drawn
            fixed[k] = [told[name] for name in names.fixed]
            for name, values in estimands.items():
                values[k] = told[name]
            products[k], sizes[k] = reduced(frame, names, groups)
        # On the host: each program takes them to the device that it is for.
        about: Any = {"factors": names.factors, "response": names.response, "constant": names.constant}
        data = CrossProducts(products, sizes, names.columns, names.fixed, **about)  # type: ignore[arg-type]
        truth: Any = Truth(fixed, estimands=estimands)  # type: ignore[arg-type]
        return Simulated(truth, data, whole=truth, lost=lost)

    def frames(self, pairs: Sequence[tuple[Cell, int]]) -> tuple[list[pd.DataFrame], dict[int, str]]:
        """Datasets as DataFrames of complete rows, and which of them the process did not draw (they are empty)."""
        drawn = list(self._drawn(pairs))
        lost = {k: one for k, one in enumerate(drawn) if isinstance(one, str)}
        empty = pd.DataFrame(columns=[*self.study.names.factors, self.study.names.response])
        frames = [empty if isinstance(one, str) else complete(one[1]) for one in drawn]
        return frames, lost

    @property
    def _process(self) -> FrameProcess:
        process = self.study.process
        assert isinstance(process, FrameProcess)
        return process

    def _drawn(self, pairs: Sequence[tuple[Cell, int]]) -> Iterator[Drawn]:
        """What the process drew, or why it did not; each dataset is drawn once for all strategies."""
        with self.lock:
            known = {(c.index, r): self.kept[c.index, r] for c, r in pairs if (c.index, r) in self.kept}
        new = [(cell, r) for cell, r in pairs if (cell.index, r) not in known]
        for (cell, replicate), answer in zip(new, self.pool.call_all(map(self._call, new)), strict=True):
            known[cell.index, replicate] = answer.error or self._checked(cell, answer.value)
        with self.lock:
            self.kept |= known
            while len(self.kept) > max(KEPT, len(pairs)):
                self.kept.popitem(last=False)
        return (known[cell.index, replicate] for cell, replicate in pairs)

    def _call(self, pair: tuple[Cell, int]) -> Call:
        cell, replicate = pair
        words = tuple(int(word) for word in jax.random.key_data(self.study.key(cell, replicate)))
        arguments = (words, cell.process.values)
        return Call(self.content, function_id(self.content), arguments, time_limit=TIME_LIMIT_S)

    def _checked(self, cell: Cell, returned: Any) -> Drawn:
        """A dataset with its truth, or what is wrong with it."""
        process: Any = cell.process
        try:
            truth, frame = checked(process, returned)
            lacking = {*self.study.names.fixed, *self.study.names.estimands} - truth.keys()
            columns = {*self.study.names.columns} - {*map(str, frame.columns), "Intercept"}
        except InputError as error:
            return str(error)
        if lacking or columns:
            return f"{process.kind} returned no {sorted(lacking or columns)[0]!r} for this dataset, which others have."
        return truth, frame


@contextmanager
def frame_source(study: Study) -> Iterator[FrameSource]:
    """Worker processes with the study's generator in them.

    Raises:
        InputError: if it cannot be sent to a worker process.
    """
    process = study.process
    assert isinstance(process, FrameProcess)
    content = pickle_function(seeded(process.function))
    with python_pool() as pool:
        yield FrameSource(study, pool, content)
