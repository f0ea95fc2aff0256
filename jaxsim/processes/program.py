"""Processes as arguments of compiled functions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Program:
    """A process as far as the compiled code depends on it: equal keys share the code made for either example."""

    key: Hashable
    example: Any = field(compare=False)
