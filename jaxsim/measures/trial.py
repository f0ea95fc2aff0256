"""What a person's own measure gives, found out on rows that are made up."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from jaxsim.errors import InputError
from jaxsim.measures.sample import NUMBERS, Array, Rows
from jaxsim.measures.statistics import Statistic, statistics
from jaxsim.measures.view import RowsView, numeric, quietly

Function = Callable[[RowsView], Any]
DATASETS, FIRST = 12, 5  # that a function is tried on, and from which of them on it is tried once more


@dataclass(frozen=True)
class Trial:
    """What was found out.

    Attributes:
        is_mean: whether the function gives one number per row, and not a single one.
        columns: what it asks for beyond the columns and statistics that all rows have.
    """

    is_mean: bool
    columns: frozenset[str]


class _Anything(dict[str, Statistic]):
    """Statistics of made-up rows: whatever is asked for, since which columns scores add is known only later."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and not name.startswith("_")

    def __missing__(self, name: str) -> Statistic:
        self[name] = partial(_invented, name)
        return self[name]


def try_out(name: str, function: Function, influence: Function | None) -> Trial:
    """Call the functions of a measure.

    Raises:
        InputError: where one raises, gives no number or numbers of another shape, or numbers by row that depend on other rows; or
            for an influence that does not belong to a single number.
    """
    known = statistics(0.05, 0.95)
    rows = Rows(np.zeros(DATASETS, np.int64), _numbers(), _Anything(known))
    shape = _shape(f"own measure {name!r}: its function", function, rows, True)
    if influence is not None and shape:
        raise InputError(f"own measure {name!r}: its function gives one number per row; leave its influence out.")
    if influence is not None and not _shape(f"own measure {name!r}: its influence", influence, rows, False):
        raise InputError(f"own measure {name!r}: its influence gives a single number; let it give one per row.")
    return Trial(bool(shape), frozenset(rows.functions) - known.keys())


def _shape(said: str, function: Function, rows: Rows, by_row: bool) -> tuple[int, ...]:
    """``()`` or ``[rows]``; ``by_row``: a number of a row must not depend on the others."""
    try:
        with quietly():
            values, part = (numeric(function(RowsView(rows, slice(first, None)))) for first in (0, FIRST))
    except Exception as error:  # whatever a person's function may raise
        combined = " rows.covers and the like are 0 or 1 (NaN where a fit has none): multiply them." if _is_bitwise(error) else ""
        raise InputError(
            f"{said} failed on {DATASETS} made-up rows: {type(error).__name__}: {error}. Give a function of rows that returns one "
            f"number, or one per row, such as lambda rows: abs(rows.error).{combined}"
        ) from error
    if values.shape == part.shape == ():
        return ()
    if values.shape != (DATASETS,) or part.shape != (DATASETS - FIRST,):
        raise InputError(f"{said} gave an array of shape {values.shape} for {DATASETS} rows; give one number, or one per row.")
    # The same number may differ by a rounding where several are computed at a time.
    if by_row and not np.allclose(values[FIRST:], part, rtol=1e-9, atol=0, equal_nan=True):
        raise InputError(
            f"{said} gave one number per row, but they depend on which other rows there are; return the one number that you want "
            "(such as their mean), or compute the number of a row from that row alone."
        )
    return values.shape


def _is_bitwise(error: Exception) -> bool:
    """Whether somebody wrote ``rows.covers & rows.rejects``."""
    return isinstance(error, TypeError) and "bitwise" in str(error)


def _numbers() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    truth, error, spread = rng.normal(1, 0.5, DATASETS), rng.normal(0, 0.4, DATASETS), rng.uniform(0.3, 0.5, DATASETS)
    estimate = truth + error
    numbers = (estimate, truth, spread, rng.uniform(0, 0.2, DATASETS), estimate - 2 * spread, estimate + 2 * spread)
    return {**dict(zip(NUMBERS, numbers, strict=True)), "replicate": np.arange(DATASETS)}


def _invented(name: str, rows: Rows) -> Array:
    return np.random.default_rng(zlib.crc32(name.encode())).lognormal(0, 0.5, len(rows))
