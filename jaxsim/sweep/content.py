"""What a value is made of, as text: equal for equal values, also in another process, where their hashes differ."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxsim.study.digests import is_ours


class UnknownError(TypeError):
    """Something whose content cannot be told."""


def content(value: Any) -> Any:
    """A value's content as nested tuples of text.

    Raises:
        UnknownError: for anything but plain values, and tuples, mappings, trees and classes of jaxsim's made of them.
    """
    for kinds, told in KINDS:
        if isinstance(value, kinds):
            return told(value)
    if dataclasses.is_dataclass(value):
        return (_called(type(value)), *((one.name, content(getattr(value, one.name))) for one in dataclasses.fields(value)))
    raise UnknownError(f"{type(value).__name__} has no description.")


def _called(kind: type) -> str:
    """The name of a class that its name describes."""
    if not (kind.__module__ == "builtins" or is_ours(kind)):
        raise UnknownError(f"{kind.__module__}.{kind.__qualname__} is not jaxsim's.")
    return f"{kind.__module__}.{kind.__qualname__}"


def _items(value: Mapping[Any, Any]) -> Any:
    return ("mapping", *((content(name), content(one)) for name, one in value.items()))


# The first kind that a value is of decides: an enumeration's members may be numbers, too, and numbers of NumPy Python's.
KINDS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (enum.Enum, lambda value: (_called(type(value)), value.name)),
    (np.generic, lambda value: (value.dtype.str, value.tobytes().hex())),
    ((type(None), bool, int, float, complex, str, bytes), lambda value: (_called(type(value)), repr(value))),
    (type, lambda value: ("class", _called(value))),
    ((tuple, list), lambda value: (_called(type(value)), *map(content, value))),
    ((set, frozenset), lambda value: ("set", *sorted(map(content, value)))),
    (Mapping, _items),
    (np.dtype, lambda value: ("dtype", value.str)),
    (jax.tree_util.PyTreeDef, lambda value: ("tree", content(value.node_data()), *map(content, value.children()))),
)
