"""Fits that somebody else's code returns as a table: what it may look like, and how it becomes a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.data.fit import Fit
from jaxsim.estimators.external import whole_fit
from jaxsim.estimators.foreign_names import ours
from jaxsim.inference import t_table
from jaxsim.status import LABELS, Status

NUMBERS = ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high")
# Name of the index of a table whose one row does not say of which coefficient it is.
UNNAMED = "no term"
OF_FIT = ("status", "message", "converged", "singular", "criterion", "sigma")
ALLOWED = (
    "a table with the columns term, estimate and any of std_error, df, p_value, conf_low, conf_high (the terms may be its index), "
    "a dictionary of these, or a dictionary {term: estimate}"
)


@dataclass(frozen=True, eq=False)
class Told:
    """One fit as somebody else's code tells it.

    Attributes:
        numbers: by name of the column, ``[K]`` each, in the order of the strategy's coefficients.
        status: of the fit.
        message: what was said of it.
        of_fit: numbers of the whole fit, ``criterion`` and ``sigma``.
    """

    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    status: Status = Status.OK
    message: str = ""
    of_fit: Mapping[str, float] = field(default_factory=dict)


class WrongTableError(ValueError):
    """What was returned is no table of coefficients; the text says what it is."""


def told(returned: Any, terms: tuple[str, ...]) -> Told:
    """One fit from what a function returned; one whose table is wrong has the status ``crashed`` and says why."""
    try:
        return _told(returned, terms)
    except WrongTableError as error:
        return Told(status=Status.CRASHED, message=str(error))
    except Exception as error:  # whatever it is, it is one dataset's, and no reason to end a study
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Told(status=Status.CRASHED, message=f"what was returned is no table of coefficients ({said}); return {ALLOWED}")


def _told(returned: Any, terms: tuple[str, ...]) -> Told:
    table, of_fit = _table(returned)
    status = _status(of_fit)
    if table.index.name == UNNAMED:
        table = table.set_axis(pd.Index([_only(terms)]))
    labels = ours(list(table.index), terms)
    missing = [term for term in terms if term not in labels]
    if missing and status.has_numbers:
        there = tuple(term for term in terms if term in labels)
        named = (
            "call it so where it is returned, or, if there is none of it," if set(labels) - set(terms) else "if it has no others,"
        )
        hint = f"; {named} say so: terms={there!r}" if there else ""
        raise WrongTableError(f"no estimate of {missing[0]!r} was returned; there are {', '.join(labels) or 'none'}{hint}")
    if len(set(labels)) < len(labels):
        raise WrongTableError(f"a term is there twice: {', '.join(labels)}")
    if not status.has_numbers:
        return Told(status=status, message=str(of_fit.get("message") or status.message))
    places = [labels.index(term) for term in terms]
    try:
        numbers = {name: table[name].to_numpy(float)[places] for name in NUMBERS if name in table}
        whole = {name: float(of_fit[name]) for name in ("criterion", "sigma") if of_fit.get(name) is not None}
    except (TypeError, ValueError) as error:
        raise WrongTableError(f"a number was expected: {error}") from None
    return Told(numbers, status, str(of_fit.get("message") or _not_finite(numbers, terms)), whole)


def _not_finite(numbers: Mapping[str, np.ndarray], terms: tuple[str, ...]) -> str:
    """Which number makes a fit no answer; empty if none does."""
    for name in ("estimate", "std_error"):
        for term, number in zip(terms, numbers.get(name, ()), strict=False):
            if not np.isfinite(number):
                return f"the {name} of {term!r} that was returned is {number}"
    return ""


def _table(returned: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The coefficients, terms as index, and what was said of the whole fit."""
    of_fit: dict[str, Any] = {}
    if isinstance(returned, Mapping):
        of_fit = {name: returned[name] for name in OF_FIT if name in returned and np.ndim(returned[name]) == 0}
        rest = {str(name): value for name, value in returned.items() if name not in of_fit}
        if set(rest) == {"table"}:
            found, more = _table(rest["table"])
            return found, more | of_fit
        returned = _frame(rest) if "estimate" in rest else pd.Series(rest, dtype=object)
    if isinstance(returned, pd.Series):
        returned = returned.rename("estimate").to_frame()
    if not isinstance(returned, pd.DataFrame) or "estimate" not in returned:
        raise WrongTableError(f"a {type(returned).__name__} was returned; return {ALLOWED}")
    if not returned.columns.is_unique:
        raise WrongTableError(f"a column is there twice: {', '.join(map(str, returned.columns))}")
    of_fit = {name: value for name, value in returned.attrs.items() if name in OF_FIT} | of_fit
    return (returned.set_index("term") if "term" in returned else returned), of_fit


