"""What a run is going to take, before it runs: chunks, programs to compile, time, disk, and the replicates a wanted error needs."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import psutil

from jaxsim.counts import counted
from jaxsim.store.chunk import pack
from jaxsim.study.study import Study
from jaxsim.sweep import memory as memories
from jaxsim.sweep import shelf
from jaxsim.sweep.executors import Local
from jaxsim.sweep.plan import Chunk
from jaxsim.sweep.progress import duration
from jaxsim.sweep.shape import Shape, Tile
from jaxsim.sweep.worker import Computed, Fitted, Worker, finish

# Rates whose Monte Carlo error is asked for, at the value they have in theory; the worst one where theory says nothing.
NOMINAL = {"coverage": None, "bias_eliminated_coverage": None, "type_one_error": 0.05, "power": 0.5, "rejection": 0.5}

# Below the table, for those who do not know how studies are computed.
EXPLAINED = (
    "A line is of cells that the same programs compute, with room for that many groups; a tile is the datasets that they work on\n"
    "at a time, a chunk a file of results. Programs are compiled once: one simulates, and each strategy has one.\n"
)


@dataclass(frozen=True)
class ShapeForecast:
    """One shape of a plan.

    Attributes:
        groups, tile: how many groups its programs have room for, and datasets that they work on at a time.
        cells, datasets, chunks: that it serves, that are to be computed.
        programs: to compile: a simulator, and one for each strategy of ours.
        compile_seconds, seconds: that compiling them took, or finding them in the cache, and to compute the chunks on this machine;
            NaN if it was not tried.
        bytes: on disk; NaN if it was not tried.
        memory: bytes of a chunk in the making, the largest that there is.
    """

    groups: int
    tile: int
    cells: int
    datasets: int
    chunks: int
    programs: int
    compile_seconds: float
    seconds: float
    bytes: float
    memory: int


@dataclass(frozen=True)
class Forecast:
    """What is to be computed.

    Attributes:
        shapes: by shape.
        spread: the largest standard error that a strategy reported in the trial tiles.
        limit: bytes that chunks may take, whether or not there are datasets for that.
        resident: bytes that this process has with JAX and the programs of the trial in it; NaN if nothing was tried.
        kept: whether programs are kept for the run.
    """

    shapes: tuple[ShapeForecast, ...]
    spread: float
    limit: int
    resident: float
    kept: bool

    @property
    def memory(self) -> float:
        """Bytes that a run is going to have at most at a time; NaN if nothing was tried."""
        return self.resident + max((shape.memory for shape in self.shapes), default=0)

    def total(self, name: str) -> float:
        """Sum of a number over the shapes."""
        return float(sum(getattr(shape, name) for shape in self.shapes))


def forecast(study: Study, chunks: Iterable[Chunk], memory: int, *, trial: bool = True) -> Forecast:
    """Forecast the computation of some chunks.

    Args:
        study: whose chunks these are.
        chunks: what is to be computed.
        memory: bytes that a run may use.
        trial: compile every program and time one tile of each shape; nothing is stored, and the programs stay in the cache.
    """
    tallies: dict[Shape, _Tally] = {}
    for chunk in chunks:
        tallies.setdefault(chunk.shape, _Tally(chunk)).count(chunk, study)
    found, spread = [], 0.0
    with Worker(_ours(study), Local().chosen, threads=1) as worker:
        for shape, tally in tallies.items():
            ours = any(e.batched for e in study.estimators) and study.process.batched
            tried = _try(worker, shape, tally.largest) if trial and ours else None
            found.append(_shape(study, shape, tally, tried))
            spread = max(spread, tried.spread if tried else 0.0)
    tried_any = any(not math.isnan(shape.seconds) for shape in found)
    resident = psutil.Process().memory_info().rss if tried_any else math.nan
    return Forecast(tuple(found), spread, memory, resident, shelf.is_on())


@dataclass
class _Tally:
    """Chunks of one shape, counted: the largest, how many there are, their datasets, cells, and strategies and fits of ours."""

    largest: Chunk
    chunks: int = 0
    datasets: int = 0
    fits: int = 0
    cells: set[int] = field(default_factory=set)
    models: set[int] = field(default_factory=set)

    def count(self, chunk: Chunk, study: Study) -> None:
        """One chunk more."""
        ours = {i for i in chunk.models if study.estimators[i].batched}
        self.largest = chunk if len(chunk) > len(self.largest) else self.largest
        self.chunks += 1
        self.datasets += len(chunk)
        self.fits += len(chunk) * len(ours)
        self.cells.update(cell for cell, _, _ in chunk.spans)
        self.models |= ours


@dataclass(frozen=True)
class _Trial:
    """One tile: seconds to compile its programs and to compute it, and bytes, each per dataset but the first."""

    compile_seconds: float
    seconds: float
    bytes: float
    spread: float


def _ours(study: Study) -> Study:
    """The study without strategies that other software fits, which are not tried (a second or so each)."""
    kept = tuple(e for e in study.estimators if e.batched)
    return dataclasses.replace(study, estimators=kept or study.estimators, until=None)


def _try(worker: Worker, shape: Shape, chunk: Chunk) -> _Trial:
    study = worker.study
    begin = time.perf_counter()
    models = tuple(i for i, e in enumerate(study.estimators) if e.batched)
    worker.programs.prepare(shape, study.cells[chunk.spans[0][0]], models)
    worker.programs.wait(shape, models)
    compiled = time.perf_counter()
    count = min(shape.tile, len(chunk))
    pick = np.linspace(0, len(chunk) - 1, count).astype(int)
    tile = Tile(shape, chunk.cells[pick], chunk.replicates[pick])
    truth, fits = worker._tile(tile, 0, models, spend=lambda phase, since: None, listen=lambda step: None)
    seconds = (time.perf_counter() - compiled) / count
    spans = tuple((int(c), int(r), int(r) + 1) for c, r in zip(tile.cells, tile.replicates, strict=True))
    whole = dataclasses.replace(chunk, spans=spans, models=models)
    table, about = finish(study, Computed(whole, truth, tuple(fits), {}), {})
    _, content = pack(table, about)
    return _Trial(compiled - begin, seconds, len(content) / count, _spread(fits))


def _spread(fits: Iterable[Fitted]) -> float:
    """Largest root mean square of a reported standard error, over strategies and coefficients."""
    with np.errstate(invalid="ignore"):
        found = [np.sqrt(np.nanmedian(np.asarray(part.fit.std_error) ** 2, axis=0)) for part in fits]
    return float(np.nanmax(np.concatenate(found))) if found else math.nan


def _shape(study: Study, shape: Shape, tally: _Tally, tried: _Trial | None) -> ShapeForecast:
    datasets = tally.datasets
    share = tally.fits / (datasets * max(1, sum(e.batched for e in study.estimators)))
    return ShapeForecast(
        groups=shape.groups,
        tile=shape.tile,
        cells=len(tally.cells),
        datasets=datasets,
        chunks=tally.chunks,
        programs=1 + len(tally.models),
        compile_seconds=tried.compile_seconds if tried else math.nan,
        seconds=tried.seconds * datasets * share / Local().beside if tried else math.nan,
        bytes=tried.bytes * datasets * share if tried else math.nan,
        memory=memories.chunk_bytes(study, shape, len(tally.largest), Local().beside),
    )


def replicates_needed(targets: Mapping[str, float], spread: float, conf_level: float) -> dict[str, float]:
    """Replicates per cell for wanted Monte Carlo standard errors.

    A rate p has the error ``sqrt(p (1 - p) / n)``: p is the confidence level for coverage, .05 for type I error, and .5, the worst,
    for power. The bias has ``spread / sqrt(n)``, where the spread of the estimates is taken from their reported standard errors.
    NaN for a measure for which nothing is known beforehand.
    """
    found = {}
    for name, target in targets.items():
        rate = NOMINAL.get(name, math.nan)
        rate = conf_level if rate is None else rate
        variance = rate * (1 - rate) if name in NOMINAL else spread**2 if name == "bias" else math.nan
        found[name] = math.ceil(round(variance / target**2, 6)) if math.isfinite(variance) else math.nan
    return found


def as_text(study: Study, found: Forecast, targets: Mapping[str, float]) -> str:
    """The forecast for a terminal."""
    external = [e.name for e in study.estimators if not e.batched]
    if not found.shapes:
        return "Nothing is left to compute."
    rows = [
        {
            "room for groups": s.groups, "cells": s.cells, "datasets": f"{s.datasets:,}", "chunks": s.chunks, "tile": s.tile,
            "programs": s.programs, "compiled in": _time(s.compile_seconds), "compute": _time(s.seconds), "disk": _size(s.bytes),
        }
        for s in found.shapes
    ]  # fmt: skip
    lines = [pd.DataFrame(rows).to_string(index=False), "", EXPLAINED]
    total = found.total
    what = [counted(round(total(f"{one}s")), one) for one in ("dataset", "chunk", "program")]
    lines.append(f"{what[0]} in {what[1]}, {what[2]}{_taken(found)}")
    lines.append(
        f"Chunks may take up to {memories.in_words(found.limit)} of memory (--memory), however many datasets there are: that is no "
        "estimate."
    )
    if external:
        lines.append(f"Not counted: {', '.join(external)}, fitted by other software, about a second a dataset.")
    if study.until is not None:
        lines.append(f"At most: cells stop earlier by the rule ({study.until.in_words()}).")
    for name, count in replicates_needed(targets, found.spread, study.conf_level).items():
        needed = "cannot be said beforehand" if math.isnan(count) else f"about {count:,.0f} replicates per cell"
        lines.append(f"A Monte Carlo error of {targets[name]:g} for {name}: {needed} (this plan has {study.replicates:,}).")
    return "\n".join(lines)


def _taken(found: Forecast) -> str:
    """What a run takes of time, disk and memory, as far as a trial can tell."""
    if math.isnan(found.resident):
        return ". What they take is not known without a trial; programs are compiled, unless they are in the cache."
    total = found.total
    compiled = _time(total("compile_seconds"))
    kept = "the run finds them in the cache" if found.kept else "the run compiles them again, for no cache is kept"
    return (
        f"; about {_time(total('seconds'))} to compute on this machine, {_size(total('bytes'))} of disk, "
        f"{_size(found.memory)} of memory. To compile the programs, or to find them in the cache, took {compiled} just now; {kept}."
    )


def _time(seconds: float) -> str:
    return "–" if math.isnan(seconds) else duration(seconds)


def _size(count: float) -> str:
    return "–" if math.isnan(count) else memories.in_words(count)
