"""What measures are computed from: rows in strata, one row per dataset in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

Array = np.ndarray
NUMBERS = ("estimate", "truth", "std_error", "p_value", "conf_low", "conf_high")


@dataclass(frozen=True)
class Strata:
    """Rows assigned to strata: one strategy's estimates of one coefficient in one cell, one row per dataset.

    Rows of a stratum are independent draws, so the textbook Monte Carlo errors hold in it. ``code`` is the stratum of each row,
    ``[rows]``, from 0; ``count`` the number of strata, K.
    """

    code: Array
    count: int

    @cached_property
    def size(self) -> Array:
        """Rows of each stratum, ``[K]``."""
        return np.bincount(self.code, minlength=self.count)


@dataclass(frozen=True)
class Rows:
    """Rows that count, with what measures are made of.

    Attributes:
        code: stratum of each row, ``[rows]``.
        values: numbers by name, ``[rows]`` each.
        functions: statistics of the rows, such as ``error`` or ``covers`` (a proportion's are 0 and 1), ``[rows]`` each: computed
            when they are first asked for, and kept.
    """

    code: Array
    values: Mapping[str, Array]
    functions: Mapping[str, Callable[[Rows], Array]] = field(default_factory=dict)
    _found: dict[str, Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __getitem__(self, name: str) -> Array:
        if name in self.values:
            return self.values[name]
        if name not in self._found:
            self._found[name] = self.functions[name](self)
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values or name in self.functions

    def __iter__(self) -> Iterator[str]:
        """Names of the numbers and statistics."""
        yield from dict.fromkeys((*self.values, *self.functions))

    def __len__(self) -> int:
        return len(self.code)

    def with_more(self, values: Mapping[str, Array]) -> Rows:
        """The same rows with further numbers."""
        return Rows(self.code, {**self.values, **self._found, **values}, self.functions)


def numbers_of(table: pd.DataFrame, columns: Sequence[str] = (), suffix: str = "") -> dict[str, Array]:
    """The columns ``NUMBERS`` of an estimates table, further ones and the replicates, ``[rows]`` each.

    Args:
        table: the rows.
        columns: that are read besides.
        suffix: of all of these columns but the replicate's.
    """
    found = {name: table[name + suffix].to_numpy(np.float64) for name in (*NUMBERS, *columns)}
    return found | {"replicate": table["replicate"].to_numpy(np.int64)}
