"""Fit many datasets in worker processes, whatever happens to the processes."""

from __future__ import annotations

import itertools
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import TypeAlias

from jaxsim.bridges.pymer4.process import Died, Worker
from jaxsim.bridges.pymer4.protocol import Task
from jaxsim.errors import InputError
from jaxsim.r.generation import module_for
from jaxsim.r.outcome import Outcome
from jaxsim.r.request import Request, encode
from jaxsim.r.requirements import explain, lacking_for_lme4
from jaxsim.status import Status

TIMEOUT_S = 600.0
# Requests handed out ahead of the consumer, per worker: enough that no worker waits, few enough that memory stays small.
AHEAD = 4
CLOSED = "this pool is closed; open another."

_Tasks: TypeAlias = "queue.SimpleQueue[tuple[Task, Future[Outcome]] | None]"


class Pool:
    """Worker processes that run pymer4, and so lme4.

    A worker that dies costs the one dataset it was fitting, whose status is then ``CRASHED``; another takes its place. Use it in a
    ``with`` statement, or call :meth:`close`.

    Args:
        workers: processes; by default two, or one on a machine with one core.
        timeout: seconds a fit may take before its process is ended.

    Raises:
        InputError: if pymer4, R or a package of R's is missing, naming it and the command that installs it.
    """

    def __init__(self, workers: int | None = None, timeout: float = TIMEOUT_S) -> None:
        if workers is None:
            workers = min(2, os.cpu_count() or 1)
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise InputError(f"workers={workers!r} must be a whole number of processes, at least 1.")
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
            raise InputError(f"timeout={timeout!r} must be a positive number of seconds.")
        lacking = lacking_for_lme4()
        if lacking:
            raise InputError(lacking)
        self._timeout = float(timeout)
        self._tasks: _Tasks = queue.SimpleQueue()
        self._seats = [_Seat() for _ in range(workers)]
        self._end = weakref.finalize(self, _end, self._seats, self._tasks)
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
            threading.Thread(target=seat.serve, args=(self._tasks, self._timeout), daemon=True).start()
        if problem:
            self.close()
            raise InputError(explain(problem))

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are running."""
        return tuple(seat.worker.pid for seat in self._seats if seat.worker is not None and seat.worker.running)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return not self._end.alive

    def map(self, requests: Iterable[Request]) -> Iterator[Outcome]:
        """Fit each request; the outcomes come in the order of the requests.

        Args:
            requests: may be a generator: it is read only as far ahead as the workers need.

        Raises:
            InputError: for a request that could never be fitted, when its turn comes; if the pool is closed.
        """
        waiting: deque[Future[Outcome]] = deque()
        todo = iter(requests)
        try:
            while True:
                for request in itertools.islice(todo, AHEAD * len(self._seats) - len(waiting)):
                    waiting.append(self._submit(request))
                if not waiting:
                    return
                yield _result(waiting.popleft())
        finally:
            for left in waiting:
                left.cancel()

    def fit(self, request: Request) -> Outcome:
        """One request."""
        return next(self.map([request]))

    def _submit(self, request: Request) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        try:
            if self.closed:
                raise InputError(CLOSED)
            self._check(request)
            self._tasks.put((encode(request), future))
        except InputError as error:
            future.set_exception(error)
        return future

    def _check(self, request: Request) -> None:
        """Refuse what the installed software cannot do."""
        if not isinstance(request, Request):
            raise InputError(f"a pool maps over Requests; a {type(request).__name__} was given.")
        if request.kind != "lmer" and module_for(self.versions["pymer4"]).endswith("09"):
            what = {"lm": "cluster-robust errors (lm)", "lm2": "the two-stage analysis (lm2)"}[request.kind]
            raise InputError(f"pymer4 {self.versions['pymer4']} dropped {what}; python -m pip install pymer4==0.8.2 has it.")
        if request.df == "kenward-roger" and "pbkrtest" not in self.versions:
            raise InputError(explain("R lacks the package(s) pbkrtest"))

    def close(self) -> None:
        """End the workers, in the middle of a fit if need be."""
        self._end()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Seat:
    """A place for a worker: whoever sits there may be replaced."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.closed = False
        self.problem = ""
        self.versions: dict[str, str] = {}

    def take(self) -> None:
        """Start a worker."""
        self.worker = Worker()
        if self.closed:  # while it was starting
            self.worker.kill()

    def greet(self) -> None:
        """Wait until it is ready; ``problem`` says if it cannot work."""
        if self.worker is not None:
            hello = self.worker.greet()
            self.problem, self.versions = hello.problem, hello.versions

    def serve(self, tasks: _Tasks, timeout: float) -> None:
        """Answer tasks until the pool closes."""
        while (entry := tasks.get()) is not None:
            task, future = entry
            if self.closed:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self.answer(task, timeout))
            except Exception as error:
                future.set_exception(error)
            if self.worker is not None and not self.worker.running and not self.closed:
                self.replace()
        if self.worker is not None:
            self.worker.close()

    def answer(self, task: Task, timeout: float) -> Outcome:
        """What the worker says, or why it says nothing."""
        if self.problem or self.worker is None:
            return Outcome(Status.CRASHED, (self.problem,), versions=self.versions)
        try:
            answer: Outcome = self.worker.ask(task, timeout)
        except Died as death:
            if self.closed:
                raise InputError(CLOSED) from None
            return Outcome(Status.CRASHED, (f"the process that was fitting died: {death}",), versions=self.versions)
        return answer

    def replace(self) -> None:
        """Put a new worker in the place of a dead one."""
        if self.worker is not None:
            self.worker.close()
        self.take()
        self.greet()


def _result(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except CancelledError:
        raise InputError(CLOSED) from None


def _end(seats: list[_Seat], tasks: _Tasks) -> None:
    """End all workers and the threads that speak with them."""
    for seat in seats:
        seat.closed = True
    for seat in seats:
        if seat.worker is not None:
            seat.worker.kill()
        tasks.put(None)


def check() -> dict[str, str]:
    """Versions of all that a fit needs, found by starting one worker.

    Raises:
        InputError: naming what is missing, and the command that installs it.
    """
    with Pool(1) as pool:
        return pool.versions
