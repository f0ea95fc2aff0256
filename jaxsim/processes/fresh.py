"""Data that strategies have not seen, of any process (traceable), and of which processes they can be had."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw
from jaxsim.data.fresh import Fresh, Unseen
from jaxsim.data.names import INTERCEPT, Names
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, in_brief
from jaxsim.processes.process import Process
from jaxsim.processes.program import Program
from jaxsim.seeding import Stream, stream_key

Array = jax.Array


def fresh(process: Process, key: Array, drawn: Draw, parameters: Any, bounds: Bounds) -> Fresh:
    """For the dataset ``drawn`` from a key: rows of its groups and of other ones, or what is expected of them."""
    return Fresh(*(_unseen(process, key, drawn, parameters, bounds, new_groups) for new_groups in (False, True)))


def lacking(process: Process) -> str | None:
    """Why there are no data that a dataset's strategies could predict; None where there are some."""
    if not process.batched:
        return (
            f"{process.kind} draws whole datasets, one after the other in Python; take a process in JAX, such as a Design or a "
            "RowProcess."
        )
    bounds = process.bounds.padded()
    parameters = process.parameters(bounds)
    program = Program(process.program(bounds), process)
    if _says_how(program, parameters, bounds):
        return None
    one, other = (np.asarray(_fixed(program, bounds, _key(seed), parameters)) for seed in (0, 1))
    if (one == other).all():
        return None
    return (
        f"the fixed effects of {process.kind} are drawn anew for every dataset, so that no other dataset has groups of the same "
        "population; let it be a RowProcess with a method simulate_fresh(self, key, other, new_groups), or give it effects that "
        "are numbers."
    )


def _says_how(program: Program, parameters: Any, bounds: Bounds) -> bool:
    """Whether a process says how further rows come about; :class:`InputError` if what it says cannot be traced."""
    for new_groups in (False, True):
        try:
            if _new_rows.eval_shape(program, bounds, new_groups, _key(0), parameters) is None:
                return False
        except InputError:
            raise
        except Exception as error:  # whatever a person's method may raise
            kind = program.example.kind
            raise InputError(f"{kind}: its fresh rows could not be had from JAX: {in_brief(error)}") from error
    return True


@partial(jax.jit, static_argnums=(0, 1, 2))  # traced once for all studies of a process
def _new_rows(program: Program, bounds: Bounds, new_groups: bool, key: Array, parameters: Any) -> Draw | None:
    """Further rows for the dataset of a key."""
    process = program.example
    rows: Draw | None = process.new_rows(key, process.draw(key, parameters, bounds), parameters, bounds, new_groups)
    return rows


def _key(seed: int) -> Array:
    return jax.random.key(seed, impl="threefry2x32")


@partial(jax.jit, static_argnums=(0, 1))
def _fixed(program: Program, bounds: Bounds, key: Array, parameters: Any) -> Array:
    fixed: Array = program.example.draw(key, parameters, bounds).truth.fixed
    return fixed


def _unseen(process: Process, key: Array, drawn: Draw, parameters: Any, bounds: Bounds, new_groups: bool) -> Unseen | None:
    new = process.new_rows(key, drawn, parameters, bounds, new_groups)
    if new is None and new_groups:
        new = _another(process, key, drawn, parameters, bounds)
    if new is None:
        return None
    if not new_groups and isinstance(new.data, Rows):
        new = new._replace(data=_of_present(new.data, drawn))
    rows = new.data if isinstance(new.data, Rows) else None
    expected = process.expected(drawn, parameters, new_groups)
    if expected is not None:
        return Unseen(expected.products, variance_within(expected.products), expected.means, rows)
    products = new.data.reduce(bounds.cells) if isinstance(new.data, Rows) else new.data
    variance = (variance_between if new_groups else variance_within)(products)
    means = expected_responses(products, new, process.names) if process.linear else None
    return Unseen(products, variance, means, rows)


def _of_present(rows: Rows, drawn: Draw) -> Rows:
    """The rows, without those of groups of which the dataset has no row."""
    if isinstance(drawn.data, Rows):
        there = [
            jax.ops.segment_max(drawn.data.weight, drawn.data.levels[:, f], count) > 0 for f, count in enumerate(drawn.data.counts)
        ]
    else:
        there = [drawn.data.sizes > 0]
    here = jnp.stack([known[rows.levels[:, f]] for f, known in enumerate(there)]).all(0)
    return replace(rows, weight=jnp.where(here, rows.weight, 0.0))


def _another(process: Process, key: Array, drawn: Draw, parameters: Any, bounds: Bounds) -> Draw:
    """Another dataset, whose groups are new ones of the same population; NaN in place of the responses if its fixed effects are
    others."""
    new = process.draw(jax.random.fold_in(stream_key(key, Stream.FRESH), 1), parameters, bounds)
    same = (new.truth.fixed == drawn.truth.fixed).all()
    if isinstance(new.data, Rows):
        return new._replace(data=replace(new.data, y=jnp.where(same, new.data.y, jnp.nan)))
    return new._replace(data=replace(new.data, products=jnp.where(same, new.data.products, jnp.nan)))


def expected_responses(products: CrossProducts, drawn: Draw, names: Names) -> CrossProducts | None:
    """Cross-products with ``x'b`` in place of the response, ``b`` the group's own coefficients; None where a process does not tell
    those of all its fixed effects, or groups rows by several factors."""
    told = dict(names.random).get(names.factors[0], ())
    if len(names.factors) > 1 or not set(names.fixed) <= set(told) <= set(names.columns):
        return None
    place = products.index_of(told)
    coefficients = jnp.zeros((len(products.sizes), len(names.columns)))
    known = drawn.truth.groups[names.factors[0]][: len(products.sizes)]
    coefficients = coefficients.at[: len(known), place].set(known)
    xx = products.products[:, :-1, :-1]
    xy = (xx * coefficients[:, None]).sum(2)
    whole = products.products.at[:, :-1, -1].set(xy).at[:, -1, :-1].set(xy).at[:, -1, -1].set((xy * coefficients).sum(1))
    return replace(products, products=whole)


def variance_within(products: CrossProducts) -> Array:
    """Of the response, ``[]``, in the rows that there are."""
    n, total, squares = _sums(products)
    return squares.sum() / n.sum() - (total.sum() / n.sum()) ** 2


def variance_between(products: CrossProducts) -> Array:
    """Of the response, ``[]``, in the population that groups are from: half the mean of ``(y_i - y_j)^2`` over pairs of rows from
    different groups, which has that expectation however few groups there are."""
    n, total, squares = _sums(products.grouped())
    pairs = n.sum() ** 2 - (n**2).sum()
    return (n.sum() * squares.sum() - total.sum() ** 2 - (n * squares - total**2).sum()) / pairs


def _sums(products: CrossProducts) -> tuple[Array, Array, Array]:
    """Rows, sums and sums of squares of the response of each cell, ``[C]`` each."""
    own = products.products
    place = int(products.index_of((INTERCEPT,))[0])
    return products.sizes.astype(own.dtype), own[:, place, -1], own[:, -1, -1]
