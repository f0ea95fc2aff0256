"""One cell of a study: a process with the conditions of one combination filled in."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxsim.processes.process import Process
from jaxsim.seeding import content_words
from jaxsim.study import registry


@dataclass(frozen=True)
class Cell:
    """One combination of conditions: its number in the grid and the process with those conditions filled in.

    Attributes:
        index: its number.
        conditions: level of each factor.
        process: with these conditions.
        derived: fields that a linked grid sets besides.
    """

    index: int
    conditions: tuple[tuple[str, Any], ...]
    process: Process
    derived: tuple[tuple[str, Any], ...] = ()

    @functools.cached_property
    def _description(self) -> Any:
        return registry.encode(self.process)

    @functools.cached_property
    def words(self) -> np.ndarray:
        """The cell's content as seeding sees it, ``[4]`` uint32: the process alone, not its place in any grid, nor its code."""
        return content_words(registry.text_of(registry.without_code(self._description)))

    @functools.cached_property
    def key(self) -> str:
        """The content, code of the user's own included, as 32 hexadecimal digits: how stored results know the cell, whatever grid
        it stands in."""
        return "".join(f"{word:08x}" for word in content_words(registry.text_of(self._description)).tolist())
