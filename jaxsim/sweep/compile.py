"""How a program is compiled: for one device, with options that make its numbers independent of what is computed beside it.

Every device has the same program, compiled for it alone: XLA's partitioner (``shard_map``, or ``jit`` of sharded arrays) was tried
and fuses differently for one device and for several, which shows in the last bit of some numbers.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from jaxsim.numerics.compiling import FAST_TO_COMPILE

Compiled = Callable[..., Any]

# Beside what compiles fast (one code generator per program: the programs are compiled beside each other). LLVM's optimisation level
# stays at its default: with level 1, which compiles in two thirds of the time, the last vector of a loop over datasets is rounded
# differently from the others, and a dataset's last bit would depend on its place in the tile. One thread a program: with several,
# loops are cut at places that depend on the number of cores; tiles are computed beside each other instead.
CPU_OPTIONS: dict[str, str | bool] = {
    **FAST_TO_COMPILE,
    "xla_cpu_multi_thread_eigen": False,
}

TWO_GENERATORS: dict[str, str | bool] = {"xla_cpu_parallel_codegen_split_count": "2"}

# Tracing is Python, of which one thread runs at a time: two functions by turns would both be late for XLA, which needs no Python.
_TRACING = threading.Lock()


def compile_program(function: Callable[..., Any], *arguments: Any, alone: bool = False) -> Compiled:
    """Compile a function for arguments of these shapes (and devices, if they name one), with the options above on CPU.

    Args:
        function, arguments: what is compiled.
        alone: no other long program is compiled beside it, so two code generators have a core each. The program's results are the
            same to the last bit.
    """
    with _TRACING:
        lowered = jax.jit(function).lower(*arguments)
    if jax.default_backend() != "cpu":
        return lowered.compile()
    try:
        return lowered.compile(compiler_options=CPU_OPTIONS | (TWO_GENERATORS if alone else {}))
    except (RuntimeError, ValueError) as error:  # a version of XLA without one of them
        warnings.warn(
            f"XLA does not take jaxsim's options ({error}): the last digits of a number may depend on what is computed beside it.",
            stacklevel=2,
        )
        return lowered.compile()


def precision(dtype: str) -> contextlib.AbstractContextManager[Any]:
    """JAX's precision while programs of a study of this dtype are traced, compiled and called; JAX keeps it for each thread."""
    switch: Any = getattr(jax if hasattr(jax, "enable_x64") else jax.experimental, "enable_x64")  # noqa: B009 - an older place
    return switch(dtype == "float64")


def on(device: jax.Device, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Shapes of arguments that are on a device."""
    sharding = SingleDeviceSharding(device)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype, sharding=sharding), arguments)
