"""What an executor is: it computes chunks and stores each, in any order and any number of times; the numbers are the same."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from jaxsim.store.place import Place
from jaxsim.study.study import Study
from jaxsim.sweep.plan import Chunk
from jaxsim.sweep.worker import Listener


@dataclass(frozen=True)
class Job:
    """A study, where its results go, and the bytes a process may use for the chunks it works on."""

    study: Study
    place: Place
    memory: int


@dataclass(frozen=True)
class Finished:
    """A chunk that is stored: its file, fits without a usable answer, seconds by phase, versions of other software."""

    chunk: Chunk
    name: str
    failures: int
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


class Execution(abc.ABC):
    """An executor at work on one job."""

    def prepare(self, chunks: Sequence[Chunk]) -> None:  # noqa: B027 - most need nothing
        """Start what the chunks need beyond JAX; raises :class:`jaxsim.InputError` if it is not there."""

    @abc.abstractmethod
    def map(self, chunks: Sequence[Chunk], listen: Listener, stop: Callable[[], bool]) -> Iterator[Finished]:
        """Compute and store chunks, and say which are done as they are; begin none once ``stop()`` is true."""


class Executor(abc.ABC):
    """Where chunks are computed."""

    @property
    @abc.abstractmethod
    def beside(self) -> int:
        """Tiles that one process has in the making at a time."""

    @property
    def sharing(self) -> int:
        """Processes that share this machine's memory."""
        return 1

    @abc.abstractmethod
    def describe(self) -> str:
        """A few words for the log and the provenance."""

    @abc.abstractmethod
    def open(self, job: Job) -> AbstractContextManager[Execution]:
        """Get ready for a job; raises :class:`jaxsim.InputError` if something that it needs is missing."""
