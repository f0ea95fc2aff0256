"""The rows that a person's own measure is a function of, read-only."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from jaxsim.errors import advised
from jaxsim.measures.sample import Array, Rows


class RowsView:
    """Rows of one coefficient of one strategy in one cell, a row a dataset, as one-dimensional arrays that cannot be written to.

    ``rows.error`` and ``rows["error"]`` are the same; ``list(rows)`` names everything there is, ``len(rows)`` is the number of
    datasets. Besides the columns ``estimate, truth, std_error, p_value, conf_low, conf_high, replicate`` and those that scores of
    the study added, there are the statistics of :func:`jaxsim.measures.statistics.statistics`, such as ``error``,
    ``squared_error``, ``width``, ``covers`` and ``rejects``.
    """

    __slots__ = ("_found", "_places", "_rows")
    _rows: Rows
    _places: Array | slice
    _found: dict[str, Array]

    def __init__(self, rows: Rows, places: Array | slice = slice(None)) -> None:
        for name, value in (("_rows", rows), ("_places", places), ("_found", {})):
            object.__setattr__(self, name, value)

    def __getitem__(self, name: str) -> Array:
        if name not in self._found:
            if name not in self._rows:
                raise KeyError(unknown(name, self))
            values = self._rows[name][self._places].view()
            values.flags.writeable = False
            self._found[name] = values
        return self._found[name]

    def __getattr__(self, name: str) -> Array:
        if name.startswith("_") or name not in self._rows:
            raise AttributeError(unknown(name, self))
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"rows.{name} cannot be set: the rows of a measure are read-only.")

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._rows if name.isidentifier())

    def __len__(self) -> int:
        return len(self._rows.code[self._places])

    def __dir__(self) -> list[str]:
        return list(self)


def unknown(name: str, known: Iterable[str]) -> str:
    """What is said of a name that rows do not have."""
    options = sorted(known)
    return advised(f"rows have no {name!r}", name, options, f"they have {', '.join(options)}")


def numeric(result: Any) -> Array:
    """What a function gave, as numbers; a TypeError for anything else."""
    values = np.asarray(result)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"it returned {result!r:.60}, which is no number and no array of numbers")
    return values.astype(np.float64)


def by_row(function: Callable[[RowsView], Any], rows: RowsView) -> Array:
    """What a function gives for each row, ``[rows]``; a ValueError for numbers of another shape."""
    values = numeric(function(rows)) if len(rows) else np.zeros(0)
    if values.shape != (len(rows),):
        raise ValueError(f"it gave an array of shape {values.shape} for {len(rows)} rows")
    return values


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Call a person's function: a mean of nothing or a division by zero is NaN, and what became NaN is said once, elsewhere."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
