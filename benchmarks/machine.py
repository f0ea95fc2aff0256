"""The float64 rate that this machine attains through JAX: the yardstick of the arithmetic bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from stopwatch import run_seconds

# 4,096 doubles are 32 KiB, a level-one cache. Chains of multiply-adds beside each other hide the latency of each.
SIZE, CHAINS, LENGTH, ROUNDS = 4096, 8, 4, 1000
MATMUL_SIZE = 512


def attainable(runs: int = 3) -> dict[str, tuple[float, float]]:
    """Flops per second on the clock and per CPU second of one thread, by kind of arithmetic."""
    x = jnp.full(SIZE, 0.5)
    matrix = jnp.ones((MATMUL_SIZE, MATMUL_SIZE))
    return {
        "elementwise multiply-adds in cache": _rates(_polynomials, (x,), ROUNDS * SIZE * CHAINS * (2.0 * LENGTH + 2), runs),
        f"matrix product of size {MATMUL_SIZE}": _rates(jnp.matmul, (matrix, matrix), 2.0 * MATMUL_SIZE**3, runs),
    }


def _polynomials(x: jax.Array) -> jax.Array:
    """Sum of CHAINS polynomials of x by Horner's rule, over and over."""

    def once(_: int, x: jax.Array) -> jax.Array:
        values = [x + j for j in range(CHAINS)]
        for k in range(LENGTH):
            values = [value * x + 0.1 * k for value in values]
        return sum(values[1:], values[0]) * 1e-9

    return jax.lax.fori_loop(0, ROUNDS, once, x)


def _rates(function: Callable[..., jax.Array], arguments: tuple[Any, ...], flops: float, runs: int) -> tuple[float, float]:
    program = jax.jit(function).lower(*arguments).compile()  # XLA's own options: what it does best
    taken = run_seconds(lambda: program(*arguments), runs)
    return flops / taken.wall, flops / taken.cpu
