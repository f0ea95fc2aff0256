"""The program of a worker, ``python -m jaxsim.bridges.pymer4.worker``: starts R, then answers tasks until its input ends."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import threading
import time
from typing import IO, TYPE_CHECKING

from jaxsim.bridges.pymer4.protocol import Hello, Task, receive, send

if TYPE_CHECKING:
    from jaxsim.bridges.pymer4.session import Session

PARENT_CHECK_S = 2.0


def main() -> None:
    """Greet, then fit."""
    tasks, answers = _channels()
    _end_with_parent()
    session, hello = _start()
    send(answers, hello)
    while session is not None:
        try:
            task: Task = receive(tasks)
        except EOFError:
            return
        send(answers, session.answer(task))


def _channels() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes of the protocol; standard output then goes where errors go, so that nothing that prints can get in between."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    return tasks, answers


def _end_with_parent() -> None:
    """Do not outlive a parent that was killed in the middle of a long fit."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _start() -> tuple[Session | None, Hello]:
    try:
        from jaxsim.bridges.pymer4.session import Session  # noqa: PLC0415 (it starts R, which can fail)

        session = Session()
    except BaseException as error:
        return None, Hello(python_versions(), f"{type(error).__name__}: {error}")
    return session, Hello(session.versions, session.problem)


def python_versions() -> dict[str, str]:
    """Of what Python brings to a fit."""
    found = {"Python": sys.version.split()[0]}
    for name in ("pymer4", "rpy2", "rpy2-rinterface", "rpy2-robjects", "pandas"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
