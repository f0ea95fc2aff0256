"""What measures are computed from: rows in strata, one row per dataset in each, and the statistics of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

Array = np.ndarray
NUMBERS = ("estimate", "truth", "std_error", "p_value", "conf_low", "conf_high")
# Of the coefficients of groups, in tables that have them.
GROUP_NUMBERS = ("group_mse", "group_variance", "group_true_variance")
# A p value that is alpha but for rounding is alpha.
ROUNDING = 1e-12


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
        values: statistics by name, ``[rows]`` each, such as ``error`` or ``covers`` (a proportion's are 0 and 1).
    """

    code: Array
    values: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.values[name]


def numbers_of(table: pd.DataFrame) -> dict[str, Array]:
    """The columns ``NUMBERS`` of an estimates table, and those of ``GROUP_NUMBERS`` if it has them, ``[rows]`` each."""
    names = (*NUMBERS, *GROUP_NUMBERS) if has_groups(table) else NUMBERS
    return {name: table[name].to_numpy(float) for name in names}


def has_groups(table: pd.DataFrame) -> bool:
    """Whether an estimates table tells of the coefficients of groups."""
    return set(GROUP_NUMBERS) <= set(table.columns)


def estimate_rows(numbers: Mapping[str, Array], code: Array, alpha: float) -> Rows:
    """Statistics of rows of an estimates table, of what :func:`numbers_of` gives; tests are at level ``alpha``.

    The truth may differ from dataset to dataset. ``covers`` says whether the interval contains it; ``rejects`` whether
    ``p <= alpha`` (resampled p values may be equal to it, and their intervals then exclude zero).
    """
    error, truth = numbers["estimate"] - numbers["truth"], numbers["truth"]
    low, high = numbers["conf_low"], numbers["conf_high"]
    found = {
        "error": error,
        "absolute_error": np.abs(error),
        "squared_error": error**2,
        "variance": numbers["std_error"] ** 2,
        "width": high - low,
        "covers": ((low <= truth) & (truth <= high)).astype(float),
        "rejects": (numbers["p_value"] <= alpha + ROUNDING).astype(float),
        "null": (truth == 0).astype(float),
    }
    if "group_mse" in numbers:
        found["group_squared_error"] = numbers["group_mse"]
    return Rows(code, {**numbers, **found})
