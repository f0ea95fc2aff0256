"""Where chunks are computed. To add one: a class in a file here, and a line in ``EXECUTORS``."""

from jaxsim.sweep.executors.base import Execution, Executor, Finished, Job
from jaxsim.sweep.executors.dask import Dask
from jaxsim.sweep.executors.local import Local

EXECUTORS: dict[str, type[Executor]] = {"local": Local, "dask": Dask}

__all__ = ["EXECUTORS", "Dask", "Execution", "Executor", "Finished", "Job", "Local"]
