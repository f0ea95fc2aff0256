"""One output of a notebook's cell that shows how far something is, replaced in place by IPython's own display.

No widgets are needed for it, and an executed notebook keeps the last state alone.
"""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

# Seconds between two states: as often as a person can read them.
EVERY = 0.5
WIDTH = 'style="width:20em;max-width:60%;vertical-align:middle"'


class State:
    """How far something is, for all that a notebook can show."""

    def __init__(self, done: int, total: int, text: str) -> None:
        self.done, self.total, self.text = done, total, text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self.done}" max="{max(self.total, 1)}" {WIDTH}></progress>'
        return f'<div class="jaxsim">{bar} {escape(self.text)}</div>'


class Output:
    """Where the states go; made at the first of them, in the cell that is being run."""

    def __init__(self, display: Any) -> None:
        self._display, self._handle, self._last = display, None, -EVERY

    def due(self) -> bool:
        """Whether there was no state for some time."""
        return time.perf_counter() - self._last >= EVERY

    def show(self, done: int, total: int, text: str) -> None:
        """Replace the state."""
        self._last = time.perf_counter()
        state = State(done, total, text)
        if self._handle is None:
            self._handle = self._display(state, display_id=True)
        else:
            self._handle.update(state)


def output() -> Output | None:
    """Of the cell that is being run; None anywhere but in a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if ipython is None or getattr(shell, "kernel", None) is None:
        return None
    return Output(ipython.display.display)
