"""Numbers that were read as text, and texts that tell rows apart: said before a model is made of them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from jaxsim.errors import InputError, brief
from jaxsim.formula.columns import Rows
from jaxsim.formula.functions import NUMERIC, STATEFUL, column_names, plain
from jaxsim.formula.parse import Formula
from jaxsim.formula.tokens import show

# A factor of more levels than this, and of more than this share of the rows, is taken for a mistake if its levels are numbers;
# one of nearly as many levels as rows always.
MANY, SHARE, NEARLY = 10, 1 / 3, 0.9


def check_text(formula: Formula, rows: Rows) -> None:
    """Raise :class:`InputError` for a response or predictor of text that looks like numbers or like names of rows, or that is
    given to a function of numbers."""
    sides = [*formula.fixed.variables, *(variable for part in formula.random for variable in part.terms.variables)]
    for tokens in (formula.response, *sides):
        if len(tokens) > 1 and plain(tokens[0].text) in (*NUMERIC, *STATEFUL):
            for name in column_names(tokens):
                if is_text(rows.frame[name]):
                    raise InputError(f"{show(tokens)!r} does arithmetic with text: {about(name, rows.frame[name], rows.index)}")
    for name in dict.fromkeys(tokens[0].text for tokens in sides if len(tokens) == 1):
        series = rows.frame[name]
        if not is_text(series):
            continue
        levels, n = series.nunique(), len(series)
        numbers = _are_numbers(series)
        if numbers.mean() >= 0.5 and (levels > MANY or levels >= NEARLY * n) and levels > SHARE * n:
            raise InputError(f"{about(name, series, rows.index)} As text it would be a factor of {levels} levels in {n} rows.")
        if levels >= NEARLY * n and levels > MANY:
            raise InputError(
                f"the column {name!r} holds {levels} different texts in {n} rows, such as {brief(series.iloc[0])}: a factor of so "
                "many levels explains everything and nothing. Leave it out; C(..) around it makes a factor all the same."
            )
    response = formula.response
    if len(response) == 1 and is_text(rows.frame[response[0].text]):
        name = response[0].text
        raise InputError(f"the response {name!r} must be numeric: {about(name, rows.frame[name], rows.index)}")


def note(series: pd.Series, name: str) -> str:
    """What a user should know about a column that is taken for a factor; empty if nothing."""
    if not is_text(series) or _are_numbers(series).mean() < 0.5:
        return ""
    return f"{about(name, series)} It is a factor here; C({name}) is one without this message"


def about(name: str, series: pd.Series, index: pd.Index | None = None) -> str:
    """That a column holds text, the first value that is no number, and what makes numbers of it."""
    numbers = _are_numbers(series)
    if numbers.all():
        return (
            f"the column {name!r} holds numbers as text, such as {brief(series.iloc[0])}; pandas.to_numeric makes numbers of them."
        )
    if not numbers.any():
        return f"the column {name!r} holds text, such as {brief(series.iloc[0])}."
    at = int((~numbers).to_numpy().argmax())
    row = "" if index is None else f" in row {brief(_plain(index[at]))}"
    return (
        f"the column {name!r} holds text, of which {int(numbers.sum())} of {len(series)} values are numbers; the first that is not "
        f"is {brief(series.iloc[at])}{row}. pandas.to_numeric(.., errors='coerce') makes numbers, and missing values of the rest."
    )


def is_text(series: pd.Series) -> bool:
    """Whether every value is a text, and not a category."""
    return not isinstance(series.dtype, pd.CategoricalDtype) and all(isinstance(value, str) for value in series)


def _are_numbers(series: pd.Series) -> pd.Series:
    return pd.to_numeric(series.astype(object), errors="coerce").notna()


def _plain(label: Any) -> Any:
    return label.item() if hasattr(label, "item") else label
