"""What computes chunks: programs, running software and threads of one process, kept from chunk to chunk."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from jaxsim.data.draw import Truth
from jaxsim.estimators import Fit
from jaxsim.estimators.external import Handed, Session
from jaxsim.seeding import Stream, stream_key
from jaxsim.status import USABLE, Status
from jaxsim.store.chunk import About
from jaxsim.store.provenance import version
from jaxsim.store.schema import chunk_table
from jaxsim.study import registry
from jaxsim.study.study import Study
from jaxsim.sweep.frame_source import FrameSource, frame_source
from jaxsim.sweep.plan import Chunk
from jaxsim.sweep.programs import Programs
from jaxsim.sweep.shape import Shape, Tile
from jaxsim.workers.cores import usable_cores

# Datasets handed to other software at a time: they cost a second or so each, and a progress bar should move.
EXTERNAL_TOGETHER = 16
# What a person can do about a strategy that always fails; the run goes on without an answer.
STOP = "The run goes on; stop it (Ctrl-C) to correct that."


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
    messages: tuple[str | None, ...] | None = None


@dataclass(frozen=True)
class Computed:
    """A chunk's numbers on the host, not yet a table."""

    chunk: Chunk
    truth: Truth
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
    frames: FrameSource | None = None
    versions: dict[str, str] = field(default_factory=dict)
    judged: set[int] = field(default_factory=set)  # strategies that have had an answer, or of which was said that they have none
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

    @functools.cached_property
    def made(self) -> dict[str, Any]:
        """What a chunk's file says of how it was made; to ask for the versions takes longer than to write a small one."""
        device = (self.programs.devices or ())[0]
        return {"jaxsim": version("jaxsim-studies"), "jax": version("jax"), "device": f"{device.platform}: {device.device_kind}"}

    def open_sessions(self, chunks: tuple[Chunk, ...]) -> None:
        """Start the software of every strategy that has something to fit; :class:`InputError` if it is not there."""
        if not self.study.process.batched and self.frames is None:
            self.frames = self.stack.enter_context(frame_source(self.study))
        for i, strategy in enumerate(self.study.estimators):
            if i in self.sessions or strategy.batched:
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
            """Count the seconds of a phase."""
            with lock:
                seconds[phase] = seconds.get(phase, 0.0) + time.perf_counter() - since

        truth: list[Truth] = []
        fits: list[Fitted] = []
        for tile_truth, tile_fits in self._tiles(chunk, functools.partial(self._tile, spend=spend, listen=listen)):
            truth.append(tile_truth)
            fits += tile_fits
        for i in chunk.models:
            if not self.study.estimators[i].batched:
                since = time.perf_counter()
                fits += self._external(chunk, i, listen)
                spend(f"fit {self.study.estimators[i].name}", since)
        whole = jax.tree.map(lambda *leaves: np.concatenate(leaves), *truth)
        return Computed(chunk, whole, tuple(fits), seconds)

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
    ) -> tuple[Truth, list[Fitted]]:
        """One tile simulated and fitted."""
        listen(Step(0, 0, self._doing(tile.shape, None)))
        since = time.perf_counter()
        simulated = self.programs.simulate(tile) if self.frames is None else self.frames.simulate(tile)
        truth = _first(jax.device_get(simulated.truth), len(tile))
        spend("simulate", since)
        places, fits = np.arange(begin, begin + len(tile)), []
        for i in models:
            if not self.study.estimators[i].batched:
                continue
            listen(Step(0, 0, self._doing(tile.shape, i)))
            since = time.perf_counter()
            fit = _first(jax.device_get(self.programs.fit(tile, i, simulated)), len(tile))
            spend(f"fit {self.study.estimators[i].name}", since)
            fits.append(lose(Fitted(i, places, fit), simulated.lost))
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
        places = np.flatnonzero(strategy.chosen(chunk.replicates))
        for begin in range(0, len(places), EXTERNAL_TOGETHER):
            rows = places[begin : begin + EXTERNAL_TOGETHER]
            datasets, lost = self._handed(chunk, rows)
            fit, messages = self.sessions[model].fit(datasets)
            line = "" if model in self.judged else _all_failed(strategy.name, fit, messages)
            if line or _failures(fit) < len(rows):
                self.judged.add(model)
            listen(Step(len(rows), _failures(fit), f"fitting {strategy.name}", line))
            yield lose(Fitted(model, rows, fit, tuple(messages)), lost)

    def _handed(self, chunk: Chunk, rows: np.ndarray) -> tuple[list[Handed], dict[int, str]]:
        """Some datasets as other software gets them, and which of them the process did not draw (they are empty)."""
        study, lost = self.study, dict[int, str]()
        pairs = [(study.cells[int(chunk.cells[k])], int(chunk.replicates[k])) for k in rows]
        if self.frames is None:
            frames = [cell.process.rows(study.key(cell, replicate)) for cell, replicate in pairs]
        else:
            frames, lost = self.frames.frames(pairs)
        keys = [study.key(cell, replicate) for cell, replicate in pairs]
        seeds = [tuple(int(w) for w in jax.random.key_data(stream_key(key, Stream.ANALYSIS))) for key in keys]
        handed = [Handed(f, study.names, study.conf_level, seed) for f, seed in zip(frames, seeds, strict=True)]
        return handed, lost


