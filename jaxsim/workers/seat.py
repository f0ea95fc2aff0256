"""A place for a worker: whoever sits there may be replaced."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from jaxsim.errors import InputError
from jaxsim.workers.child import START_TIMEOUT_S, Child, Died

A = TypeVar("A")

CLOSED = "this pool is closed; open another."


@dataclass(frozen=True, eq=False)
class Job(Generic[A]):
    """A task, and what becomes of it.

    Attributes:
        task: what the worker is sent.
        timeout: seconds it may take before its process is ended.
        lost: the answer if the process dies or is ended, from the reason and the seconds that passed.
        first: a name, and what each worker is sent once, before its first job of that name: to read what it needs for them, in the
            time that it may take to start. The answer to that is not looked at.
    """

    task: Any
    timeout: float
    lost: Callable[[str, float], A]
    first: tuple[str, Any] | None = None


Jobs: TypeAlias = "queue.SimpleQueue[tuple[Job[Any], Future[Any]] | None]"


class Seat:
    """Serves jobs with one worker after the other, each a process that runs ``answering`` (``MODULE:NAME``)."""

    def __init__(self, answering: str) -> None:
        self.answering = answering
        self.worker: Child | None = None
        self.closed = False
        self.problem = ""
        self.versions: dict[str, str] = {}
        self._told: set[str] = set()

    def take(self) -> None:
        """Start a worker."""
        self.worker = Child(self.answering)
        self._told = set()
        if self.closed:  # while it was starting
            self.worker.kill()

    def greet(self) -> None:
        """Wait until it is ready; ``problem`` says if it cannot work."""
        if self.worker is not None:
            hello = self.worker.greet()
            self.problem, self.versions = hello.problem, hello.versions

    def serve(self, jobs: Jobs) -> None:
        """Answer jobs until the pool closes."""
        while (entry := jobs.get()) is not None:
            job, future = entry
            if self.closed:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                self.replace_dead()  # who died with nothing to do
                future.set_result(self.answer(job))
            except Exception as error:
                future.set_exception(error)
            del entry, job, future  # answers may be large, and the next job long in coming
            self.replace_dead()
        if self.worker is not None:
            self.worker.close()

    def answer(self, job: Job[A]) -> A:
        """What the worker says, or the job's own answer if it says nothing."""
        if self.problem or self.worker is None:
            return job.lost(self.problem, 0.0)
        start = time.perf_counter()
        try:
            if job.first is not None and job.first[0] not in self._told:
                self.worker.ask(job.first[1], START_TIMEOUT_S)
                self._told.add(job.first[0])
                start = time.perf_counter()
            answer: A = self.worker.ask(job.task, job.timeout)
        except Died as death:
            if self.closed:
                raise InputError(CLOSED) from None
            return job.lost(f"the process that was fitting died: {death}", time.perf_counter() - start)
        return answer

    def replace_dead(self) -> None:
        """Put a new worker in the place of a dead one; if the machine has no room for it, the next job tries again."""
        if self.worker is None or self.worker.running or self.closed:
            return
        self.worker.close()
        try:
            self.take()
        except OSError as error:
            self.problem = f"a worker process could not start: {error}"
        else:
            self.greet()
