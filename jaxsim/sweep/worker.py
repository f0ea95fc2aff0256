"""What computes chunks: programs, running software and threads of one process, kept from chunk to chunk."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from jaxsim import spec
from jaxsim.design import Study
from jaxsim.estimators import Fit
from jaxsim.estimators.external import External, Session
from jaxsim.status import USABLE
from jaxsim.store.chunk import About
from jaxsim.store.provenance import version
from jaxsim.store.schema import chunk_table
from jaxsim.sweep.compile import Programs, Shape, Tile
from jaxsim.sweep.plan import Chunk

# Datasets handed to other software at a time: they cost a second or so each, and a progress bar should move.
EXTERNAL_TOGETHER = 16


@dataclass(frozen=True)
class Step:
    """News of a chunk in the making: fits that were finished, failures among them, what goes on, and a line worth keeping."""

    fits: int
    failures: int
    doing: str
    line: str = ""


Listener = Callable[[Step], None]


@dataclass(frozen=True)
class Fitted:
    """One strategy's fits of some of a chunk's datasets: their places in it, and what other software said of each."""

    model: int
    places: np.ndarray
    fit: Fit
    messages: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Computed:
    """A chunk's numbers on the host, not yet a table."""

    chunk: Chunk
    truth: np.ndarray
    fits: tuple[Fitted, ...]
    seconds: dict[str, float]


