"""The loop that runs a study: for every chunk simulate, fit every strategy, write; finished chunks are never lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from jaxsim.crossproduct import CrossProducts
from jaxsim.design import Study
from jaxsim.estimators import Fit
from jaxsim.estimators.external import External, Session
from jaxsim.store.folder import Folder
from jaxsim.store.provenance import Provenance
from jaxsim.store.results import Results
from jaxsim.store.schema import estimates_table, fits_table
from jaxsim.sweep.compile import Programs
from jaxsim.sweep.plan import Chunk, fingerprint, plan

# Datasets handed to other software at a time: they cost a second or so each, and a progress bar should move.
EXTERNAL_TOGETHER = 16


def run(study: Study, out: Path, *, progress: bool = True) -> Results:
    """Run what is not yet in ``out`` and return the results.

    Args:
        study: what to simulate.
        out: folder for the results, made if need be; one that holds the same study is completed, one with another refused.
        progress: show a bar of fits on the terminal.

    Raises:
        InputError: if ``out`` holds another study or something that is not a study, or software that a strategy needs is missing.
    """
    folder = Folder(out)
    chunks = plan(study)
    folder.claim(study, fingerprint(chunks))
    open_chunks = [chunk for chunk in chunks if not folder.has(chunk.index)]
    provenance = Provenance.begin(study)
    total, left = (sum(_fits(study, chunk) for chunk in some) for some in (chunks, open_chunks))
    programs = Programs(study)
    try:
        with ExitStack() as stack:
            sessions = _sessions(study, open_chunks, stack)
            bar = stack.enter_context(tqdm(total=total, initial=total - left, unit="fit", unit_scale=True, disable=not progress))
            for session in sessions.values():
                provenance.add_versions(session.versions)
            job = _Job(study, programs, sessions, folder, provenance, bar)
            for chunk in open_chunks:
                programs.prepare(chunk)
            for chunk in open_chunks:
                job.run(chunk)
    finally:
        programs.pool.shutdown(wait=False, cancel_futures=True)
        if any(folder.has(chunk.index) for chunk in open_chunks):
            folder.write_provenance(provenance.finish())
    return Results(out)


def _fits(study: Study, chunk: Chunk) -> int:
    """Fits that a chunk needs."""
    return sum(int(e.chosen(chunk.replicates).sum()) if isinstance(e, External) else len(chunk) for e in study.estimators)


def _sessions(study: Study, chunks: list[Chunk], stack: ExitStack) -> dict[int, Session]:
    """Start the software of every strategy that has something to fit, before anything is simulated."""
    return {
        i: stack.enter_context(estimator.session())
        for i, estimator in enumerate(study.estimators)
        if isinstance(estimator, External) and any(estimator.chosen(chunk.replicates).any() for chunk in chunks)
    }


@dataclass(frozen=True)
class _Job:
    """Everything that working off a chunk needs."""

    study: Study
    programs: Programs
    sessions: dict[int, Session]
    folder: Folder
    provenance: Provenance
    bar: tqdm

    def run(self, chunk: Chunk) -> None:
        """Simulate, fit, write."""
        self.bar.set_description("simulating" if self.programs.ready(chunk) else "compiling, then simulating")
        begin = time.perf_counter()
        drawn, data = self.programs.simulate(chunk)
        truth = np.asarray(drawn)[: len(chunk)]
        self.provenance.spend("simulate", time.perf_counter() - begin)
        estimates: list[pa.Table] = []
        fits: list[pa.Table] = []
        for i, strategy in enumerate(self.study.estimators):
            ready = self.programs.ready(chunk, i)
            self.bar.set_description(f"fitting {strategy.name}" if ready else f"compiling {strategy.name}")
            begin = time.perf_counter()
            for rows, fit, messages in self._fitted(chunk, i, data):
                cells, replicates = chunk.cells[rows], chunk.replicates[rows]
                estimates.append(
                    estimates_table(cells, replicates, strategy.name, data.fixed, truth[rows], fit, self.study.conf_level)
                )
                fits.append(fits_table(cells, replicates, strategy, data.fixed, fit, messages))
                self.bar.update(len(rows))
            self.provenance.spend(f"fit {strategy.name}", time.perf_counter() - begin)
        begin = time.perf_counter()
        self.folder.write(chunk.index, estimates, fits, len(chunk))
        self.provenance.spend("write", time.perf_counter() - begin)

    def _fitted(self, chunk: Chunk, index: int, data: CrossProducts) -> Iterator[tuple[np.ndarray, Fit, list[str] | None]]:
        """A strategy's fits in parts: places in the chunk, the fits, what other software said."""
        strategy = self.study.estimators[index]
        if not isinstance(strategy, External):
            yield np.arange(len(chunk)), self.programs.fit(chunk, index, data), None
            return
        places = np.flatnonzero(strategy.chosen(chunk.replicates))
        for begin in range(0, len(places), EXTERNAL_TOGETHER):
            rows = places[begin : begin + EXTERNAL_TOGETHER]
            datasets = [self.study.dataset(int(chunk.cells[k]), int(chunk.replicates[k])) for k in rows]
            fit, messages = self.sessions[index].fit(datasets, data.fixed, self.study.conf_level)
            yield rows, fit, messages
