"""One formula for NumPy and for JAX.

A program of many datasets is worth a compiler; one dataset is not: compiling takes a hundred times as long as computing. So what
both need is written once, with the functions that the two libraries share, taken from :func:`library` of the arguments. Given JAX's
arrays it is traced and compiled as ever; given NumPy's it is computed there and then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Carry = TypeVar("Carry")
NUMPYS = (np.ndarray, np.generic, float, int, type(None))


def library(*arrays: Any) -> Any:
    """``numpy`` if all of the arrays are NumPy's, or numbers, else ``jax.numpy``."""
    for array in arrays:  # the fastest way, of what is asked tens of thousands of times a second
        if not isinstance(array, NUMPYS):
            return jnp
    return np


def library_of(tree: Any) -> Any:
    """:func:`library` of the arrays in a tuple, a dataclass or any other tree."""
    return library(*jax.tree.leaves(tree))


def put(array: Any, index: Any, values: Any) -> Any:
    """A copy of the array with other values at an index."""
    if library(array, values) is jnp:
        return jnp.asarray(array).at[index].set(values)
    changed = array.copy()
    changed[index] = values
    return changed


def einsum(subscripts: str, *operands: Any) -> Any:
    """``einsum``; NumPy's, which would go through all indices of three operands at once, takes them by two."""
    xp = library(*operands)
    return xp.einsum(subscripts, *operands, optimize=True) if xp is np and len(operands) > 2 else xp.einsum(subscripts, *operands)


def over_groups(values: Any) -> Any:
    """The sum over the last axis, that of the groups, as a matrix product: to the last bit the same however many zeros follow.

    A sum by itself is added up in pieces whose number depends on how many numbers there are.
    """
    return values @ library(values).ones(values.shape[-1])


# Numbers of a loop that the compiler does not write out.
LOOP = 32


def with_room(values: Any) -> Any:
    """The array with zeros at the end of its last axis, that of the groups, up to some at least: loops over few are written out by
    the compiler, and rounded differently."""
    return library(values).pad(values, ((0, 0),) * (values.ndim - 1) + ((0, max(0, LOOP - values.shape[-1])),))


def fori_loop(size: int, body: Callable[[Any, Carry], Carry], carry: Carry) -> Carry:
    """``jax.lax.fori_loop`` from 0; a loop of Python's on NumPy."""
    if library_of(carry) is jnp:
        return jax.lax.fori_loop(0, size, body, carry)
    for j in range(size):
        carry = body(j, carry)
    return carry


def while_loop(goes_on: Callable[[Carry], Any], body: Callable[[Carry], Carry], carry: Carry) -> Carry:
    """``jax.lax.while_loop``; a loop of Python's on NumPy."""
    if library_of(carry) is jnp:
        return jax.lax.while_loop(goes_on, body, carry)
    while goes_on(carry):
        carry = body(carry)
    return carry


def scan(body: Callable[[Carry, Any], tuple[Carry, Any]], carry: Carry, rows: Any, reverse: bool = False) -> tuple[Carry, Any]:
    """``jax.lax.scan`` over the first axis of an array or of those in a tuple; a loop of Python's on NumPy."""
    if library_of((carry, rows)) is jnp:
        return jax.lax.scan(body, carry, rows, reverse=reverse)
    parts = list(zip(*rows, strict=True) if isinstance(rows, tuple) else rows)
    found = []
    for row in parts[::-1] if reverse else parts:
        carry, one = body(carry, row)
        found.append(one)
    if reverse:
        found.reverse()
    return carry, None if found[0] is None else jax.tree.map(lambda *leaves: np.stack(leaves), *found)


def on_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is annotated for JAX's arrays, for NumPy's: without warnings of infinities and NaN, which formulas that
    choose between values make and leave."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        """The same, without NumPy's warnings."""
        with np.errstate(all="ignore"):
            return function(*arguments, **options)

    return call
