"""Dask workers as jobs of a queueing system, by dask-jobqueue: submitted, and submitted again when they end before the run does."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxsim.errors import InputError
from jaxsim.sweep.executors.certificates import certificates

# The queueing systems, with the command that takes jobs.
COMMANDS: dict[str, str] = {"slurm": "sbatch", "pbs": "qsub"}
# Options of dask-jobqueue that are lists; a single one is often given.
LISTS = ("job_extra_directives", "job_script_prologue", "worker_extra_args", "job_directives_skip")
# Where the certificates of jobs are written, for the user alone to read, if no other folder that the machines share is named.
SHARED = "~"
# Seconds without a worker after which a job has ended: a worker that only died is there again in five; queues take minutes anyway.
GIVEN_UP = 20


def job_cluster(kind: str, workers: int, options: Mapping[str, Any]) -> Any:
    """A cluster with so many jobs submitted; a process for every core of a job, since a process computes one chunk at a time.

    Raises:
        InputError: if dask-jobqueue or the queueing system is not here.
        RuntimeError: with what the queueing system said to a job that it does not take.
        ValueError, TypeError: for options that are missing or unknown.
    """
    make = import_jobqueue(kind)
    if shutil.which(COMMANDS[kind]) is None:
        raise InputError(
            f"a {kind} cluster needs {COMMANDS[kind]}, and there is no such command here; run it where jobs are submitted."
        )
    import dask  # noqa: PLC0415 - an extra

    configured = dask.config.get(f"jobqueue.{kind}", {})
    settings = {name: [value] if name in LISTS and isinstance(value, str) else value for name, value in options.items()}
    cores = settings.get("cores", configured.get("cores"))
    if cores is not None and configured.get("processes") is None:
        settings.setdefault("processes", cores)
    if not configured.get("scheduler-options"):  # a page about the cluster at a port of its own: 8787 may be somebody else's
        settings.setdefault("scheduler_options", {"dashboard_address": ":0"})
    if "security" not in settings:
        settings["security"] = certificates()
    if not configured.get("shared-temp-directory"):
        settings.setdefault("shared_temp_directory", SHARED)
    cluster = make(**settings)
    try:
        submit(cluster, workers)
    except BaseException:
        cluster.close()
        raise
    return cluster


def submit(cluster: Any, count: int) -> None:
    """Submit jobs until there are so many; RuntimeError with what the queueing system said (``cluster.scale`` only logs it)."""
    from distributed import Status  # noqa: PLC0415 - an extra

    while len(cluster.worker_spec) < count:
        cluster.worker_spec.update(cluster.new_worker_spec())

    async def submitted() -> None:
        """When the cluster is there."""
        await cluster

    try:
        cluster.sync(submitted)
    except RuntimeError:
        for name, job in list(cluster.workers.items()):
            if job.status == Status.created:  # it was refused: the cluster would wait for it for ever
                job.status = Status.failed
                del cluster.workers[name], cluster.worker_spec[name]
        raise


@dataclass
class Jobs:
    """Jobs that are to be there: one that ended (its time was up, its machine went down) gets a successor.

    Args:
        cluster: whose jobs they are.
        count: how many; with 0 nothing is ever done.
    """

    cluster: Any
    count: int
    seen: dict[Any, float] = field(default_factory=dict)
    tried: float = -math.inf

    def keep(self) -> str:
        """Submit a job for each that has been without workers for a while; what to tell a person, if anything."""
        if not self.count or time.monotonic() - self.tried < GIVEN_UP:
            return ""
        ended = self._ended()
        if ended:
            self.cluster.sync(self.cluster.scale_down, ended)
        missing = self.count - len(self.cluster.worker_spec)
        if not missing:
            return ""
        self.tried = time.monotonic()
        try:
            submit(self.cluster, self.count)
        except RuntimeError as error:
            return f"{missing} jobs ended, and others are not taken (again in {GIVEN_UP} s): {' '.join(str(error).split())}"
        return f"{missing} jobs ended; as many were submitted"

    def _ended(self) -> list[Any]:
        now, ended = time.monotonic(), []
        there = {str(worker["name"]) for worker in self.cluster.scheduler_info["workers"].values()}
        for job, about in self.cluster.worker_spec.items():
            if any(f"{job}{suffix}" in there for suffix in about.get("group", [""])):
                self.seen[job] = now
            elif now - self.seen.get(job, now) > GIVEN_UP:
                ended.append(job)
        for job in ended:
            del self.seen[job]
        return ended


def import_jobqueue(kind: str) -> Any:
    """The class of clusters of a queueing system; raises :class:`InputError` that names the extra."""
    try:
        import dask_jobqueue  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(f"a {kind} cluster needs dask-jobqueue: pip install 'jaxsim-studies[dask]'.") from error
    return {"slurm": dask_jobqueue.SLURMCluster, "pbs": dask_jobqueue.PBSCluster}[kind]
