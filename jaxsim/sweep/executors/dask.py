"""On a Dask cluster: worker processes, here or on other machines, compute chunks and put them into the store they share.

A chunk is small to describe (cells and replicates) and its result is its file, so that nothing but names travels. A worker that
dies takes nothing with it: Dask gives its chunk to another, and a chunk that was stored twice is read once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxsim.design import Study
from jaxsim.errors import InputError
from jaxsim.store.folder import Folder
from jaxsim.store.place import LocalPlace, place_of
from jaxsim.sweep.executors.base import Executor, Finished, Job, Session
from jaxsim.sweep.executors.local import write
from jaxsim.sweep.plan import Chunk
from jaxsim.sweep.worker import Listener, Step, Worker

CLUSTERS: tuple[str, ...] = ("local", "slurm", "pbs")
# Chunks handed out for each worker: one in the making, one so that it never waits.
AHEAD = 2


@dataclass(frozen=True)
class Dask(Executor):
    """A Dask cluster: one that is running, or one started for this run.

    Args:
        scheduler: address of a running scheduler, ``tcp://host:8786``; None starts a cluster.
        cluster: what to start: ``local`` worker processes on this machine, or ``slurm`` or ``pbs`` jobs (by dask-jobqueue, which takes
            its settings from ``options`` and from its own configuration file); or a cluster object of Dask's.
        workers: how many to start, or to wait for.
        options: arguments of the cluster, such as ``{"queue": "long", "walltime": "08:00:00"}``.
    """

    scheduler: str | None = None
    cluster: Any = "local"
    workers: int = 2
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def beside(self) -> int:
        return 1

    def describe(self) -> str:
        where = self.scheduler or (self.cluster if isinstance(self.cluster, str) else type(self.cluster).__name__)
        return f"dask, {where}, {self.workers} workers"

    @contextmanager
    def open(self, job: Job) -> Iterator[Session]:
        distributed = import_distributed()
        with ExitStack() as stack:
            try:
                client = stack.enter_context(distributed.Client(self.scheduler or self._start(stack), set_as_default=False))
            except OSError as error:
                raise InputError(
                    f"no Dask scheduler answers at {self.scheduler}: {error}. Start one with `dask scheduler`."
                ) from error
            if self.scheduler is None:
                client.wait_for_workers(1)
            yield _DaskSession(job, client, self.workers)

    def _start(self, stack: ExitStack) -> Any:
        """The cluster, running; it ends with the run if it was started here."""
        if not isinstance(self.cluster, str):
            return self.cluster
        if self.cluster == "local":
            from distributed import LocalCluster  # noqa: PLC0415 - an extra

            settings = {"processes": True, "threads_per_worker": 1, "dashboard_address": None, **self.options}
            return stack.enter_context(LocalCluster(n_workers=self.workers, **settings))
        kind = import_jobqueue(self.cluster)
        cluster = stack.enter_context(kind(**self.options))
        cluster.scale(jobs=self.workers)
        return cluster


@dataclass(frozen=True)
class _DaskSession(Session):
    job: Job
    client: Any
    workers: int

    def map(self, chunks: Sequence[Chunk], listen: Listener, stop: Callable[[], bool]) -> Iterator[Finished]:
        from distributed import KilledWorker, as_completed  # noqa: PLC0415 - an extra

        url = self.job.place.url
        if isinstance(self.job.place, LocalPlace):
            url = str(Path(url).resolve())
        task = Task(self.job.study.to_json(), url, self.job.memory)
        waiting, open_chunks = iter(chunks), dict[Any, Chunk]()
        done = as_completed()

        def hand_out() -> None:
            while not stop() and len(open_chunks) < AHEAD * max(self.workers, len(self.client.nthreads())):
                chunk = next(waiting, None)
                if chunk is None:
                    return
                future = self.client.submit(compute, task, chunk, key=f"jaxsim-{chunk.identity(self.job.study)}", pure=True)
                open_chunks[future] = chunk
                done.add(future)

        try:
            hand_out()
            for future in done:
                chunk = open_chunks.pop(future)
                try:
                    name, failures, seconds, versions = future.result()
                except KilledWorker as error:
                    raise InputError(
                        f"the chunk that begins with cell {chunk.spans[0][0]}, replicate {chunk.spans[0][1]} ended every worker that took "
                        f"it ({error}); is their memory too small? Try --memory. The same command goes on from there."
                    ) from error
                listen(Step(chunk.fits(self.job.study), failures, f"{len(self.client.nthreads())} workers"))
                yield Finished(chunk, name, failures, seconds, versions)
                hand_out()
        finally:
            self.client.cancel(list(open_chunks))


@dataclass(frozen=True)
class Task:
    """What a worker process needs to know of a study."""

    study: str
    url: str
    memory: int


# Programs and running software of this process, by study: kept from chunk to chunk.
_WORKERS: dict[str, Worker] = {}
_LOCK = threading.Lock()


def compute(task: Task, chunk: Chunk) -> tuple[str, int, dict[str, float], dict[str, str]]:
    """In a worker process: compute a chunk and store it; its file's name, failures, seconds, versions."""
    with _LOCK:  # a process computes one chunk at a time, whatever the number of its threads
        if task.study not in _WORKERS:
            for worker in _WORKERS.values():
                worker.stack.close()
            _WORKERS.clear()
            _WORKERS[task.study] = Worker(Study.from_json(task.study), threads=1)
        worker = _WORKERS[task.study]
        computed = worker.compute(chunk, lambda step: None)
        place = place_of(task.url)
        found = write(Job(worker.study, place, task.memory), Folder(place), worker, computed)
    return found.name, found.failures, found.seconds, found.versions


def import_distributed() -> Any:
    """The package; raises :class:`InputError` that names the extra."""
    try:
        import distributed  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError("--executor dask needs Dask: pip install 'jaxsim-studies[dask]'.") from error
    return distributed


def import_jobqueue(kind: str) -> Any:
    """The class of clusters of a queueing system."""
    if kind not in CLUSTERS:
        raise InputError(f"cluster={kind!r} is not known; use one of {', '.join(map(repr, CLUSTERS))}.")
    try:
        import dask_jobqueue  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(f"a {kind} cluster needs dask-jobqueue: pip install 'jaxsim-studies[dask]'.") from error
    return {"slurm": dask_jobqueue.SLURMCluster, "pbs": dask_jobqueue.PBSCluster}[kind]
