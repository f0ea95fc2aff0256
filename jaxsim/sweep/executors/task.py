"""What a Dask worker process does: it computes the chunks that it is given and puts each into the store."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxsim.errors import InputError
from jaxsim.store.folder import Folder
from jaxsim.store.ours import STUDY
from jaxsim.store.place import LocalPlace, Place
from jaxsim.store.provenance import version
from jaxsim.study.shipping import own_parts, pack, unpack
from jaxsim.study.study import Study
from jaxsim.sweep.executors.base import Job
from jaxsim.sweep.executors.local import write
from jaxsim.sweep.plan import Chunk
from jaxsim.sweep.shape import Shape
from jaxsim.sweep.worker import Worker

# What must be the same everywhere for the numbers to be.
PACKAGES = ("jaxsim-studies", "jax")


@dataclass(frozen=True)
class Task:
    """What a worker process needs to know of a job: the study as JSON, the store, memory, and versions of ``PACKAGES``.

    ``content`` is the study with the code of a user's own parts, if it has any (see :mod:`jaxsim.study.shipping`).
    """

    study: str
    place: Place
    memory: int
    content: bytes | None = None
    versions: tuple[str, ...] = tuple(map(version, PACKAGES))

    @classmethod
    def of(cls, job: Job) -> Task:
        """A job's; a folder gets its whole path, since workers stand elsewhere."""
        place = LocalPlace(Path(job.place.url).absolute()) if isinstance(job.place, LocalPlace) else job.place
        own = next(own_parts([getattr(job.study, field.name) for field in dataclasses.fields(job.study)]), None)
        return cls(job.study.to_json(), place, job.memory, None if own is None else pack(job.study))

    def load(self) -> Study:
        """The study, in a worker process."""
        return Study.from_json(self.study) if self.content is None else unpack(self.content)


@dataclass
class _Desk:
    """A study that this process computes: its programs and running software, and the stores that were found to be its."""

    worker: Worker
    seen: set[str] = field(default_factory=set)

    @property
    def study(self) -> Study:
        return self.worker.study

    def check(self, place: Place) -> Folder:
        """The store; raises :class:`InputError` if this process does not see what the run sees."""
        folder = Folder(place)
        if place.url not in self.seen:
            try:
                same = folder.study().to_json() == self.study.to_json()
            except InputError:
                same = False
            if not same:
                raise InputError(
                    f"the worker on {socket.gethostname()} does not see the run's results in {place.url} (its {STUDY}). Give --out "
                    "a folder that all machines share under one name, or an address such as s3://bucket/study."
                )
            self.seen.add(place.url)
        return folder


# The study of this process, by its description: what was compiled for it serves all its chunks.
_DESKS: dict[str, _Desk] = {}
_LOCK = threading.Lock()


def compute(task: Task, chunk: Chunk) -> tuple[str, int, dict[str, float], dict[str, str]]:
    """In a worker process: compute a chunk and store it; its file's name, failures, seconds, versions.

    A process computes one chunk at a time, whatever the number of its threads. Its kind of device decides how many datasets a
    program takes, not that of the process which made the plan.
    """
    with _LOCK:
        desk = _desk(task)
        folder = desk.check(task.place)
        chunk = dataclasses.replace(chunk, shape=Shape.of(desk.study.cells[chunk.spans[0][0]], chunk.shape.bounds))
        computed = desk.worker.compute(chunk, lambda step: None)
        found = write(Job(desk.study, task.place, task.memory), folder, desk.worker, computed)
    return found.name, found.failures, found.seconds, found.versions


@dataclass(frozen=True)
class Call:
    """:func:`compute` of a task and a chunk, done where this is unpickled.

    A worker process unpickles what it is sent when it reads it, and ends if it cannot. Bytes it can: a process without jaxsim then
    fails at its task, and says why.
    """

    task: Task
    chunk: Chunk

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Task, Chunk]]:
        return compute, (self.task, self.chunk)


def _desk(task: Task) -> _Desk:
    """The desk of the task's study; an older one is cleared away first."""
    here = tuple(map(version, PACKAGES))
    if here != task.versions:
        both = ", ".join(f"{name} {a} there, {b} here" for name, a, b in zip(PACKAGES, here, task.versions, strict=True) if a != b)
        raise InputError(f"the worker on {socket.gethostname()} has other versions: {both}. Start workers in the same environment.")
    if task.study not in _DESKS:
        while _DESKS:
            _DESKS.popitem()[1].worker.stack.close()
        _DESKS[task.study] = _Desk(Worker(task.load(), threads=1))
    return _DESKS[task.study]
