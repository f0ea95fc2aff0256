"""The options of a run, as the command line takes them."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jaxsim.errors import InputError, brief

if TYPE_CHECKING:
    from jaxsim.study.study import Study
    from jaxsim.sweep.executors import Executor

# Defaults of the options, told apart from what a user gave.
WORKERS, MINIMUM = 2, 200
# Devices, threads or workers at most: each is made before anything is computed.
MOST = 4096


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Options that change the script's study."""
    study = parser.add_argument_group("the study")
    study.add_argument("--replicates", type=int, help="datasets per cell (default: the script's)")
    study.add_argument("--seed", type=int, help="study seed (default: the script's)")
    study.add_argument(
        "--until",
        metavar="MEASURE:ERROR,..",
        help="stop a cell once these Monte Carlo errors are reached, such as power:0.005,bias:0.002; --replicates is then the most",
    )
    study.add_argument("--minimum", type=int, help=f"replicates of each cell before --until judges it (default: {MINIMUM})")
    study.add_argument("--dtype", choices=("float64", "float32"), help="float32: for screening by strategies in closed form only")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options about how a study is computed; the numbers do not depend on them."""
    how = parser.add_argument_group("how it is computed (the numbers do not depend on it)")
    how.add_argument("--memory", help="memory for the chunks in the making, such as 2G (default: a quarter of what is free)")
    how.add_argument("--batch", type=int, help="datasets of a chunk at most: what an interruption can cost (default: 4096)")
    how.add_argument("--devices", type=int, help="local devices to use (default: all GPUs; on CPU one device and every core)")
    how.add_argument("--threads", type=int, help="tiles of datasets computed beside each other (default: one per core or device)")
    how.add_argument(
        "--executor", choices=("local", "dask"), default="local", help="this process, or a Dask cluster (default: local)"
    )
    how.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="of a Dask cluster that is running")
    how.add_argument("--cluster", choices=("local", "slurm", "pbs"), help="what to start for --executor dask (default: local)")
    how.add_argument("--workers", type=int, help=f"worker processes, or jobs, to start (default: {WORKERS})")
    how.add_argument(
        "--cluster-option",
        action="append",
        metavar="NAME=VALUE",
        help="for the jobs, such as queue=long or cores=8; may be given several times (see docs/how-to/cluster.md)",
    )


def changed(study: Study, options: argparse.Namespace) -> Study:
    """The study with what the command line says of it."""
    from jaxsim.study.until import Until  # noqa: PLC0415 - keeps `jaxsim --help` fast

    changes: dict[str, Any] = {name: getattr(options, name) for name in ("replicates", "seed", "dtype")}
    if options.until is not None:
        most = options.replicates or study.replicates
        minimum = min(MINIMUM, most) if options.minimum is None else options.minimum
        changes["until"] = Until.parse(options.until, minimum)
    elif options.minimum is not None:
        raise InputError("--minimum is about --until; give --until MEASURE:ERROR with it.")
    return dataclasses.replace(study, **{name: value for name, value in changes.items() if value is not None})


def run_options(options: argparse.Namespace, meanwhile: Callable[[], object] | None = None) -> dict[str, Any]:
    """Arguments of :func:`jaxsim.sweep.run.run`; ``meanwhile`` as of :class:`jaxsim.sweep.executors.Local`."""
    found: dict[str, Any] = {"executor": executor(options, meanwhile), "memory": options.memory}
    if options.batch is not None:
        found["batch"] = batch_of(options)
    return found


def batch_of(options: argparse.Namespace) -> int | None:
    """Datasets of a chunk at most, if they were given; raises :class:`InputError` for fewer than one."""
    if options.batch is not None and options.batch < 1:
        raise InputError(f"--batch {options.batch}: give the datasets of a chunk, at least 1.")
    return options.batch


def executor(options: argparse.Namespace, meanwhile: Callable[[], object] | None = None) -> Executor:
    """What the options name; ``meanwhile`` as of :class:`jaxsim.sweep.executors.Local`, which alone has use for it.

    Raises:
        InputError: for options that do not go together.
    """
    from jaxsim.sweep.executors import Dask, Local  # noqa: PLC0415 - keeps `jaxsim --help` fast

    for name in ("devices", "threads", "workers"):
        value = getattr(options, name)
        if value is not None and not 1 <= value <= MOST:
            raise InputError(f"--{name} {brief(value)}: give at least 1{f' and at most {MOST}' if value > 1 else ''}.")
    cluster = [name for name in ("scheduler", "cluster", "workers", "cluster_option") if getattr(options, name) is not None]
    if options.executor == "local":
        if cluster:
            raise InputError(f"--{cluster[0].replace('_', '-')} is about a Dask cluster; give --executor dask with it.")
        if options.devices is not None:
            ask_for_devices(options.devices)
        return Local(options.devices, options.threads, meanwhile)
    if options.devices is not None or options.threads is not None:
        raise InputError("--devices and --threads are about this process; a Dask worker uses its own device and one thread.")
    if options.scheduler is not None and len(cluster) > 1:
        raise InputError(
            f"--{cluster[1].replace('_', '-')} is about a cluster to start, and --scheduler names one that runs; leave one out."
        )
    return Dask(options.scheduler, options.cluster or "local", options.workers or WORKERS, _pairs(options.cluster_option or ()))


def ask_for_devices(count: int) -> None:
    """Have JAX see so many CPU devices, if it runs on CPU and has not started yet."""
    flag = "--xla_force_host_platform_device_count"
    if flag not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}={count}".strip()


def _pairs(texts: Sequence[str]) -> dict[str, Any]:
    """What was given; an option that was given several times is a list."""
    found: dict[str, list[Any]] = {}
    for name, value in map(_pair, texts):
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _pair(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InputError(f"--cluster-option {text!r}: give NAME=VALUE, such as walltime=08:00:00.")
    return name, int(value) if value.isdecimal() and len(value) < 20 else value