@dataclass
class Worker:
    """Computes chunks of a study, tile by tile, several tiles beside each other.

    Args:
        study: what is computed.
        devices: local devices to use; JAX's default one when None.
        threads: tiles computed beside each other; as many as there are devices, and on CPU at least as many as cores, when None.
    """

    study: Study
    devices: tuple[jax.Device, ...] | None = None
    threads: int | None = None
    programs: Programs = field(init=False)
    sessions: dict[int, Session] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.programs = Programs(self.study, self.devices)
        count = len(self.programs.devices or ())
        if self.threads is None:
            self.threads = max(count, usable_cores()) if jax.default_backend() == "cpu" else count
        self.stack.callback(self.programs.close)
        self.pool = self.stack.enter_context(ThreadPoolExecutor(self.threads, thread_name_prefix="tile"))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    @property
    def made(self) -> dict[str, Any]:
        """What a chunk's file says of how it was made."""
        device = (self.programs.devices or ())[0]
        return {"jaxsim": version("jaxsim-studies"), "jax": version("jax"), "device": f"{device.platform}: {device.device_kind}"}

    def open_sessions(self, chunks: tuple[Chunk, ...]) -> None:
        """Start the software of every strategy that has something to fit; :class:`InputError` if it is not there."""
        for i, strategy in enumerate(self.study.estimators):
            if i in self.sessions or not isinstance(strategy, External):
                continue
            if any(i in chunk.models and strategy.chosen(chunk.replicates).any() for chunk in chunks):
                self.sessions[i] = self.stack.enter_context(strategy.session())
                self.versions.update(self.sessions[i].versions)

    def prepare(self, chunk: Chunk) -> None:
        """Start compiling what a chunk needs."""
        self.programs.prepare(chunk.shape, self.study.cells[chunk.spans[0][0]], chunk.models)

    def compute(self, chunk: Chunk, listen: Listener) -> Computed:
        """Simulate and fit a chunk's datasets."""
        self.open_sessions((chunk,))
        self.prepare(chunk)
        seconds, lock = dict[str, float](), threading.Lock()

        def spend(phase: str, since: float) -> None:
            with lock:
                seconds[phase] = seconds.get(phase, 0.0) + time.perf_counter() - since

        truth, fits = [], []
        for tile_truth, tile_fits in self._tiles(chunk, partial(self._tile, spend=spend, listen=listen)):
            truth.append(tile_truth)
            fits += tile_fits
        for i in chunk.models:
            if isinstance(self.study.estimators[i], External):
                since = time.perf_counter()
                fits += self._external(chunk, i, listen)
                spend(f"fit {self.study.estimators[i].name}", since)
        return Computed(chunk, np.concatenate(truth), tuple(fits), seconds)

    def _tiles(self, chunk: Chunk, work: Callable[[Tile, int, tuple[int, ...]], Any]) -> Iterator[Any]:
        """The work on every tile, in order; no more tiles are begun than threads can soon take up, so that an error stops all."""
        size, count = chunk.shape.tile, len(self.programs.devices or ())
        waiting: deque[Future[Any]] = deque()
        try:
            for number, begin in enumerate(range(0, len(chunk), size)):
                rows = slice(begin, begin + size)
                tile = Tile(chunk.shape, chunk.cells[rows], chunk.replicates[rows], number % count)
                waiting.append(self.pool.submit(work, tile, begin, chunk.models))
                if len(waiting) > (self.threads or 1):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _tile(
        self, tile: Tile, begin: int, models: tuple[int, ...], *, spend: Callable[[str, float], None], listen: Listener
    ) -> tuple[np.ndarray, list[Fitted]]:
        """One tile simulated and fitted."""
        listen(Step(0, 0, self._doing(tile.shape, None)))
        since = time.perf_counter()
        drawn = self.programs.simulate(tile)
        truth = np.asarray(drawn.truth)[: len(tile)]
        spend("simulate", since)
        true = self.programs.true_groups(tile)
        places, fits = np.arange(begin, begin + len(tile)), []
        for i in models:
            if isinstance(self.study.estimators[i], External):
                continue
            listen(Step(0, 0, self._doing(tile.shape, i)))
            since = time.perf_counter()
            fit = jax.device_get(self.programs.fit(tile, i, drawn.data, true))
            spend(f"fit {self.study.estimators[i].name}", since)
            fits.append(Fitted(i, places, _first(fit, len(tile))))
            listen(Step(len(tile), _failures(fits[-1].fit), self._doing(tile.shape, i)))
        return truth, fits

    def _doing(self, shape: Shape, model: int | None) -> str:
        if model is None:
            return "simulating" if self.programs.ready(shape) else "compiling, then simulating"
        name = self.study.estimators[model].name
        return f"fitting {name}" if self.programs.ready(shape, model) else f"compiling {name}"

    def _external(self, chunk: Chunk, model: int, listen: Listener) -> Iterator[Fitted]:
        """A strategy's fits by other software, some at a time."""
        strategy = self.study.estimators[model]
        assert isinstance(strategy, External)
        places = np.flatnonzero(strategy.chosen(chunk.replicates))
        for begin in range(0, len(places), EXTERNAL_TOGETHER):
            rows = places[begin : begin + EXTERNAL_TOGETHER]
            datasets = [self.study.dataset(int(chunk.cells[k]), int(chunk.replicates[k])) for k in rows]
            fit, messages = self.sessions[model].fit(datasets, self.study.process.terms, self.study.conf_level)
            listen(Step(len(rows), _failures(fit), f"fitting {strategy.name}"))
            yield Fitted(model, rows, fit, tuple(messages))


def finish(study: Study, computed: Computed, made: dict[str, Any]) -> tuple[pa.Table, About]:
    """A computed chunk as the table that is stored, and what its file says of it."""
    chunk = computed.chunk
    tables = [
        chunk_table(
            study, study.estimators[part.model], chunk.cells[part.places], chunk.replicates[part.places],
            computed.truth[part.places], part.fit, part.messages,
        )
        for part in sorted(computed.fits, key=lambda part: (part.model, part.places[:1].tolist()))
    ]  # fmt: skip
    table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    models = {study.estimators[i].name: spec.canonical(study.estimators[i]) for i in chunk.models}
    failures = sum(_failures(part.fit) for part in computed.fits)
    return table, About(
        chunk.identity(study), chunk.block, models, chunk.keyed(study), study.settings, failures=failures, made=made
    )


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if platform.system() == "Linux" else os.cpu_count() or 1


def _first(fit: Fit, count: int) -> Fit:
    return jax.tree.map(lambda leaf: leaf[:count], fit)


def _failures(fit: Fit) -> int:
    return int((~np.isin(np.asarray(fit.status), USABLE)).sum())
