"""What a worker does with a Python function of a user's: call it, keep what it prints to itself, describe what it raises."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxsim.workers.by_value import dumps, is_users
from jaxsim.workers.culprit import name_of, type_of

# Characters of a message that are kept.
LONGEST = 400
NOT_THERE = ": a worker process has installed packages only; import files of your own at the top of a script, not inside a function"


@dataclass(frozen=True, eq=False)
class Reading:
    """A function to be kept under a name: its pickle, and arguments as it will get them, whose packages are imported, too."""

    id: str
    function: bytes
    arguments: bytes


@dataclass(frozen=True, eq=False)
class Task:
    """A call of a function that was read: its name, and the pickle of the arguments ``(args, kwargs)``."""

    id: str
    arguments: bytes


@dataclass(frozen=True, eq=False)
class Reply:
    """The pickled value, or what went wrong (``error``, else empty); ``seconds`` the call took; ``died`` if the process did."""

    value: bytes
    error: str
    seconds: float
    died: bool = False


class Answering:
    """Calls functions. They print into the file that this process's errors go to, line by line, and warn nobody."""

    def __init__(self) -> None:
        self.versions = {"Python": sys.version.split()[0]}
        self.problem = ""
        self._functions: dict[str, Callable[..., Any] | str] = {}
        for stream in (sys.stdout, sys.stderr):
            assert isinstance(stream, io.TextIOWrapper)
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
        # Not a filter: functions may ask for the warnings of what they call.
        warnings.showwarning = lambda *_, **__: None

    def answer(self, task: Reading | Task) -> Reply | None:
        """The function's value; whatever it raises, SystemExit included, is an error in words."""
        if isinstance(task, Reading):
            self._functions[task.id] = _read(task)
            return None
        function = self._functions[task.id]
        return Reply(b"", function, 0.0) if isinstance(function, str) else _call(function, task.arguments)


def _read(task: Reading) -> Callable[..., Any] | str:
    """The function, or why it cannot be called here."""
    with contextlib.suppress(Exception):  # the call itself will say what is wrong with them
        pickle.loads(task.arguments)
    try:
        function: Callable[..., Any] = pickle.loads(task.function)
    except BaseException as error:
        return f"a worker process cannot read the function: {words(error)}"
    return function


def _call(function: Callable[..., Any], arguments: bytes) -> Reply:
    try:
        args, kwargs = pickle.loads(arguments)
    except BaseException as error:
        return Reply(b"", f"a worker process cannot read the arguments: {words(error)}", 0.0)
    start = time.perf_counter()
    try:
        value = function(*args, **kwargs)
    except BaseException as error:
        return Reply(b"", words(error), time.perf_counter() - start)
    seconds = time.perf_counter() - start
    try:
        return Reply(dumps(value), "", seconds)
    except Exception as error:
        returned = f"{name_of(function)} returned a value of type {type_of(value)}, which cannot be sent back"
        return Reply(b"", f"{returned}: {words(error)}", seconds)


def words(error: BaseException) -> str:
    """Type, message and the last line of a user's own code that it went through: ``ValueError: too few rows (gee.py, line 12)``."""
    try:
        said = " ".join(str(error).split())[:LONGEST]
    except Exception:  # of the user's own class
        said = "(no message)"
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    frames = ((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__))
    own = [f" ({os.path.basename(file)}, line {line})" for file, line in frames if is_users(file)]
    return f"{text}{own[-1] if own else ''}{NOT_THERE if isinstance(error, ModuleNotFoundError) else ''}"
