"""Datasets of the Gaussian process as rows, whichever way they were drawn."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxsim.data.draw import Draw
from jaxsim.data.padding import Bounds
from jaxsim.processes.direct import complete
from jaxsim.processes.gaussian_draws import fixed_effects, rows_of_groups, standard_factors, standard_rows
from jaxsim.processes.program import Program
from jaxsim.processes.told import frame_of
from jaxsim.seeding import Stream, group_keys, stream_key


def completed(process: Any, key: jax.Array) -> pd.DataFrame:
    """The dataset of this key as rows, ``Group`` numbered from 1; ``attrs['truth']`` holds what it was made with."""
    if process.is_messy:
        return frame_of(_drawn(process, key), process.names)
    bounds = Bounds.of_groups(process.n_groups)
    parameters = process.parameters(bounds)
    program = Program((process.program(bounds), process.max_rows), process)
    beta, sizes, effects, standard, gaussian = jax.device_get(_pieces(program, key, parameters))
    coefficients = beta + effects @ parameters["root"]
    if process.sampler == "rows":
        groups = [block[:n] for block, n in zip(standard, sizes, strict=True)]
    else:
        groups = [complete(r, z[:n]) for r, z, n in zip(standard, gaussian, sizes, strict=True)]
    block = np.concatenate(groups)
    code = np.repeat(np.arange(process.n_groups), sizes)
    first = np.cumsum(sizes) - sizes
    between = slice(process.n_varying, len(process.terms))
    block[:, between] = block[first[code], between]  # constant in a group to the last digit
    response = (block[:, :-1] * coefficients[code]).sum(1) + process.residual_sd * block[:, -1]
    frame = pd.DataFrame({"Group": code + 1, "DV": response})
    for j, term in enumerate(process.terms[1:], start=1):
        frame[term] = block[:, j]
    frame.attrs["truth"] = {
        "fixed_effects": dict(zip(process.terms, map(float, beta), strict=True)),
        "group_coefficients": coefficients.tolist(),
    }
    return frame


def _drawn(process: Any, key: jax.Array) -> Draw:
    bounds = process.bounds
    program = Program(process.program(bounds), process)
    return jax.device_get(_rows(program, bounds, key, process.parameters(bounds)))


@partial(jax.jit, static_argnums=(0, 1))
def _rows(program: Program, bounds: Bounds, key: jax.Array, parameters: Any) -> Draw:
    return program.example.draw(key, parameters, bounds)


@partial(jax.jit, static_argnums=0)
def _pieces(program: Program, key: jax.Array, parameters: Any) -> tuple[jax.Array, ...]:
    """What rows are made of: fixed effects, group sizes, standard group effects, ``[1 x e]``, and numbers to complete rows with."""
    process = program.example
    beta = fixed_effects(process, key, parameters)
    sizes = rows_of_groups(process, key, parameters, process.n_groups)
    if process.sampler == "rows":
        return beta, sizes, *standard_rows(process, key, sizes), jnp.zeros(0)
    effects, standard = standard_factors(process, key, parameters, sizes)
    fill = group_keys(stream_key(key, Stream.COMPLETION), process.n_groups)
    gaussian = jax.vmap(lambda k: jax.random.normal(k, (process.max_rows, process.n_varying)))(fill)
    return beta, sizes, effects, standard, gaussian
