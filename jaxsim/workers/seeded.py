"""A generator of datasets called with a seed: what worker processes run for processes that draw DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class seeded:
    """``function(rng, **fields)`` with a NumPy generator that follows from some words."""

    function: Callable[..., Any]

    def __call__(self, words: tuple[int, ...], fields: Mapping[str, Any]) -> Any:
        return self.function(np.random.default_rng(words), **fields)
