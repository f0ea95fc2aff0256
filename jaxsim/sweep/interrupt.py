"""Ctrl-C: the first asks a run to stop after the chunk in hand, the second stops it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody asked a run to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked


@contextmanager
def watched(tell: Callable[[str], None]) -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM (which queueing systems send before they kill) while a run goes on, in the main thread.

    Args:
        tell: called with what to say to the person who asked.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        """A signal: a second one does not wait."""
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        tell("stopping after the chunk in hand; once more stops at once, and costs that chunk")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
