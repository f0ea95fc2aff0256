"""Troubles taken apart: numbers that a grid may vary and that programs are not compiled for, and the rest."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxsim.errors import InputError, brief, finite
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.shapes import table_of


@dataclass(frozen=True)
class Kind:
    """A trouble without its numbers: all that programs are compiled for."""

    type: type
    rest: tuple[tuple[str, Hashable], ...]


def leaves(name: str, value: Any) -> dict[str, Any]:
    """The parts of a trouble by dotted names: what it is under its own name, its numbers below (``missing.share``); of several by
    their places (``missing.0.share``). A distribution is one part."""
    if isinstance(value, tuple):
        found: dict[str, Any] = {name: len(value)} if value else {name: None}
        for place, one in enumerate(value):
            found |= leaves(f"{name}.{place}", one)
        return found
    if value is None or isinstance(value, Distribution) or not dataclasses.is_dataclass(value):
        return {name: value}
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    numbers = {f"{name}.{own}": float(v) for own, v in fields.items() if is_number(v)}
    rest = tuple((own, v) for own, v in fields.items() if not is_number(v))
    return {name: Kind(type(value), rest), **numbers}


def is_number(value: Any) -> bool:
    """Whether a field of a trouble is traced."""
    return isinstance(value, float | int) and finite(value)


def with_part(value: Any, path: str, part: Any, checked: bool) -> Any:
    """A trouble with another value of one of its parts.

    Args:
        value: the trouble, or several.
        path: of the part, such as ``share`` or ``0.share``.
        part: its value; a number that JAX traces if not ``checked``.
        checked: validate the whole again.

    Raises:
        InputError: for a part that it does not have.
    """
    if value is None or (isinstance(value, tuple) and not value):
        raise InputError(
            f"nothing is given here that has the part {path!r}. Where a field is nothing at some levels of a grid, make its levels "
            "whole values, such as missing=[(), MCAR(.1), MCAR(.2)]."
        )
    if isinstance(value, tuple):
        place, _, rest = path.partition(".")
        if not place.isdecimal() or int(place) >= len(value) or not rest:
            raise InputError(f"{path!r}: there are {len(value)} of them; write the place before the part, such as '0.share'.")
        k = int(place)
        return (*value[:k], with_part(value[k], rest, part, checked), *value[k + 1 :])
    names = [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    if path not in names:
        has = f"it has {', '.join(names)}" if names else "it has no parts"
        raise InputError(f"{brief(value)} has no part {path!r}; {has}.")
    if checked:
        return dataclasses.replace(value, **{path: part})
    changed = copy.copy(value)
    object.__setattr__(changed, path, part)
    return changed


def traced(value: Any) -> bool:
    """Whether a leaf is a number, or a shape that a table stands for: what programs are not compiled for."""
    return isinstance(value, float) or (isinstance(value, Distribution) and value.smooth)


def kind_of(world: Mapping[str, Any]) -> Hashable:
    """All of a world that programs are compiled for."""
    every = [leaves(name, value) for name, value in world.items()]
    return tuple((name, True if traced(value) else value) for own in every for name, value in own.items())


def numbers_of(world: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The rest of it, by dotted names."""
    every = [leaves(name, value) for name, value in world.items()]
    return {
        name: table_of(value) if isinstance(value, Distribution) else np.asarray(value, float)
        for own in every
        for name, value in own.items()
        if traced(value)
    }


def holding(world: Mapping[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The same world with numbers that JAX traces; of others than its own names nothing is taken."""
    found = dict(world)
    for name in numbers_of(world):
        head, _, rest = name.partition(".")
        found[head] = with_part(found[head], rest, numbers[name], checked=False) if rest else numbers[name]
    return found
