"""Running a study: plan what is not finished, have it computed and stored, and keep a record; finished chunks are never lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from jaxsim.counts import counted
from jaxsim.results import Results
from jaxsim.store.errors import StorageError
from jaxsim.store.folder import Folder
from jaxsim.store.ours import PLAN, PROVENANCE, REACHED
from jaxsim.store.place import Place, place_of
from jaxsim.store.provenance import Provenance
from jaxsim.study.study import Study
from jaxsim.sweep import memory as memories
from jaxsim.sweep.executors import Execution, Executor, Finished, Job, Local
from jaxsim.sweep.interrupt import Stop, watched
from jaxsim.sweep.plan import Chunk, Plan, plan
from jaxsim.sweep.progress import Log, Progress, duration
from jaxsim.sweep.rehearsal import rehearse
from jaxsim.sweep.rounds import Reached, rounds
from jaxsim.sweep.shape import Shape

# How often what was removed while a run was at work is computed again, before the run gives up.
AGAIN = 2


class Interrupted(KeyboardInterrupt):
    """A run that somebody stopped, after the chunk in hand."""


def run(
    study: Study,
    out: str | Path | Place,
    *,
    progress: bool = True,
    executor: Executor | None = None,
    memory: str | int | None = None,
    batch: int | None = None,
) -> Results:
    """Run what is not yet in ``out`` and return the results.

    Args:
        study: what to simulate.
        out: folder for the results, or an address that fsspec can open; made if need be. One that holds the same study, or a part
            of it (fewer replicates, levels or strategies), is completed; one with another study is refused.
        progress: show how far it is.
        executor: where chunks are computed; this process when None.
        memory: bytes that the chunks of a process may use, such as ``"2G"``; when None a quarter of what is free here, divided
            among the processes that are started here.
        batch: datasets of a chunk at most, 4,096 when None (more where that would leave cores or devices idle). The numbers do not
            depend on it.

    Raises:
        InputError: if ``out`` holds another study or something that is not a study, cannot be written, or is being written by
            another run; if memory is too small; or if software that a strategy needs is missing.
        KeyboardInterrupt: if it was asked to stop. What was finished is kept.
    """
    place = place_of(out)
    executor = executor or Local()
    Folder(place).check_study(study)
    if memory is None:
        memory = memories.available() // executor.sharing
    limit = memories.parse(memory) if isinstance(memory, str) else memory
    with ExitStack() as stack:
        is_here = stack.enter_context(place.lock())
        folder = Folder(place, study)
        folder.check_study(study)
        log = Log(place)
        stack.callback(log.close)
        work = _Work(study, folder, Job(study, place, limit), executor, batch, log, progress, is_here)
        work.check_chunks()
        work.run_all(stack)
    return Results(folder.reopened())


@dataclass
class _Work:
    """Everything that a run needs to know."""

    study: Study
    folder: Folder
    job: Job
    executor: Executor
    batch: int | None
    log: Log
    shown: bool
    is_here: Callable[[], bool]

    def check_chunks(self) -> None:
        """Verify what is there; damaged chunks are removed, and so computed again."""
        damaged = self.folder.check()
        for name in damaged:
            self.log.write(f"chunk {name} is damaged; it was removed and will be computed again")
        if damaged and self.shown:
            print(f"{len(damaged)} damaged chunks were removed; they are computed again.")

    def run_all(self, stack: ExitStack) -> None:
        """All rounds of the study. The folder becomes the study's when everything that it needs is there."""
        size = f"{counted(len(self.study.cells), 'cell')} x {counted(self.study.replicates, 'dataset')}"
        self.log.write(f"run: {size}; {self.executor.describe()}")
        known = self._plan(next(iter(rounds(self.study, self._measure)))).fits(self.study)
        done = self._fits_done()
        bar = Progress(done + known, done, self.log, self.shown)
        stack.callback(bar.close)
        stop = stack.enter_context(watched(bar.say))
        execution: Execution | None = None
        provenance, number = Provenance.begin(self.study), len(self.folder.provenance())
        provenance.record["executor"] = self.executor.describe()
        reached = Reached({})
        try:
            for reached in rounds(self.study, self._measure):
                chunks = self._plan(reached)
                if not chunks:
                    continue
                bar.grow(chunks.fits(self.study) - known)
                known = 0
                if execution is None:
                    rehearse(self.study)
                    execution = stack.enter_context(self.executor.open(self.job))
                    execution.prepare(chunks)
                    self._claim()
                    self.folder.write_provenance(number, provenance.unfinished())
                self._write_plan(chunks)
                self._work_off(execution, chunks, bar, provenance, stop)
            if execution is not None:
                self._complete(execution, reached, bar, provenance, stop)
            self._claim()
            if self.folder.lacks(PLAN):
                self._write_plan(())
            if execution is None and self.folder.lacks(PROVENANCE):
                self.folder.write_provenance(number, provenance.finish())
            if self.study.until is not None:
                provenance.record["until"] = reached.record(self.study)
                self.folder.write_reached(reached.record(self.study))
        finally:
            if execution is not None:
                self.folder.write_provenance(number, provenance.finish())
            self.log.write(f"ended: {bar.in_words()}")

    def _complete(self, execution: Execution, reached: Reached, bar: Progress, provenance: Provenance, stop: Stop) -> None:
        """Compute again what somebody removed or damaged meanwhile; raises :class:`StorageError` if that goes on."""
        url = self.folder.place.url
        for attempt in range(AGAIN + 1):
            if not self.is_here():
                raise StorageError(f"{url} was moved or removed while the run wrote there; what is left is where it went.")
            chunks = self._plan(reached)
            if not chunks:
                return
            if attempt < AGAIN:
                self.log.write(f"{counted(len(chunks), 'chunk')} that had been finished must be computed again: gone")
                bar.grow(chunks.fits(self.study))
                self._work_off(execution, chunks, bar, provenance, stop)
        raise StorageError(
            f"{url} lacks {sum(map(len, chunks)):,} datasets that were computed: something removes or changes its chunks. Stop "
            "that, and give the same command again."
        )

    def _claim(self) -> None:
        """The folder is the study's from now on; where a rule stopped it before is forgotten."""
        self.folder.claim(self.study)
        if self.study.until is not None:
            self.folder.place.remove(REACHED)

    def _work_off(self, execution: Execution, chunks: Sequence[Chunk], bar: Progress, provenance: Provenance, stop: Stop) -> None:
        done = 0
        for finished in execution.map(chunks, bar, stop):
            done += 1
            self._note(finished, done, len(chunks), provenance)
        if done < len(chunks):
            raise Interrupted(f"stopped after {done} of {counted(len(chunks), 'chunk')}")

    def _note(self, finished: Finished, done: int, total: int, provenance: Provenance) -> None:
        for phase, seconds in finished.seconds.items():
            provenance.spend(phase, seconds)
        provenance.add_versions(finished.versions)
        spent = duration(sum(finished.seconds.values()))
        what = f"{counted(len(finished.chunk), 'dataset')}, {counted(finished.failures, 'fit')} failed, {spent} of work"
        self.log.write(f"chunk {done} of {total}: {what}, {finished.name}")

    def _plan(self, reached: Reached) -> Plan:
        def limit(shape: Shape) -> int:
            """Datasets of a chunk of a shape."""
            return memories.chunk_datasets(self.study, shape, self.job.memory, self.executor.beside, self.batch)

        return plan(self.study, self.folder.coverage(), limit=limit, replicates=reached.replicates)

    def _write_plan(self, chunks: Sequence[Chunk]) -> None:
        design = hashlib.sha256(self.study.to_json().encode()).hexdigest()
        self.folder.write_plan(
            {
                "fingerprint": design,
                "dtype": self.study.dtype,
                "memory": self.job.memory,
                "chunks": [
                    {"identity": c.identity(self.study), "groups": c.shape.groups, "tile": c.shape.tile, "datasets": len(c)}
                    for c in chunks
                ],
            }
        )

    def _fits_done(self) -> int:
        return sum(entry.about.datasets * len(entry.about.models) for entry in self.folder.entries())

    def _measure(self, measure: str, truth: str | None, replicates: int, cells: tuple[int, ...]) -> pd.DataFrame:
        """Lines by cell, strategy and coefficient of the first so many replicates."""
        performance = Results(self.folder).performance_of(replicates, cells)
        return performance.measures(["cell", "model", "term"], measures=[measure], truth=truth)
