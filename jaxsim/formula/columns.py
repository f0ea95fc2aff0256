"""Columns of a DataFrame as the formula needs them: complete rows, numbers or levels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from jaxsim.errors import InputError, advised, brief
from jaxsim.formula.contrasts import Contrast


@dataclass(frozen=True)
class Column:
    """One variable of a formula: numbers, or codes of levels.

    Attributes:
        label: as R would name it.
        values: ``[N]`` float, or ``[N, k]`` of a variable with several columns; positions in ``levels`` for a categorical one.
        levels: names of the levels, the first first; None for numbers.
        logical: true for a variable of true and false, whose values 0 and 1 can also serve as numbers.
        ordered: whether the levels are an ordered category's.
        contrast: that the formula gives to the levels; None for the default.
    """

    label: str
    values: np.ndarray
    levels: tuple[str, ...] | None = None
    logical: bool = False
    ordered: bool = False
    contrast: Contrast | None = None


# The largest number of a column is between these: its square over another's square is then between 1e-280 and 1e280, and sums of a
# billion such are still numbers, of full precision.
SMALLEST, LARGEST = 1e-70, 1e70
# Calls whose value in a row depends on the other rows.
WHOLE_COLUMN = re.compile(r"\b(?:scale|center|poly|bs|ns)\s*\(")


@dataclass(frozen=True)
class Rows:
    """The rows a model can use: ``frame`` has the needed columns only, without missing values; ``dropped`` rows had some.

    ``text`` is the formula; ``index`` the labels that the rows have in the user's data.
    """

    frame: pd.DataFrame
    dropped: int
    text: str
    index: pd.Index

    @property
    def messages(self) -> tuple[str, ...]:
        """What a user should know about them."""
        plural = "row with missing values was" if self.dropped == 1 else "rows with missing values were"
        if not self.dropped:
            return ()
        note = "scale(), center(), poly(), bs() and ns() used the rows that are left, where R uses every row that has the column"
        return (f"{self.dropped} {plural} dropped", *([note] if WHOLE_COLUMN.search(self.text) else []))


def require(data: pd.DataFrame, names: Iterable[str], why: str = "the formula needs") -> None:
    """Raise :class:`InputError` unless ``data`` is a DataFrame that has each of ``names`` once."""
    if not isinstance(data, pd.DataFrame):
        raise InputError(f"data must be a pandas DataFrame with one row per observation; a {type(data).__name__} was given.")
    for name in names:
        count = sum(isinstance(column, str) and column == name for column in data.columns)
        if count == 0:
            known = [str(column) for column in data.columns]
            there = f"they have {', '.join(known) or 'none'}"
            raise InputError(advised(f"{why} a column {name!r}, which the data do not have", str(name), known, there))
        if count > 1:
            raise InputError(f"the data have {count} columns named {name!r}; rename all but one.")


def collect(data: pd.DataFrame, names: Sequence[str], text: str = "") -> Rows:
    """The columns that the formula ``text`` names, on the rows where none is missing; :class:`InputError` for infinite values."""
    require(data, names)
    kept = data.loc[:, list(names)]
    complete = ~kept.isna().any(axis=1)
    kept = kept.loc[complete]
    index = kept.index
    kept = kept.reset_index(drop=True).infer_objects()
    if not len(kept):
        raise InputError(f"no row has a value in each of {', '.join(names)}: {len(data)} rows were given and none is complete.")
    for name in names:
        if types.is_float_dtype(kept[name]):
            check_finite(kept[name].to_numpy(float), name)
    return Rows(kept, int((~complete).sum()), text, index)


def check_finite(values: np.ndarray, label: str) -> None:
    """Raise :class:`InputError` that counts the values which are not finite."""
    count = int((~np.isfinite(values)).sum())
    if count:
        raise InputError(f"{label!r} is infinite or not a number in {count} of {len(values)} rows; remove or recode them.")


def check_size(values: np.ndarray, label: str) -> None:
    """Raise :class:`InputError` for a column whose numbers are all too small, or some too large, to be squared and divided."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest and not SMALLEST <= largest <= LARGEST:
        kind = "large" if largest > LARGEST else "small"
        raise InputError(
            f"{label!r} has numbers as {kind} as {largest:.3g}: squares and quotients of them are beyond what 64 bits hold. "
            f"Give it in other units, with its largest number between {SMALLEST:g} and {LARGEST:g}."
        )


def as_column(series: pd.Series, label: str) -> Column:
    """A complete column as numbers or levels: text, categories and booleans have levels.

    The reference level comes first: the first category, the alphabetically first text (as :func:`sorted_codes` sorts), FALSE.
    """
    if types.is_bool_dtype(series) and not isinstance(series.dtype, pd.CategoricalDtype):
        return Column(label, series.to_numpy(float), ("FALSE", "TRUE"), logical=True)
    if isinstance(series.dtype, pd.CategoricalDtype):
        categories = tuple(level_name(level) for level in series.cat.categories)
        return Column(label, series.cat.codes.to_numpy(float), categories, ordered=bool(series.cat.ordered))
    if types.is_numeric_dtype(series) and not types.is_complex_dtype(series):
        return Column(label, series.to_numpy(float))
    if all(isinstance(value, str) for value in series):
        codes, levels = sorted_codes(series)
        return Column(label, codes.astype(float), tuple(levels))
    kinds = ", ".join(sorted({type(value).__name__ for value in series}))
    text = next(
        (f" The first text is {brief(value)}: pandas.to_numeric finds them." for value in series if isinstance(value, str)), ""
    )
    raise InputError(f"column {label!r} holds {kinds}; it must hold numbers, text, booleans or categories. Convert it first.{text}")


def level_name(level: Any) -> str:
    """A level as R writes it: 2.0 as 2, True as TRUE."""
    if isinstance(level, (bool, np.bool_)):
        return str(level).upper()
    return f"{level:.15g}" if isinstance(level, float) else str(level)


def sorted_codes(series: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """Codes and the labels that occur: categories in their order, everything else sorted, text as a dictionary sorts it.

    R sorts by the locale, and nearly every locale puts ``apple`` before ``Banana``, and ``a`` before ``A``.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        used = series.cat.remove_unused_categories()
        return used.cat.codes.to_numpy(int), list(used.cat.categories)
    try:
        codes, labels = pd.factorize(series, sort=True)
    except TypeError:
        kinds = ", ".join(sorted({type(value).__name__ for value in series}))
        raise InputError(f"the groups {series.name!r} hold {kinds}, which have no order; give numbers or text.") from None
    found = list(labels)
    if not all(isinstance(label, str) for label in found):
        return codes, found
    order = sorted(range(len(found)), key=lambda i: (found[i].casefold(), found[i].swapcase()))
    return np.argsort(order)[codes], [found[i] for i in order]
