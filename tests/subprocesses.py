"""Servers as processes of their own on this machine, as a user would start them: Dask schedulers and workers, and one like S3."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parent
# Seconds for a process to start, or for a run to get somewhere: ten times what an idle machine with two cores needs.
PATIENCE = 120


def until(what: str, found, seconds: float = PATIENCE):
    """Wait for something that is there in a moment; returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def environment(**changes: str) -> dict[str, str]:
    """Of the processes: they can import this file, and nothing of the session's choices of devices is left."""
    return {**os.environ, "PYTHONPATH": str(TESTS), "DASK_DISTRIBUTED__WORKER__DAEMON": "true", **changes}


@contextlib.contextmanager
def beside(function, *arguments):
    """Something that happens while the body runs; its error is the test's."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(function, *arguments)
        yield
        done.result()


@contextlib.contextmanager
def process(arguments: list[str], cwd: Path, **changes: str):
    """A process with its children, in a group of its own; it is killed in the end."""
    with (cwd / "output.txt").open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, *arguments], cwd=cwd, env=environment(**changes), stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


@contextlib.contextmanager
def s3_server(cwd: Path):
    """A server that answers like S3: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with process(["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], cwd):
        until("S3", lambda: _answers(port))
        yield f"http://127.0.0.1:{port}"


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def scheduler(cwd: Path, **changes: str):
    """``dask scheduler``: its process and its address."""
    cwd.mkdir()
    told = cwd / "scheduler.json"
    arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)]
    with process(["-m", "distributed.cli.dask_scheduler", *arguments], cwd, **changes) as started:
        until("scheduler", told.exists)
        yield started, json.loads(until("address", told.read_text))["address"]


@contextlib.contextmanager
def workers(address: str, count: int, cwd: Path, *more: str):
    """``dask worker``, with so many worker processes of one thread, in a folder of their own; returns the process."""
    cwd.mkdir()
    arguments = [address, "--nworkers", str(count), "--nthreads", "1", "--no-dashboard", "--local-directory", str(cwd), *more]
    with process(["-m", "distributed.cli.dask_worker", *arguments], cwd) as started:
        yield started


def state() -> dict:
    """In a worker process: what jaxsim and JAX are set to there, and what it holds."""
    import jax  # noqa: PLC0415 - in the worker

    from jaxsim import cache  # noqa: PLC0415 - in the worker
    from jaxsim.sweep.executors.task import _DESKS  # noqa: PLC0415 - in the worker
    from jaxsim.sweep.programs import Programs  # noqa: PLC0415 - in the worker

    gc.collect()
    names = [thread.name for thread in threading.enumerate()]
    return {
        "float64": jax.numpy.zeros(1).dtype == "float64",
        "cache": jax.config.jax_compilation_cache_dir,
        "own cache": str(cache.folder()),
        "studies": list(_DESKS),
        "threads": [desk.worker.threads for desk in _DESKS.values()],
        "programs": sum(isinstance(thing, Programs) for thing in gc.get_objects()),
        "tile threads": sum(name.startswith("tile") for name in names),
        "cwd": os.getcwd(),
    }
