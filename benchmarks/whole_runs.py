"""Whole runs of a study (simulate, fit, write), each in a process of its own, with compile time and start-up apart.

python benchmarks/whole_runs.py '{"groups": 30, "threads": 2, ...}'     # one run, as `sweep.py` starts it
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from stopwatch import peak_bytes
from throughput import STRATEGIES

from jaxsim.processes import GaussianMultilevel
from jaxsim.results import Results
from jaxsim.store.folder import Folder
from jaxsim.store.place import LocalPlace
from jaxsim.study.grid import Grid
from jaxsim.study.study import Study
from jaxsim.sweep.executors import Dask, Execution, Finished, Job, Local
from jaxsim.sweep.executors.task import Task, compute
from jaxsim.sweep.plan import Chunk, plan
from jaxsim.sweep.worker import Listener

HERE = Path(__file__).parent
MEMORY = 2**31


@dataclass(frozen=True)
class Run:
    """What is run: one cell, and how. ``workers`` of Dask, or none: this process with ``threads`` and forced host ``devices``."""

    groups: int = 30
    columns: int = 4
    obs: int = 25
    datasets: int = 8192
    strategies: tuple[str, ...] = ("ols", "lm", "lm2", "lmer(1|g)")
    batch: int = 4096
    threads: int | None = None
    devices: int = 1
    workers: int = 0

    @property
    def study(self) -> Study:
        """The study of one cell."""
        process = GaussianMultilevel(n_groups=self.groups, n_obs=self.obs, n_predictors=self.columns - 1)
        return Study(process, Grid(), tuple(s for s in STRATEGIES if s.name in self.strategies), self.datasets)


def in_a_process(run: Run, cache: str) -> dict[str, Any]:
    """What :func:`measure` finds in a fresh process; ``cache`` is a folder of compiled programs that runs share."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={run.devices}".strip()
    environment = {**os.environ, "JAXSIM_CACHE": cache, "PYTHONPATH": str(HERE)}
    if run.devices > 1:
        environment["XLA_FLAGS"] = flags
    command = [sys.executable, str(HERE / "whole_runs.py"), json.dumps(dataclasses.asdict(run))]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@dataclass
class Clock:
    """Seconds on the clock and CPU seconds: of compiling, and when each chunk was stored with the datasets it holds."""

    compiling: tuple[float, float] = (0.0, 0.0)
    stored: list[tuple[int, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Clocked(Local):
    """This process; programs are all compiled before the first chunk."""

    clock: Clock = field(default_factory=Clock)

    @contextmanager
    def open(self, job: Job) -> Iterator[Execution]:
        with super().open(job) as session:
            yield _ClockedExecution(session, self.clock)


@dataclass(frozen=True)
class _ClockedExecution(Execution):
    session: Any
    clock: Clock

    def map(self, chunks: Sequence[Chunk], listen: Listener, stop: Callable[[], bool]) -> Iterator[Finished]:
        begin, worker = _now(), self.session.worker
        for chunk in chunks:
            worker.prepare(chunk)
        for program in worker.programs.made.values():
            program.result()
        self.clock.compiling = _since(begin)
        for finished in self.session.map(chunks, listen, stop):
            self.clock.stored.append((len(finished.chunk), *_now()))
            yield finished


def measure(run: Run) -> dict[str, Any]:
    """Rates and memory of one run, in this process."""
    jax.block_until_ready(jnp.zeros(1) + 1)
    started = peak_bytes()
    with tempfile.TemporaryDirectory() as folder:
        if run.workers:
            return with_dask(run, Path(folder))
        executor = Clocked(run.devices if run.devices > 1 else None, run.threads)
        begin = _now()
        results = run.study.run(Path(folder, "results"), progress=False, executor=executor, batch=run.batch, memory=MEMORY)
        clock = executor.clock
        wall, cpu = np.subtract(_since(begin), clock.compiling)
        peak, begin = peak_bytes() - started, _now()
        summarised = _summarise(results, begin)
    found = {"compile s": clock.compiling[0], "compile CPU s": clock.compiling[1], **_rates(run, wall, cpu), "peak MB": peak / 1e6}
    return {**found, **summarised, "peak MB, summarised": (peak_bytes() - started) / 1e6, **_first_and_last(clock)}


def _summarise(results: Results, begin: tuple[float, float]) -> dict[str, float]:
    results.measures(["cell", "model", "term"])
    return {"summarise CPU s": _since(begin)[1]}


def with_dask(run: Run, folder: Path) -> dict[str, Any]:
    """The same on a cluster of worker processes, which have compiled before the clock starts."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra

    settings = dict(n_workers=run.workers, threads_per_worker=1, processes=True, dashboard_address=None)
    with LocalCluster(**settings) as cluster, Client(cluster) as client:
        client.wait_for_workers(run.workers)
        started = client.run(_started)
        study, begin = run.study, _now()
        place = LocalPlace(folder / "warm")
        Folder(place).claim(study)
        client.run(compute, Task(study.to_json(), place, MEMORY), plan(study, limit=run.batch)[0])
        compiling, spent, own = _since(begin)[0], client.run(time.process_time), _now()
        executor = Dask(cluster=cluster, workers=run.workers)
        study.run(folder / "results", progress=False, executor=executor, batch=run.batch, memory=MEMORY)
        wall, cpu = _since(own)
        cpu += sum(client.run(time.process_time).values()) - sum(spent.values())
        peaks = client.run(peak_bytes)
        peak = max(peaks[name] - started[name] for name in peaks)
    return {"compile s": compiling, **_rates(run, wall, cpu), "peak MB": peak / 1e6}


def _started() -> int:
    jax.block_until_ready(jnp.zeros(1) + 1)
    return peak_bytes()


def _rates(run: Run, wall: float, cpu: float) -> dict[str, float]:
    return {"run s": wall, "CPU s": cpu, "datasets/s": run.datasets / wall, "datasets/CPU s": run.datasets / cpu}


def _first_and_last(clock: Clock) -> dict[str, float]:
    """Datasets per CPU second of the first and the last quarter of the chunks (medians), the very ends left out.

    A chunk is announced when the next one is computed: the first announcement comes after two, the last after none.
    """
    stamps = clock.stored[:-1]
    rates = [b[0] / (b[2] - a[2]) for a, b in itertools.pairwise(stamps)]
    if len(rates) < 2:
        return {}
    quarter = max(1, len(rates) // 4)
    return {"first chunks": float(np.median(rates[:quarter])), "last chunks": float(np.median(rates[-quarter:]))}


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(begin: tuple[float, float]) -> tuple[float, float]:
    now = _now()
    return now[0] - begin[0], now[1] - begin[1]


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(measure(Run(**{**given, "strategies": tuple(given["strategies"])}))))
