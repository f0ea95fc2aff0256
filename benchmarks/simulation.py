"""What drawing the cross-products costs: with few and with many rows per group, and which random numbers take how much of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pandas as pd
from stopwatch import run_seconds, timed_compile
from tiles import Bench

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study
from jaxsim.numerics.counters import uniforms
from jaxsim.processes.direct import Layout, diagonals
from jaxsim.processes.normals import Normals, standard_normals

# The two ends of the comparison; the target is a cost within 10% of each other.
FEW, MANY, TARGET = 5, 500, 0.10


def by_rows(groups: int, columns: Sequence[int], repeats: int) -> pd.DataFrame:
    """One row per number of columns: CPU seconds of one tile with few and with many rows, in turns; the ratio of each turn."""
    rows = []
    for count in columns:
        study = Study(GaussianMultilevel(n_groups=groups, n_predictors=count - 1), Grid(n_obs=[FEW, MANY]), PooledOLS(), 1)
        bench = Bench(study, threads=1)
        (few,), (many,) = (bench.full(cell, 1) for cell in study.cells)
        turns = []
        for turn in range(repeats):  # who begins changes from turn to turn
            order = (few, many) if turn % 2 else (many, few)
            taken = {id(tile): run_seconds(partial(bench.programs.simulate, tile), 1).cpu for tile in order}
            turns.append((taken[id(few)], taken[id(many)]))
        row = {"groups": groups, "columns": count, "datasets": few.shape.tile, "turns": repeats}
        for name, seconds in zip((f"{FEW} rows: CPU ms", f"{MANY} rows: CPU ms"), zip(*turns, strict=True), strict=True):
            row[name] = 1e3 * statistics.median(seconds)
        rows.append({**row, "ratio": statistics.median(b / a for a, b in turns)})
    return pd.DataFrame(rows)


def shares(groups: int, columns: int, n_obs: int, runs: int) -> pd.DataFrame:
    """CPU seconds of one tile by piece; the pieces are compiled alone, so they do not quite add up."""
    study = Study(GaussianMultilevel(n_groups=groups, n_obs=n_obs, n_predictors=columns - 1), Grid(), PooledOLS(), 1)
    bench = Bench(study, threads=1)
    (tile,) = bench.full(study.cells[0], 1)
    whole = run_seconds(lambda: bench.programs.simulate(tile), runs).cpu
    keys = jax.random.split(jax.random.key(0, impl="threefry2x32"), tile.shape.tile)
    pieces: dict[str, Callable[..., Any]] = _pieces(tile.shape.groups, groups, columns, n_obs)
    rows = [{"piece": "simulate, the whole", "CPU ms": 1e3 * whole, "share": 1.0}]
    for name, piece in pieces.items():
        program, _ = timed_compile(jax.vmap(piece), keys)
        seconds = run_seconds(lambda program=program: program(keys), runs).cpu
        rows.append({"piece": name, "CPU ms": 1e3 * seconds, "share": seconds / whole})
    return pd.DataFrame(rows).assign(groups=groups, padded=tile.shape.groups, columns=columns, datasets=tile.shape.tile)


def _pieces(padded: int, groups: int, columns: int, n_obs: int) -> dict[str, Callable[[jax.Array], jax.Array]]:
    """The draws of one dataset, as the process makes them."""
    layout = Layout(columns, columns + 1, 0)
    rows = jnp.where(jnp.arange(padded) < groups, n_obs, 0)
    some = jnp.ones((layout.columns + 1) // 2)[:, None] * jnp.linspace(-2, 2, padded)

    def wanted(key: jax.Array) -> jax.Array:
        return jax.random.key_data(key)[0] != 1

    def bits(key: jax.Array) -> jax.Array:
        return uniforms(key, 2 * some.shape[0], padded)

    def normal(key: jax.Array) -> jax.Array:
        return jnp.concatenate(standard_normals(wanted(key), key, layout.columns, padded))

    def chi_numbers(key: jax.Array) -> jax.Array:
        shifted = some + 1e-9 * jax.random.key_data(key)[0]  # any numbers that cost nothing, another for each dataset
        return diagonals(layout, wanted(key), Normals(shifted, shifted), rows, True, True)

    return {"uniform numbers": bits, "normal numbers, with the uniform ones": normal, "chi numbers (diagonals)": chi_numbers}
