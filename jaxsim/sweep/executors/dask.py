"""On a Dask cluster: worker processes, here or on other machines, compute chunks and put them into the store they share.

A chunk is small to describe (cells and replicates) and its result is its file, so that nothing but names travels. A worker that
dies takes nothing with it: Dask gives its chunks to others, and a chunk that was stored twice is read once.
"""

from __future__ import annotations

import pickle
import queue
import re
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from jaxsim.counts import counted
from jaxsim.errors import InputError, choose
from jaxsim.store.ours import CHUNKS
from jaxsim.sweep.executors.base import Execution, Executor, Finished, Job
from jaxsim.sweep.executors.clusters import CLUSTERS, import_distributed, start
from jaxsim.sweep.executors.jobs import COMMANDS, Jobs
from jaxsim.sweep.executors.task import Call, Task
from jaxsim.sweep.plan import Chunk
from jaxsim.sweep.worker import Listener, Step

# Chunks handed out for each worker: one in the making, one so that it never waits.
AHEAD = 2
# Seconds for a scheduler or a worker to answer: one that runs does so in milliseconds, over a busy network in one or two.
ANSWER = 10
# Seconds between looks at the crew when no chunk is finished: what a person waits for an answer to Ctrl-C.
LOOK = 1.0
ADDRESS = re.compile(r"(?:(?:tcp|tls|ucx|ws|wss)://)?(?:[\w.-]+|\[[\da-fA-F:.%]+\]):\d+")


@dataclass(frozen=True)
class Dask(Executor):
    """A Dask cluster: one that is running, or one started for this run.

    Args:
        scheduler: address of a running scheduler, ``tcp://host:8786``; None starts a cluster.
        cluster: what to start: ``local`` worker processes on this machine, or ``slurm`` or ``pbs`` jobs (by dask-jobqueue, which
            takes its settings from ``options`` and from its own configuration file); or a cluster object of Dask's.
        workers: worker processes or jobs to start.
        options: arguments of the cluster, such as ``{"queue": "long", "walltime": "08:00:00"}``.

    Raises:
        InputError: for an address, a kind of cluster or a number of workers that cannot be.
    """

    scheduler: str | None = None
    cluster: Any = "local"
    workers: int = 2
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.scheduler is not None and not ADDRESS.fullmatch(self.scheduler):
            raise InputError(
                f"scheduler={self.scheduler!r} is no address of a Dask scheduler; give the one that `dask scheduler` prints, "
                "such as tcp://10.0.0.1:8786."
            )
        if isinstance(self.cluster, str):
            choose("cluster", self.cluster, CLUSTERS)
        if self.workers < 1:
            raise InputError(f"workers={self.workers}: give at least 1.")

    @property
    def beside(self) -> int:
        return 1

    @property
    def sharing(self) -> int:
        return self.workers if self.scheduler is None and self.cluster == "local" else 1

    def describe(self) -> str:
        """By its scheduler's address, or by what the workers are."""
        if self.scheduler is not None:
            return f"dask, {self.scheduler}"
        if isinstance(self.cluster, str):
            return f"dask, {self.cluster}, {counted(self.workers, 'worker')}"
        return f"dask, {type(self.cluster).__name__}"

    @contextmanager
    def open(self, job: Job) -> Iterator[Execution]:
        """With a cluster that is started for the run, or one that is there; raises :class:`InputError` if it does not answer."""
        distributed = import_distributed()
        with ExitStack() as stack:
            cluster = self.cluster
            if self.scheduler is None and isinstance(cluster, str):
                cluster = stack.enter_context(start(cluster, self.workers, self.options))
            try:
                client = distributed.Client(self.scheduler or cluster, set_as_default=False, timeout=ANSWER)
            except (OSError, TypeError) as error:  # TypeError: TLS without certificates
                raise self._no_answer(error) from error
            stack.enter_context(client)
            queued = self.scheduler is None and self.cluster in COMMANDS
            yield _DaskExecution(job, client, Jobs(cluster, self.workers if queued else 0))

    def _no_answer(self, error: Exception) -> InputError:
        tls = " (its certificates belong in Dask's configuration, as distributed.comm.tls)"
        where = f"{self.scheduler}{tls if str(self.scheduler).startswith('tls://') else ''}"
        return InputError(
            f"no Dask scheduler answers at {where} within {ANSWER} s ({error}). Start one with `dask scheduler` and give the "
            "address that it prints, or leave --scheduler out to have a cluster started."
        )


