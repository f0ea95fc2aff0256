"""Python functions of a user's, called in worker processes: whatever they do costs one call at most."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from jaxsim.errors import InputError, whole_number
from jaxsim.workers.by_value import dumps
from jaxsim.workers.cores import usable_cores
from jaxsim.workers.culprit import culprit, refusal, type_of
from jaxsim.workers.pool import NotReady, Pool
from jaxsim.workers.python import Reading, Reply, Task
from jaxsim.workers.seat import Job
from jaxsim.workers.shared import shared

ANSWERING = "jaxsim.workers.python:Answering"
TIME_LIMIT_S = 600.0


def pickle_function(function: Callable[..., Any]) -> bytes:
    """A function as worker processes read it, with all of the user's own code that it uses.

    What scripts, notebooks and modules beside them define goes along by value; installed packages, the standard library and jaxsim
    are imported by the worker. The bytes differ from session to session: they are no name for the function.

    Raises:
        InputError: if something that it uses cannot be pickled, naming that.
    """
    if not callable(function):
        raise InputError(f"a {type(function).__name__} was given where a function is needed.")
    try:
        return dumps(function)
    except Exception:
        raise InputError(f"{culprit(function)}, which cannot be sent to a worker process; make it inside the function.") from None


def function_id(function_bytes: bytes) -> str:
    """The name under which a worker keeps a function: a digest of its bytes."""
    return hashlib.sha256(function_bytes).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Call:
    """A function to be called with some arguments.

    Attributes:
        function_bytes: of :func:`pickle_function`.
        id: :func:`function_id` of these.
        args, kwargs: anything that pickle can send; a user's own classes go along by value.
        time_limit: seconds that the call may take, after which its process is ended. What the function imports when it runs counts;
            what it has imported at the top of its file does not.
    """

    function_bytes: bytes
    id: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    time_limit: float = TIME_LIMIT_S

    def __post_init__(self) -> None:
        limit = self.time_limit
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
            raise InputError(f"time_limit={limit!r} must be a positive number of seconds.")


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of a call.

    Attributes:
        value: that the function returned; None if it did not.
        error: the exception's type and message, and the line of the user's code; or how the process died. Empty if it returned.
        seconds: that the call took; until the process was gone if it died.
        died: whether the process died, or was ended for taking too long.
    """

    value: Any
    error: str
    seconds: float
    died: bool


class PythonPool(Pool):
    """Worker processes that call Python functions, one thread each.

    Args:
        workers: processes; by default as many as this process may use cores.

    Raises:
        InputError: if they cannot start; for a number of workers that is none.
    """

    def __init__(self, workers: int | None = None) -> None:
        try:
            super().__init__(ANSWERING, usable_cores() if workers is None else workers)
        except NotReady as problem:
            raise InputError(f"Python functions cannot be called in worker processes here: {problem}") from None

    def call_all(self, calls: Iterable[Call]) -> Iterator[Answer]:
        """The answers to the calls, in their order.

        Args:
            calls: may be a generator: it is read only as far ahead as the workers need.

        Raises:
            InputError: for arguments that cannot be pickled, when their turn comes; if the pool is closed.
        """
        for reply in self.answers(calls, _job):
            yield _answer(reply)


def python_pool(workers: int | None = None) -> AbstractContextManager[PythonPool]:
    """A pool shared by all ``with`` blocks that are open at the same time and ask for the same number of workers.

    Args:
        workers: processes; by default as many as this process may use cores.

    Raises:
        InputError: as :class:`PythonPool`.
    """
    count = usable_cores() if workers is None else whole_number("workers", workers, 1)
    return shared(("Python", count), lambda: PythonPool(count))


def _job(call: Call) -> Job[Reply]:
    if not isinstance(call, Call):
        raise InputError(f"calls must be Calls; a {type(call).__name__} was given.")
    arguments = _arguments(call)
    return Job(Task(call.id, arguments), call.time_limit, _lost, first=(call.id, Reading(call.id, call.function_bytes, arguments)))


def _arguments(call: Call) -> bytes:
    try:
        return dumps((call.args, dict(call.kwargs)))
    except Exception:
        named = [(f"argument {k + 1}", value) for k, value in enumerate(call.args)]
        named += [(f"the argument {name!r}", value) for name, value in call.kwargs.items()]
        bad = (f"{name} is of type {type_of(value)}" for name, value in named if refusal(value) is not None)
        words = next(bad, "the arguments hold something")
        raise InputError(f"{words}, which cannot be sent to a worker process.") from None


def _lost(reason: str, seconds: float) -> Reply:
    return Reply(b"", reason, seconds, died=True)


def _answer(reply: Reply) -> Answer:
    if reply.error:
        return Answer(None, reply.error, reply.seconds, reply.died)
    try:
        return Answer(pickle.loads(reply.value), "", reply.seconds, False)
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return Answer(None, f"what the function returned cannot be read in this process: {words}", reply.seconds, False)
