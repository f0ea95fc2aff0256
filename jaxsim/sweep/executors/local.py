"""In this process: chunks one after the other, the last one being written while the next is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import jax

from jaxsim.counts import counted
from jaxsim.errors import InputError
from jaxsim.store.folder import Folder
from jaxsim.sweep.executors.base import Execution, Executor, Finished, Job
from jaxsim.sweep.plan import Chunk
from jaxsim.sweep.worker import Computed, Listener, Worker, finish
from jaxsim.workers.cores import usable_cores


@dataclass(frozen=True)
class Local(Executor):
    """This process.

    Args:
        devices: how many of the local devices share the datasets; all GPUs, or one CPU device, when None.
        threads: tiles computed beside each other; on CPU a core each, when None.
        meanwhile: what this process may do once, on a thread that has nothing left to compile. What goes wrong with it is not told:
            whoever needs what it does will find out.
    """

    devices: int | None = None
    threads: int | None = None
    meanwhile: Callable[[], object] | None = field(default=None, repr=False, compare=False)

    @property
    def chosen(self) -> tuple[jax.Device, ...]:
        """The devices; raises :class:`InputError` if there are not so many."""
        there = tuple(jax.local_devices())
        if self.devices is None:
            return there[:1] if there[0].platform == "cpu" else there
        if not 1 <= self.devices <= len(there):
            raise InputError(
                f"devices={self.devices}: JAX sees {len(there)} ({there[0].platform}); give 1 to {len(there)} (more CPU devices: "
                "XLA_FLAGS=--xla_force_host_platform_device_count=8)."
            )
        return there[: self.devices]

    @property
    def beside(self) -> int:
        return self.threads or max(len(self.chosen), usable_cores() if self.chosen[0].platform == "cpu" else 1)

    def describe(self) -> str:
        devices = self.chosen
        return f"local, {len(devices)} x {devices[0].platform}, {counted(self.beside, 'tile')} at a time"

    @contextmanager
    def open(self, job: Job) -> Iterator[Execution]:
        with Worker(job.study, self.chosen, self.beside) as worker, ThreadPoolExecutor(1, "write") as writer:
            yield _LocalExecution(job, Folder(job.place), worker, writer, [self.meanwhile] if self.meanwhile else [])


@dataclass(frozen=True)
class _LocalExecution(Execution):
    job: Job
    folder: Folder
    worker: Worker
    writer: ThreadPoolExecutor
    meanwhile: list[Callable[[], object]]

    def prepare(self, chunks: Sequence[Chunk]) -> None:
        self.worker.open_sessions(tuple(chunks))

    def map(self, chunks: Sequence[Chunk], listen: Listener, stop: Callable[[], bool]) -> Iterator[Finished]:
        """Chunks in turn: each is written while the next is computed, and all that are begun are stored."""
        for chunk in chunks:
            self.worker.prepare(chunk)
        while self.meanwhile:
            self.worker.programs.pool.submit(self.meanwhile.pop())
        writing: Future[Finished] | None = None
        try:
            for chunk in chunks:
                if stop():
                    break
                computed = self.worker.compute(chunk, listen)
                if writing is not None:
                    yield writing.result()
                writing = self.writer.submit(self._write, computed)
            if writing is not None:
                yield writing.result()
                writing = None
        finally:
            if writing is not None:  # an error in the next chunk must not cost this one
                writing.exception()

    def _write(self, computed: Computed) -> Finished:
        return write(self.job, self.folder, self.worker, computed)


def write(job: Job, folder: Folder, worker: Worker, computed: Computed) -> Finished:
    """Store a computed chunk."""
    table, about = finish(job.study, computed, worker.made)
    name = folder.write_chunk(table, about)
    return Finished(computed.chunk, name, about.failures, computed.seconds, worker.versions)
