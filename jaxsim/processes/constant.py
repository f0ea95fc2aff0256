"""Which columns of an own process are one number a group: looked at in datasets of its own, drawn as compiled code draws them."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxsim.data.names import INTERCEPT, Names
from jaxsim.processes import told
from jaxsim.processes.program import Program
from jaxsim.processes.told import KEEP

# Datasets that are looked at: a column with few values may be constant in all groups of one by chance.
LOOKS = 4
ByFactor = dict[str, tuple[str, ...]]

_NAMES: dict[Hashable, Names] = {}


def names_of(process: Any) -> Names:
    """Names of a process, constant columns included; they depend on nothing but its kind and the values of its fields."""
    key = (process.identity, told.hashable(process.leaves))
    if key not in _NAMES:
        _NAMES[key] = _named(process)
    return _NAMES[key]


def _named(process: Any) -> Names:
    names = told.sketch_of(process).names
    between, (first, *others) = process.between, names.factors
    found = _found(process, names) if between is None or others else {}
    constant = found.get(first, ()) if between is None else tuple(between)
    return dataclasses.replace(names, constant=constant, constant_by=tuple((f, found[f]) for f in others if found.get(f)))


def _found(process: Any, names: Names) -> ByFactor:
    """For each factor, columns that are one number in every group of all datasets (the intercept does not count)."""
    numbers = tuple(c for c in names.columns if c != INTERCEPT)
    found: ByFactor = {}
    with jax.ensure_compile_time_eval():
        for seed in range(LOOKS):
            frame = _frame(process, seed)
            for factor in names.factors:
                groups = frame.groupby(factor)
                if len(frame) and groups.size().max() > 1:  # else nothing can be told
                    found[factor] = tuple(c for c in found.get(factor, numbers) if (groups[c].nunique() <= 1).all())
            if len(found) == len(names.factors) and not any(found.values()):
                break
    return found


@partial(jax.jit, static_argnums=0)
def _columns(program: Program, key: jax.Array, values: Any) -> Any:
    return jax.tree.map(jnp.asarray, dict(program.example.holding(values).simulate(key)[1]))


def _frame(process: Any, seed: int) -> pd.DataFrame:
    """One dataset, the rows that are there."""
    program = Program((process.identity, told.hashable(process.fixed_values), process.sketch.traced), process)
    values = {name: process.traced_as(name) for name in process.sketch.traced}
    columns = jax.device_get(_columns(program, jax.random.key(seed, impl="threefry2x32"), values))
    frame = pd.DataFrame({name: np.asarray(value) for name, value in columns.items()})
    return frame[frame[KEEP] != 0] if KEEP in frame else frame
