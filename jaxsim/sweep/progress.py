"""What a person sees of a run: a bar on a terminal or in a notebook, plain lines elsewhere, and a log in the results folder."""

from __future__ import annotations

import contextlib
import datetime
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

import psutil
from tqdm import tqdm

from jaxsim.counts import counted
from jaxsim.store.ours import LOG
from jaxsim.store.place import LocalPlace, Place
from jaxsim.sweep import notebook
from jaxsim.sweep.memory import in_words
from jaxsim.sweep.worker import Step

# Seconds between plain lines: often enough to see that it lives, seldom enough for a log of a night.
EVERY = 10.0


@dataclass
class Log:
    """Lines with times, in ``log.txt`` of a results folder (of one elsewhere: written when it is closed)."""

    place: Place
    lines: list[str] = field(default_factory=list)

    def write(self, text: str) -> None:
        """Add a line."""
        line = f"{datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')} {text}\n"
        if isinstance(self.place, LocalPlace):
            try:
                with (self.place.path / LOG).open("a", encoding="utf-8") as file:
                    file.write(line)
            except OSError:  # the log is not worth a run; a chunk that cannot be written says so itself
                pass
        else:
            self.lines.append(line)

    def close(self) -> None:
        """Write what has not been."""
        if self.lines:
            before = self.place.read(LOG).decode() if self.place.exists(LOG) else ""
            self.place.write(LOG, (before + "".join(self.lines)).encode())


class Progress:
    """Counts fits and failures of a run and shows them.

    Args:
        total: fits of the whole study.
        done: those finished before.
        log: where a line a chunk goes.
        shown: false for no output at all.
        stream: where to; when None the notebook's cell that is being run, or standard error.
    """

    def __init__(self, total: int, done: int, log: Log, shown: bool = True, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.total, self.begun_with, self.done, self.failures = total, done, done, 0
        self.log, self.shown = log, shown
        self.clock = self.last = time.perf_counter()
        self.lock = threading.RLock()
        self.output = notebook.output() if shown and stream is None else None
        terminal = shown and self.output is None and self.stream.isatty()
        self.bar: Any = tqdm(
            total=total, initial=done, unit="fit", unit_scale=True, file=self.stream, disable=not terminal, dynamic_ncols=True
        )

    def __call__(self, step: Step) -> None:
        """Take news of a chunk in the making."""
        with self.lock:
            self.done += step.fits
            self.failures += step.failures
            if step.line:
                self.say(step.line)
            if not self.bar.disable:
                self.bar.set_description(step.doing, refresh=False)
                self.bar.set_postfix_str(self._aside(), refresh=False)
                self.bar.update(step.fits)
            elif self.output is not None:
                if self.output.due():
                    self._draw(f"{self.in_words()}; {step.doing}" if step.doing else self.in_words())
            elif self.shown and step.fits and time.perf_counter() - self.last > EVERY:
                self._line()

    def grow(self, fits: int) -> None:
        """So many fits more are to be done than was known."""
        with self.lock:
            self.total += fits
            self.bar.total = self.total

    def say(self, text: str) -> None:
        """A line for the person and the log."""
        with self.lock:
            self.log.write(text)
            if self.shown:
                self.bar.write(text, file=self.stream)

    def close(self) -> None:
        """The last line."""
        with self.lock:
            self.bar.close()
            if self.output is not None:
                self._draw(self.in_words())
            elif self.bar.disable and self.shown:
                self._line()

    def in_words(self) -> str:
        """``1,200 of 4,000 fits (30%), 310 fits/s, 9 s left, 3 failed, 812 MB``."""
        spent = time.perf_counter() - self.clock
        rate = (self.done - self.begun_with) / spent if spent > 0 else 0.0
        share = 100 * self.done // self.total if self.total else 100
        left = f", {duration((self.total - self.done) / rate)} left" if rate and self.done < self.total else ""
        return f"{self.done:,} of {counted(self.total, 'fit')} ({share}%), {rate:,.0f} fits/s{left}, {self._aside()}"

    def _aside(self) -> str:
        return f"{self.failures:,} failed, {in_words(psutil.Process().memory_info().rss)}"

    def _draw(self, text: str) -> None:
        assert self.output is not None
        self.output.show(self.done, self.total, text)

    def _line(self) -> None:
        self.last = time.perf_counter()
        print(self.in_words(), file=self.stream, flush=True)


@contextlib.contextmanager
def counting(total: int, what: str, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar for something else than a run, on a terminal or in a notebook.

    Args:
        total: how many fits there are to do.
        what: it is, in a word.
        shown: false for no output at all.

    Yields:
        A function to call with how many more of them are done.
    """
    output, done = notebook.output() if shown else None, 0

    def draw() -> None:
        """Show how many are done."""
        if output is not None:
            output.show(done, total, f"{what}: {done:,} of {counted(total, 'fit')}")

    def more(count: int) -> None:
        """So many more are."""
        nonlocal done
        done += count
        bar.update(count)
        if output is not None and output.due():
            draw()

    with tqdm(total=total, unit="fit", desc=what, disable=not shown or output is not None) as bar:
        try:
            yield more
        finally:
            draw()


def duration(seconds: float) -> str:
    """A span of time for a person."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
