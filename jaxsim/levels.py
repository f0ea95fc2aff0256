"""Levels of a grid's factors: how they are kept, and how tables show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def leaves(level: Any) -> Iterator[Any]:
    """Everything in a level that is no tuple."""
    if not isinstance(level, tuple):
        yield level
        return
    for part in level:
        yield from leaves(part)


def freeze(level: Any) -> Any:
    """Lists and arrays as tuples, numbers of numpy as Python's."""
    if isinstance(level, list | tuple) or (isinstance(level, np.ndarray) and level.ndim):
        return tuple(freeze(v) for v in level)
    return level.item() if isinstance(level, np.generic | np.ndarray) else level


def shown(level: Any) -> Any:
    """A level as tables show it: numbers and words as they are, a tuple as ``0, 0.5``, anything else as its description."""
    if not isinstance(level, tuple):
        return level if isinstance(level, int | float | str) else str(level)
    return ", ".join(f"({shown(v)})" if isinstance(v, tuple) else f"{v:g}" if isinstance(v, float) else str(v) for v in level)


def in_tables(levels: Sequence[Any]) -> list[Any]:
    """Levels of one factor as tables show them: those that all say how many there are of one thing, such as
    ``nested("clinic", 5)``, as these numbers."""
    amounts = [amount(level) for level in levels]
    kinds = {found[0] for found in amounts if found is not None}
    alike = len(kinds) == 1 and None not in amounts
    return [found[1] for found in amounts if found is not None] if alike else [shown(level) for level in levels]


def amount(level: Any) -> tuple[Any, int] | None:
    """What a level says how many there are of, and how many; None for one that says it of nothing."""
    found: tuple[Any, int] | None = getattr(level, "number_in_each", None)
    return found


def is_called(level: Any, given: Any) -> bool:
    """Whether a level is what was given: itself, or its number as tables show it."""
    own = amount(level)
    return bool(level == given) or (own is not None and own[1] == given and not isinstance(given, bool))


def in_a_row(levels: Sequence[str]) -> str:
    """Levels beside each other, with a bar between those that have commas of their own."""
    return (" | " if any("," in level for level in levels) else ", ").join(levels)