def _frame(given: Mapping[str, Any]) -> pd.DataFrame:
    """One table from its columns: dictionaries by term, Series, lists beside a list of terms, or the numbers of one coefficient."""
    if all(np.ndim(value) == 0 and not isinstance(value, Mapping) for value in given.values()):
        return pd.DataFrame([dict(given)], index=None if "term" in given else pd.Index([0], name=UNNAMED))
    return pd.DataFrame({name: pd.Series(value) if isinstance(value, Mapping) else value for name, value in given.items()})


def _only(terms: tuple[str, ...]) -> str:
    """The coefficient that an estimate without a name is of."""
    if len(terms) == 1:
        return terms[0]
    some = " or ".join(f"terms=({term!r},)" for term in terms[-2:])
    raise WrongTableError(
        f"one estimate without a term was returned, and {len(terms)} coefficients are asked for, {', '.join(terms)}: say which it "
        f"is of where the strategy is made, {some}, or return its 'term', too"
    )


def _status(of_fit: Mapping[str, Any]) -> Status:
    label = of_fit.get("status")
    if label is not None:
        if str(label) not in LABELS:
            raise WrongTableError(f"status={label!r} is not known; use one of {', '.join(LABELS)}")
        return Status[str(label).upper()]
    if of_fit.get("converged") is not None and not bool(of_fit["converged"]):
        return Status.NOT_CONVERGED
    return Status.SINGULAR if bool(of_fit.get("singular")) else Status.OK


def fit_of(fits: Sequence[Told], terms: tuple[str, ...], conf_level: float) -> tuple[Fit, list[str]]:
    """A batch of fits on the host, guarded as our own are, and what was said of each.

    What a fit does not give follows from t with its ``df`` (infinite where it is not given); without a standard error there is no
    test and no interval.
    """
    n, k = len(fits), len(terms)
    arrays = {name: np.full((n, k), np.nan) for name in NUMBERS}
    for row, fit in enumerate(fits):
        for name, values in fit.numbers.items():
            arrays[name][row] = values
        if fit.status.has_numbers:  # NaN, or no df at all, as z tests have
            arrays["df"][row] = np.where(np.isnan(arrays["df"][row]), np.inf, arrays["df"][row])
    by_t = t_table(arrays["estimate"], arrays["std_error"], arrays["df"], conf_level)
    for name in ("p_value", "conf_low", "conf_high"):
        arrays[name] = np.where(np.isnan(arrays[name]), getattr(by_t, name), arrays[name])
    arrays["status"] = np.array([int(fit.status) for fit in fits], np.int32)
    arrays |= {name: np.array([fit.of_fit.get(name, np.nan) for fit in fits]) for name in ("criterion", "sigma")}
    del arrays["statistic"]
    bare = np.array(["std_error" not in fit.numbers for fit in fits])
    without = {"std_error": bare}
    for name in ("p_value", "conf_low", "conf_high"):
        without[name] = bare & np.array([name not in fit.numbers for fit in fits])
    return whole_fit(arrays, without), [fit.message for fit in fits]
