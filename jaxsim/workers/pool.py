"""Answer many tasks in worker processes, whatever happens to the processes."""

from __future__ import annotations

import itertools
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Self, TypeVar

from jaxsim.errors import InputError, whole_number
from jaxsim.workers.seat import CLOSED, Job, Jobs, Seat

A = TypeVar("A")
X = TypeVar("X")

# Tasks handed out ahead of the consumer, per worker: enough that no worker waits, few enough that memory stays small.
AHEAD = 4


class NotReady(Exception):
    """The workers cannot answer anything; the text says what they lack."""


class Pool:
    """Worker processes of one kind.

    A worker that dies, or takes too long and is ended, costs the one task it was at; another takes its place. Use it in a ``with``
    statement, or call :meth:`close`.

    Args:
        answering: ``MODULE:NAME`` of what answers in them, see :mod:`jaxsim.workers.program`.
        workers: how many processes.

    Raises:
        NotReady: if they start and then lack something, or do not start.
        InputError: for a number of workers that is none.
    """

    def __init__(self, answering: str, workers: int) -> None:
        self._jobs: Jobs = queue.SimpleQueue()
        self._seats = [Seat(answering) for _ in range(whole_number("workers", workers, 1))]
        self._end = weakref.finalize(self, _end, self._seats, self._jobs)
        self._start()

    def _start(self) -> None:
        try:
            for seat in self._seats:
                seat.take()
            for seat in self._seats:
                seat.greet()
        except BaseException:
            self.close()
            raise
        problem = next((seat.problem for seat in self._seats if seat.problem), "")
        self.versions = self._seats[0].versions
        for seat in self._seats:
            threading.Thread(target=seat.serve, args=(self._jobs,), daemon=True).start()
        if problem:
            self.close()
            raise NotReady(problem)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are running."""
        return tuple(seat.worker.pid for seat in self._seats if seat.worker is not None and seat.worker.running)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return not self._end.alive

    def answers(self, items: Iterable[X], job: Callable[[X], Job[A]]) -> Iterator[A]:
        """The answer to the job that ``job`` makes of each item, in the order of the items.

        Args:
            items: may be a generator: it is read only as far ahead as the workers need.
            job: its :class:`InputError` is raised when the item's turn comes, after the answers before it.

        Raises:
            InputError: of ``job``; if the pool is closed.
        """
        waiting: deque[Future[A]] = deque()
        todo = iter(items)
        try:
            while True:
                for item in itertools.islice(todo, AHEAD * len(self._seats) - len(waiting)):
                    waiting.append(self._submit(item, job))
                if not waiting:
                    return
                yield _result(waiting.popleft())
        finally:
            for left in waiting:
                left.cancel()

    def _submit(self, item: X, job: Callable[[X], Job[A]]) -> Future[A]:
        future: Future[A] = Future()
        try:
            if self.closed:
                raise InputError(CLOSED)
            self._jobs.put((job(item), future))
        except InputError as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """End the workers, in the middle of a task if need be."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _result(future: Future[A]) -> A:
    try:
        return future.result()
    except CancelledError:
        raise InputError(CLOSED) from None


def _end(seats: list[Seat], jobs: Jobs) -> None:
    """End all workers and the threads that speak with them."""
    for seat in seats:
        seat.closed = True
    for seat in seats:
        if seat.worker is not None:
            seat.worker.kill()
        jobs.put(None)
