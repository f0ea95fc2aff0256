"""Dask clusters that a run starts for itself: worker processes on this machine, or jobs of a queueing system."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxsim.errors import InputError

# The kinds, with the command that a queueing system takes jobs by.
CLUSTERS: dict[str, str] = {"local": "", "slurm": "sbatch", "pbs": "qsub"}
# Options of dask-jobqueue that are lists: one is often given.
LISTS = ("job_extra_directives", "job_script_prologue", "worker_extra_args", "job_directives_skip")
# What is run in each worker process of this machine before anything else.
PRELOAD = "jaxsim.sweep.executors.preload"


@contextmanager
def start(kind: str, workers: int, options: Mapping[str, Any]) -> Iterator[Any]:
    """A cluster of a kind; it ends with the context.

    Raises:
        InputError: if it cannot be started.
    """
    make = _local if kind == "local" else _jobs
    try:
        cluster = make(kind, workers, dict(options))
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the {kind} cluster did not start: {error} {_advice(kind)}") from error
    with cluster:
        yield cluster


def _local(kind: str, workers: int, options: dict[str, Any]) -> Any:
    from distributed import LocalCluster  # noqa: PLC0415 - an extra

    settings = {"processes": True, "threads_per_worker": 1, "dashboard_address": None, "preload": [PRELOAD], **options}
    return LocalCluster(n_workers=workers, **settings)


def _jobs(kind: str, workers: int, options: dict[str, Any]) -> Any:
    """Jobs; a process for every core of a job, since a process computes one chunk at a time."""
    make, configured = import_jobqueue(kind), _configured(kind)
    if shutil.which(CLUSTERS[kind]) is None:
        raise InputError(
            f"a {kind} cluster needs {CLUSTERS[kind]}, and there is no such command here; run it where jobs are submitted."
        )
    for name in LISTS:
        if isinstance(options.get(name), str):
            options[name] = [options[name]]
    cores = options.get("cores") or configured.get("cores")
    if cores is not None and configured.get("processes") is None:
        options.setdefault("processes", cores)
    cluster = make(**options)
    try:
        cluster.scale(jobs=workers)

        async def submitted() -> None:
            await cluster

        cluster.sync(submitted)  # raises what the queueing system said, which scale() only logs
    except BaseException:
        cluster.close()
        raise
    return cluster


def keep_jobs(cluster: Any, jobs: int) -> None:
    """Ask again for so many jobs: those that ended are replaced."""
    if jobs:
        cluster.scale(jobs=jobs)


def _advice(kind: str) -> str:
    if kind == "local":
        return (
            "Each worker process imports the script that starts it: put what that runs under `if __name__ == '__main__':`. (The "
            "workers' own errors are above.)"
        )
    return f"Give its settings as --cluster-option NAME=VALUE (cores, memory, walltime, queue, ...) or in Dask's jobqueue.{kind}."


def _configured(kind: str) -> dict[str, Any]:
    import dask  # noqa: PLC0415 - an extra

    return dask.config.get(f"jobqueue.{kind}", {})


def import_distributed() -> Any:
    """The package; raises :class:`InputError` that names the extra."""
    try:
        import distributed  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError("--executor dask needs Dask: pip install 'jaxsim-studies[dask]'.") from error
    return distributed


def import_jobqueue(kind: str) -> Any:
    """The class of clusters of a queueing system; raises :class:`InputError` that names the extra."""
    try:
        import dask_jobqueue  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(f"a {kind} cluster needs dask-jobqueue: pip install 'jaxsim-studies[dask]'.") from error
    return {"slurm": dask_jobqueue.SLURMCluster, "pbs": dask_jobqueue.PBSCluster}[kind]
