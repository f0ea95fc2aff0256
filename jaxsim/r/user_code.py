"""R functions of a user's, in a worker: read once, called with every dataset."""

from __future__ import annotations

from typing import Any

from jaxsim.r.code_outcome import CodeOutcome, from_code
from jaxsim.r.embedded import R
from jaxsim.r.task import CodeTask
from jaxsim.r.verdict import cleaned
from jaxsim.status import Status

# Functions kept: a study has a few, and each may hold whatever its code made.
KEPT = 16


class UserCode:
    """The functions that this process has read, by their text."""

    def __init__(self, r: R) -> None:
        self._r = r
        self._functions: dict[str, Any] = {}

    def answer(self, task: CodeTask) -> CodeOutcome:
        """The outcome for the task's data, or of reading the code; R's errors and wrong returns are ``refused``, in R's words."""
        try:
            function = self._function(task.code)
            if task.frame is None:
                return CodeOutcome(Status.OK)
            return from_code(self._r.run(function, task.frame))
        except Exception as error:
            return CodeOutcome(Status.REFUSED, (cleaned(str(error)) or type(error).__name__,))

    def _function(self, code: str) -> Any:
        if code not in self._functions:
            function = self._r.define(code)
            if len(self._functions) >= KEPT:
                self._functions.pop(next(iter(self._functions)))
            self._functions[code] = function
        return self._functions[code]
