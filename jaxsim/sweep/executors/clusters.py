"""Dask clusters that a run starts for itself: worker processes on this machine, or jobs of a queueing system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxsim.errors import InputError
from jaxsim.sweep.executors.certificates import certificates
from jaxsim.sweep.executors.jobs import COMMANDS, job_cluster

# The kinds.
CLUSTERS: tuple[str, ...] = ("local", *COMMANDS)
# What is run in each worker process of this machine before anything else.
PRELOAD = "jaxsim.sweep.executors.preload"


@contextmanager
def start(kind: str, workers: int, options: Mapping[str, Any]) -> Iterator[Any]:
    """A cluster of a kind; it ends with the context.

    Raises:
        InputError: if it cannot be started.
    """
    try:
        cluster = _local(workers, options) if kind == "local" else job_cluster(kind, workers, options)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise InputError(f"the {kind} cluster did not start: {' '.join(str(error).split())} {_advice(kind)}") from error
    with cluster:
        yield cluster


def _local(workers: int, options: Mapping[str, Any]) -> Any:
    from distributed import LocalCluster  # noqa: PLC0415 - an extra

    settings = {"processes": True, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "preload": [PRELOAD], **options}
    if "security" not in settings:
        settings["security"] = certificates()
    return LocalCluster(n_workers=workers, **settings)


def _advice(kind: str) -> str:
    if kind == "local":
        return (
            "Each worker process imports the script that starts it: put what that runs under `if __name__ == '__main__':`. (The "
            "workers' own errors are above.)"
        )
    return f"Give its settings as --cluster-option NAME=VALUE (cores, memory, walltime, queue, ...) or in Dask's jobqueue.{kind}."


def import_distributed() -> Any:
    """The package; raises :class:`InputError` that names the extra."""
    try:
        import distributed  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError("--executor dask needs Dask: pip install 'jaxsim-studies[dask]'.") from error
    return distributed
