"""Tables of any kind that people have, as the pandas DataFrame that a formula reads: names are texts, the index is columns too."""

from __future__ import annotations

import unicodedata
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief

WANTED = "data must be a pandas DataFrame with one row per observation"


def as_frame(data: Any) -> pd.DataFrame:
    """The table as a DataFrame whose columns a formula can name; the user's own is not changed.

    Tables of polars, modin, pyarrow and others are converted by narwhals. Whole numbers as names become text (`` `1` `` in a
    formula), text gets Unicode's composed form (NFC), and levels of the index that have a name become columns, unless there is
    one of that name.

    Raises:
        InputError: for what is no table, for a table that is not computed yet, and for columns with several levels of names.
    """
    frame = data if isinstance(data, pd.DataFrame) else _converted(data)
    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError(
            f"the columns of the data have names of {frame.columns.nlevels} levels, such as {brief(tuple(frame.columns[0]))}; "
            "a formula names each by one text. Join them first: data.columns = ['_'.join(map(str, name)) for name in data.columns]."
        )
    names = [as_name(name) for name in frame.columns]
    if any(name is not old for name, old in zip(names, frame.columns, strict=True)):
        frame = frame.set_axis(pd.Index(names, tupleize_cols=False), axis=1)
    for level, name in enumerate(frame.index.names):
        if isinstance(text := as_name(name), str) and text not in names:
            frame = frame.assign(**{text: frame.index.get_level_values(level).array})
    return frame


def as_name(given: Any) -> Any:
    """The name of a column as a formula has it: text in composed form, also of a whole number; anything else as it is."""
    if isinstance(given, str):
        return given if unicodedata.is_normalized("NFC", given) else unicodedata.normalize("NFC", given)
    return str(given) if isinstance(given, Integral) and not isinstance(given, bool) and abs(int(given)) < 2**63 else given


def _converted(data: Any) -> pd.DataFrame:
    """A table of another library."""
    given = f"a {type(data).__name__} was given"
    try:
        import narwhals  # noqa: PLC0415 - an optional dependency
    except ImportError:
        advice = "Tables of polars, modin or pyarrow need narwhals: pip install 'jaxsim-studies[frames]'."
        raise InputError(f"{WANTED}; {given}. {advice}") from None
    table = narwhals.from_native(data, pass_through=True)
    if isinstance(table, narwhals.LazyFrame):
        raise InputError(f"{WANTED}; {given}, which is not computed yet: call .collect() first.")
    if not isinstance(table, narwhals.DataFrame):
        raise InputError(f"{WANTED}, or a table of polars, modin or pyarrow; {given}.")
    if not table.implementation.is_polars():
        return table.to_pandas()
    # The order of a Categorical's levels is nobody's there: they are those of all columns of the process, sorted as text. An Enum's
    # are in the order that was given, which need not mean more and less.
    kinds = table.schema.items()
    texts = [narwhals.col(name).cast(narwhals.String) for name, kind in kinds if kind == narwhals.Categorical]
    frame = table.with_columns(*texts).to_pandas()
    enums = {name: frame[name].cat.as_unordered() for name, kind in kinds if kind == narwhals.Enum}
    return frame.assign(**enums)


def is_column(value: Any) -> bool:
    """Whether it is a column itself rather than the name of one: a series, an array, a list that is no list of a few names."""
    if isinstance(value, (pd.Series, pd.Index, np.ndarray, pd.Categorical, pd.api.extensions.ExtensionArray)):
        return True
    return not isinstance(value, (str, list, tuple, dict, set)) and hasattr(value, "to_numpy") and hasattr(value, "__len__")


def with_column(data: pd.DataFrame, argument: str, value: Any) -> tuple[pd.DataFrame, str]:
    """The data with a column that was given beside them, and its name: its own, or that of the argument if it has none or another
    column has it.

    A series of pandas belongs to the rows by its index, anything else by position.

    Raises:
        InputError: for another number of values than rows, an index that does not have each row once, and a name that another
            column has.
    """
    series = _series(value)
    if len(series) != len(data):
        raise InputError(f"{argument}= has {len(series)} values, and the data have {len(data)} rows; give one for each row.")
    if isinstance(value, pd.Series) and not series.index.equals(data.index):
        if not (series.index.is_unique and data.index.is_unique and data.index.isin(series.index).all()):
            raise InputError(
                f"the index of {argument}= is not that of the data; give a Series with their index, or its values (.to_numpy())."
            )
        series = series.loc[data.index]
    own = as_name(series.name)
    name = own if isinstance(own, str) else argument
    column = series.set_axis(data.index)
    if name in data.columns:
        if column.equals(data[name]):
            return data, name
        name = argument
    if name in data.columns:
        raise InputError(f"the data have another column named {name!r} than the one that was given; rename one of them.")
    return data.assign(**{name: column}), name


def _series(value: Any) -> pd.Series:
    if isinstance(value, pd.Series):
        return value
    name = getattr(value, "name", None)
    values = (
        value if isinstance(value, (pd.Index, np.ndarray, pd.Categorical, pd.api.extensions.ExtensionArray)) else value.to_numpy()
    )
    if values.ndim != 1:
        raise InputError(f"a column must have one dimension; {values.ndim} were given.")
    return pd.Series(values, name=name)
