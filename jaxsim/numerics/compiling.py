"""Options for XLA on CPU: how programs are compiled, and how long that takes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

# XLA's older loop emitters and one code generator per program compile in half the time, and the results run as fast: the time is in
# matrix products and elementwise loops that every emitter vectorises. Looking into when values are needed spares copies of what
# loops carry: up to a tenth of a mixed model's time. (Without the pass that moves invariant code out of loops they compile in nine
# tenths of the time, but posteriors take 4% longer, and small models of crossed intercepts up to a fifth.)
FAST_TO_COMPILE: dict[str, Any] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": "1",
    "xla_cpu_copy_insertion_use_region_analysis": True,
}


def compiled(options: dict[str, Any], static_argnums: int | tuple[int, ...] = ()) -> Callable[[Callable[..., Any]], Any]:
    """``jax.jit`` with these options on CPU; without them elsewhere, and where XLA does not know one of them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, compiled by these options."""
        plain = jax.jit(function, static_argnums=static_argnums)
        tuned = jax.jit(function, static_argnums=static_argnums, compiler_options=options)

        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            """Its result."""
            if jax.default_backend() != "cpu":
                return plain(*arguments)
            try:
                return tuned(*arguments)
            except (RuntimeError, ValueError):  # another version of XLA; an error of the function's own is raised again
                return plain(*arguments)

        return call

    return decorate
