"""What an instance of an own process holds besides its fields: nothing that was made for other values may be left in it."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any

import jax


def derives(process: Any) -> bool:
    """Whether making an instance computes something from its fields and keeps it (``__post_init__``): that has to be made anew for
    each value, and looks at it, so that no field can be traced. What a ``cached_property`` keeps is forgotten instead."""
    if any(not field.init for field in dataclasses.fields(process)):
        return True
    made = _made(process)
    return made is None or bool(made - _fields(process))


def bare(process: Any) -> Any:
    """A copy with what a fresh instance holds, and nothing that was computed and kept since."""
    found = copy.copy(process)
    made = _made(process)
    kept = _fields(process) | (vars(found).keys() - _cached(process) if made is None else made)
    for name in [*vars(found)]:
        if name not in kept:
            del vars(found)[name]
    return found


def _made(process: Any) -> set[str] | None:
    """Attributes of a fresh instance with the same fields, cached properties left out; None if none can be made."""
    try:
        with jax.ensure_compile_time_eval():
            fresh = process.having()
    except Exception:
        return None
    return set(vars(fresh)) - _cached(process)


def _fields(process: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(process)}


def _cached(process: Any) -> set[str]:
    """Names of cached properties, which are computed again where they are forgotten."""
    return {name for kind in type(process).__mro__ for name, v in vars(kind).items() if isinstance(v, functools.cached_property)}
