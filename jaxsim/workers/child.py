"""One worker process, seen from outside: start it, ask it, end it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from jaxsim.workers.pipe import read_exactly, write_all
from jaxsim.workers.protocol import LENGTH, Hello, pack

PROGRAM = "jaxsim.workers.program"
START_TIMEOUT_S = 120.0
LAST_WORDS = 400


class Died(Exception):
    """The process ended before it answered; the text says how."""


class Child:
    """A running worker. One thread at a time may :meth:`greet` it, once, and :meth:`ask`; any thread may call :meth:`kill`.

    Args:
        answering: ``MODULE:NAME`` of what answers in it, see :mod:`jaxsim.workers.program`.
    """

    def __init__(self, answering: str) -> None:
        self._errors = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (close() closes it)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", PROGRAM, answering],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for this process; it then ends the workers
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipes = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._pipes[0], False)
        self.pid = self._process.pid

    def greet(self, timeout: float = START_TIMEOUT_S) -> Hello:
        """What the process has found, or what it lacks, once it has started."""
        try:
            hello: Hello = self._exchange(b"", timeout)
        except Died as death:
            return Hello(problem=f"a worker process could not start: {death}")
        return hello

    def ask(self, task: Any, timeout: float) -> Any:
        """The answer; :class:`Died` if the process ends first, or is killed after ``timeout`` seconds."""
        packed = pack(task)
        self._errors.truncate(0)  # only the words of the present task are kept
        self._errors.seek(0)  # of the process too: it shares the place in the file
        return self._exchange(packed, timeout)

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
            assert stream is not None
            stream.close()

    def _exchange(self, packed: bytes, timeout: float) -> Any:
        deadline = time.monotonic() + timeout
        tasks, answers = self._pipes
        try:
            write_all(tasks, packed, deadline)
            (length,) = LENGTH.unpack(read_exactly(answers, LENGTH.size, deadline))
            return pickle.loads(read_exactly(answers, length, deadline))
        except TimeoutError:
            self.kill()
            raise Died(f"it was ended after {timeout:g} s, the time limit") from None
        except (EOFError, OSError):
            self.kill()
            raise Died(self._epitaph()) from None
        except Exception as error:  # whatever it sent is no message, and nothing after it can be trusted
            self.kill()
            raise Died(f"it was ended because its answer could not be read: {error!r}") from None

    def _epitaph(self) -> str:
        code = self._process.returncode
        how = f"it was killed by signal {-code} ({_signal_name(-code)})" if code < 0 else f"it ended with exit status {code}"
        words = self._last_words()
        return f"{how}; its last words: {words}" if words else how

    def _last_words(self) -> str:
        try:
            self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - LAST_WORDS))
            return " ".join(self._errors.read().decode(errors="replace").split())
        except (OSError, ValueError):
            return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"


def _environment() -> dict[str, str]:
    """One thread, no accelerator (processes cannot share its memory), R's words in English (they are read), no window for pictures,
    and this jaxsim."""
    added = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")}
    added |= {"JAX_PLATFORMS": "cpu", "LANGUAGE": "en", "MPLBACKEND": "Agg"}
    root = str(Path(__file__).parents[2])
    if root not in sysconfig.get_paths().values():
        added["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), root)))
    return {**os.environ, **added}
