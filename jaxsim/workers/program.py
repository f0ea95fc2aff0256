"""The program of a worker, ``python -P -m jaxsim.workers.program MODULE:NAME``: answers tasks until its input ends.

``NAME()`` of ``MODULE`` makes the object that answers; what that starts (R, say) starts with it.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from typing import IO, Any, Protocol, cast

from jaxsim.workers.protocol import Hello, pack, receive, send

PARENT_CHECK_S = 2.0


class Answering(Protocol):
    """What answers tasks: ``versions`` of what it consists of, and a ``problem`` if it cannot answer any, else empty."""

    versions: dict[str, str]
    problem: str

    def answer(self, task: Any) -> Any:
        """The answer to one task, which pickle can send; an exception ends the process."""


def main(name: str) -> None:
    """Greet, then answer."""
    tasks, answers = _channels()
    _end_with_parent()
    answering, hello = _start(name)
    send(answers, pack(hello))
    while answering is not None:
        try:
            task = receive(tasks)
        except EOFError:
            return
        send(answers, pack(answering.answer(task)))


def _channels() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes of the protocol; standard output then goes where errors go, so that nothing that prints can get in between."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    return tasks, answers


def _end_with_parent() -> None:
    """Do not outlive a parent that was killed in the middle of a long task."""
    parent = os.getppid()

    def watch() -> None:
        """End when the parent has."""
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _start(name: str) -> tuple[Answering | None, Hello]:
    module, _, attribute = name.partition(":")
    try:
        answering = cast(Answering, getattr(importlib.import_module(module), attribute)())
    except BaseException as error:
        return None, Hello(problem=f"{type(error).__name__}: {error}")
    return answering, Hello(answering.versions, answering.problem)


if __name__ == "__main__":
    main(sys.argv[1])