def finish(study: Study, computed: Computed, made: dict[str, Any]) -> tuple[pa.Table, About]:
    """A computed chunk as the table that is stored, and what its file says of it."""
    chunk = computed.chunk
    tables = [
        chunk_table(
            study, study.estimators[part.model], chunk.cells[part.places], chunk.replicates[part.places],
            jax.tree.map(lambda leaf, places=part.places: leaf[places], computed.truth), part.fit, part.messages,
        )
        for part in sorted(computed.fits, key=lambda part: (part.model, part.places[:1].tolist()))
    ]  # fmt: skip
    table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    models = {study.estimators[i].name: registry.canonical(study.estimators[i]) for i in chunk.models}
    failures = sum(_failures(part.fit) for part in computed.fits)
    return table, About(
        chunk.identity(study), chunk.block, models, chunk.keyed(study), study.settings, failures=failures, made=made
    )


def lose(fitted: Fitted, lost: Mapping[int, str]) -> Fitted:
    """The same fits, those of datasets that the process did not draw crashed for its reason; ``lost`` by place in the fits."""
    if not lost:
        return fitted
    n = len(fitted.places)
    gone = np.isin(np.arange(n), list(lost))

    def without(leaf: np.ndarray) -> np.ndarray:
        """Numbers, none for datasets that are gone."""
        away = gone.reshape(-1, *[1] * (np.ndim(leaf) - 1))
        return np.where(away, np.nan if np.issubdtype(leaf.dtype, np.floating) else np.zeros((), leaf.dtype), leaf)

    fit = jax.tree.map(lambda leaf: without(np.asarray(leaf)), fitted.fit)
    fit = replace(fit, status=np.where(gone, np.int32(Status.CRASHED), fit.status))
    messages = fitted.messages or (None,) * n
    return Fitted(fitted.model, fitted.places, fit, tuple(lost.get(k, messages[k]) for k in range(n)))


def _first(tree: Any, count: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[:count], tree)


def _all_failed(name: str, fit: Fit, messages: Sequence[str | None]) -> str:
    """What to say of a strategy whose first fits, several of them, have all failed: somebody may want to mend it, not to wait."""
    failed = _failures(fit)
    if failed < max(2, len(messages)):
        return ""
    said = next(filter(None, messages), None) or Status(int(np.asarray(fit.status)[0])).message
    return f"{name}: the first {failed} fits have all failed: {said}. {STOP}"


def _failures(fit: Fit) -> int:
    return int((~np.isin(np.asarray(fit.status), USABLE)).sum())
