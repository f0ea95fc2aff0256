"""Levels of a grid's factors: how they are kept, and how tables show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def words(level: Any) -> Iterator[str]:
    """Every text in a level."""
    if isinstance(level, str):
        yield level
    elif isinstance(level, tuple):
        for part in level:
            yield from words(part)


def freeze(level: Any) -> Any:
    """Lists and arrays as tuples, numbers of numpy as Python's."""
    if isinstance(level, list | tuple | np.ndarray):
        return tuple(freeze(v) for v in level)
    return level.item() if isinstance(level, np.generic) else level


def shown(level: Any) -> Any:
    """A level as tables show it: numbers and words as they are, a tuple as ``0, 0.5``, anything else as its description."""
    if not isinstance(level, tuple):
        return level if isinstance(level, int | float | str) else str(level)
    return ", ".join(f"({shown(v)})" if isinstance(v, tuple) else f"{v:g}" if isinstance(v, float) else str(v) for v in level)
