"""One worker process, seen from outside: start it, ask it, end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path
from typing import Any

import jaxsim
from jaxsim.bridges.pymer4.protocol import Hello, Task, receive, send

MODULE = "jaxsim.bridges.pymer4.worker"
START_TIMEOUT_S = 120.0
LAST_WORDS = 400


class Died(Exception):
    """The process ended before it answered; the text says how."""


class Worker:
    """A running worker. One thread at a time may :meth:`greet` it, once, and :meth:`ask`; any thread may call :meth:`kill`."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (close() closes it)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for this process; it then ends the workers
        )
        self._lock = threading.Lock()
        self._waiting = self._expired = False
        self._said = 0  # where the words of the present task begin
        self.pid = self._process.pid

    def greet(self, timeout: float = START_TIMEOUT_S) -> Hello:
        """What the process has found, or what it lacks, once it has started R."""
        try:
            hello: Hello = self._exchange(None, timeout)
        except Died as death:
            return Hello(problem=f"a worker process could not start: {death}")
        return hello

    def ask(self, task: Task, timeout: float) -> Any:
        """The answer; :class:`Died` if the process ends first, or is killed after ``timeout`` seconds."""
        return self._exchange(task, timeout)

    @property
    def running(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it, and whatever it started, at once."""
        if self._process.returncode is None:  # not poll(): the group of a dead process is its own only until it is waited for
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """:meth:`kill`, then release pipes and files; for the thread that asks."""
        self.kill()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            try:
                stream.close()  # type: ignore[union-attr]
            except OSError:
                continue  # what was still to be sent to a dead process

    def _exchange(self, task: Task | None, timeout: float) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._said = self._errors.seek(0, os.SEEK_END)
        clock = threading.Timer(timeout, self._expire)
        clock.daemon = True
        self._waiting = True
        clock.start()
        try:
            if task is not None:
                send(self._process.stdin, task)
            return receive(self._process.stdout)
        except (EOFError, OSError):
            self.kill()
            raise Died(self._epitaph(timeout)) from None
        except Exception as error:  # whatever it sent is no message, and nothing after it can be trusted
            self.kill()
            raise Died(f"it was ended because its answer could not be read: {error!r}") from None
        finally:
            with self._lock:
                self._waiting = False
            clock.cancel()

    def _expire(self) -> None:
        with self._lock:  # the answer may arrive at this very moment
            if self._waiting:
                self._expired = True
                self.kill()

    def _epitaph(self, timeout: float) -> str:
        if self._expired:
            return f"it was ended after {timeout:g} s, the time limit"
        code = self._process.returncode
        how = f"it was killed by signal {-code} ({_signal_name(-code)})" if code < 0 else f"it ended with exit status {code}"
        words = self._last_words()
        return f"{how}; its last words: {words}" if words else how

    def _last_words(self) -> str:
        try:
            self._errors.seek(max(self._said, self._errors.seek(0, os.SEEK_END) - LAST_WORDS))
            return " ".join(self._errors.read().decode(errors="replace").split())
        except (OSError, ValueError):
            return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"


def _environment() -> dict[str, str]:
    """One thread, R's words in English (they are read), no window for pictures, and this jaxsim."""
    added = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")}
    added |= {"LANGUAGE": "en", "MPLBACKEND": "Agg"}
    root = str(Path(jaxsim.__file__).parents[1])
    if root not in sysconfig.get_paths().values():
        added["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), root)))
    return {**os.environ, **added}
