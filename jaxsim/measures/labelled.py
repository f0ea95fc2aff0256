"""Measures as labelled arrays (xarray): a dimension for each factor of the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError

if TYPE_CHECKING:
    import xarray

NUMBERS, COUNTS = ("value", "mcse", "low", "high"), ("n_used", "n_failed")


def to_xarray(table: pd.DataFrame, by: Sequence[str], levels: Mapping[str, Sequence[Any]]) -> xarray.Dataset:
    """A table of measures as a dataset.

    Args:
        table: of :func:`jaxsim.measures.summarise`, or the same streamed.
        by: its columns that become dimensions.
        levels: of each of them, in order; those that the table lacks are left out.

    Returns:
        Variables ``value``, ``mcse``, ``low``, ``high`` with dimensions ``measure, *by``, and ``n_used``, ``n_failed`` with
        ``by``, those of the measure with most. A combination that the table lacks has NaN, and counts of 0.

    Raises:
        InputError: where xarray is not installed.
    """
    try:
        import xarray  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError("to_xarray needs xarray: pip install 'jaxsim-studies[xarray]'.") from error
    coordinates: dict[str, Any] = {"measure": list(map(str, pd.unique(table["measure"])))}
    for name in by:
        present = set(table[name])
        coordinates[name] = _as_given([level for level in levels[name] if level in present])
    places = [pd.Index(values, dtype=object).get_indexer(table[name].astype(object)) for name, values in coordinates.items()]
    shape = tuple(len(values) for values in coordinates.values())
    variables: dict[str, Any] = {}
    for name in (*NUMBERS, *COUNTS):
        array = np.zeros(shape, np.int64) if name in COUNTS else np.full(shape, np.nan)
        array[tuple(places)] = table[name].to_numpy()
        variables[name] = (list(coordinates)[1:], array.max(axis=0)) if name in COUNTS else (list(coordinates), array)
    return xarray.Dataset(variables, coordinates, {"policy": str(table["policy"].iloc[0])} if len(table) else {})


def _as_given(levels: list[Any]) -> np.ndarray:
    """Levels of one kind as an array of it; numbers beside text as they are."""
    kinds = {isinstance(level, str) for level in levels}
    return np.array(levels, dtype=object if len(kinds) > 1 else None)
