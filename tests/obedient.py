"""What answers in the worker processes of test_workers_pool.py: it does what it is told."""

from __future__ import annotations

import os
import sys
import time
from typing import Any


class Obedient:
    """A task is a word and what it is about."""

    versions = {"obedience": "1"}  # noqa: RUF012 - nobody changes it
    problem = ""

    def answer(self, task: tuple[str, Any]) -> Any:
        return getattr(self, task[0])(task[1])

    def echo(self, value: Any) -> Any:
        return value

    def sleep(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def say(self, words: str) -> None:
        print(words, flush=True)
        print(words, file=sys.stderr, flush=True)
        os.system(f"echo {words}")

    def end(self, code: int) -> None:
        os.system("echo the end")
        os._exit(code)

    def pid(self, _: None) -> int:
        return os.getpid()

    def variable(self, name: str) -> str:
        return os.environ[name]

    def loaded(self, _: None) -> list[str]:
        return list(sys.modules)

    def unreadable(self, _: None) -> Any:
        return Unreadable()


class Number(str):
    """Text that weak references can point to."""


class Unreadable:
    """Only this process can make one."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Unreadable._make, (os.getpid(),)

    @staticmethod
    def _make(pid: int) -> Unreadable:
        if pid != os.getpid():
            raise ZeroDivisionError("not here")
        return Unreadable()


class Lacking(Obedient):
    problem = "there is no R"


def broken() -> None:
    raise RuntimeError("broken on purpose")