@dataclass
class _DaskExecution(Execution):
    """Hands chunks to the workers that there are, and more as more come.

    Attributes:
        job: what is computed.
        client: of the scheduler.
        jobs: of a queueing system, if the run submitted any.
        crew: addresses of the workers, when last looked.
        token: tells this execution's tasks from those of other runs at the same scheduler.
    """

    job: Job
    client: Any
    jobs: Jobs
    crew: frozenset[str] | None = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def map(self, chunks: Sequence[Chunk], listen: Listener, stop: Callable[[], bool]) -> Iterator[Finished]:
        """Chunks as they are finished; a few wait at each worker, and none is handed out once the run is to stop."""
        task = Task.of(self.job)
        waiting, given, done = deque(chunks), dict[str, tuple[Any, Chunk]](), queue.SimpleQueue[Any]()
        self._look(listen)
        try:
            while True:
                while waiting and not stop() and len(given) < AHEAD * max(1, len(self.crew or ())):
                    future, chunk = self._hand_out(task, waiting.popleft())
                    given[future.key] = future, chunk
                    future.add_done_callback(done.put)
                if not given or (stop() and not self.crew):
                    return
                try:
                    future, chunk = given.pop(done.get(timeout=LOOK).key)
                except queue.Empty:
                    self._look(listen)
                    continue
                finished = self._stored(future, chunk)
                self._look(listen)
                if finished is None:
                    given[future.key] = future, chunk
                    done.put(future)
                    continue
                listen(Step(chunk.fits(self.job.study), finished.failures, counted(len(self.crew or ()), "worker")))
                yield finished
        finally:
            if given and self.client.status == "running":
                self.client.cancel([future for future, _ in given.values()], reason="the run ended")

    def _hand_out(self, task: Task, chunk: Chunk) -> tuple[Any, Chunk]:
        key = f"jaxsim-{chunk.identity(self.job.study)}-{self.token}"
        sent = replace(chunk, shape=replace(chunk.shape, program=None))  # a worker makes its own, whose classes may be the user's
        return self.client.submit(pickle.loads, pickle.dumps(Call(task, sent)), key=key), chunk

    def _look(self, listen: Listener) -> None:
        """See which workers there are; say so if some are gone, or none has come yet."""
        try:
            now = frozenset(self.client.nthreads())
        except (OSError, RuntimeError, CancelledError) as error:
            raise self._no_scheduler() from error
        if not now and self.crew is None:
            listen(Step(0, 0, "no worker yet", "no worker yet; the run begins when one comes"))
        gone = (self.crew or frozenset()) - now
        if gone:
            names = ", ".join(sorted(gone))
            line = f"workers gone: {names}; still there: {len(now)}. What those had not finished is computed again."
            listen(Step(0, 0, counted(len(now), "worker"), line))
        line = self.jobs.keep()
        if line:
            listen(Step(0, 0, counted(len(now), "worker"), line))
        self.crew = now

    def _stored(self, future: Any, chunk: Chunk) -> Finished | None:
        """What a worker says of a chunk; its file must be in the store as this process sees it.

        None if the worker is gone with its answer: Dask has the chunk computed again, as soon as there is a worker.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - an extra

        try:
            finished = future.result(ANSWER)
        except TimeoutError:
            if future.status == "error":  # not of waiting, but of the work
                raise
            return None
        except KilledWorker as error:
            cell, first, _ = chunk.spans[0]
            raise InputError(
                f"every worker that took the chunk of cell {cell} from replicate {first} on died ({error}). Is their memory too "
                "small, or their time too short? Give less --memory or a smaller --batch; the same command goes on from there."
            ) from error
        except ModuleNotFoundError as error:
            raise InputError(
                f"a worker cannot import what it needs ({error}); start workers in an environment like this one."
            ) from error
        except CancelledError as error:
            raise self._no_scheduler() from error
        if not self.job.place.exists(f"{CHUNKS}/{finished[0]}"):
            raise InputError(
                f"a worker stored the chunk {finished[0]}, but it is not in {self.job.place.url} here: the workers see another "
                "folder under this name. Give --out a folder that all machines share, or an address such as s3://bucket/study."
            )
        return Finished(chunk, *finished)

    def _no_scheduler(self) -> InputError:
        return InputError("the Dask scheduler is gone. What was finished is kept; start a scheduler, and the same command goes on.")
