"""How many are needed for a rate: the number of groups, of people, of observations at which it reaches a target."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.data.names import INTERCEPTS
from jaxsim.errors import InputError, advised, brief, check_probability, choose, names_given
from jaxsim.measures.crossing import FOUND, Crossing, crossing_of
from jaxsim.measures.factor_name import in_full
from jaxsim.measures.stream import Performance

OF_FITS = ("convergence", "success")
RATES = ("power", "rejection", *OF_FITS)
NUMBERS = ["needed", "low", "high", "level_below", "level_above"]
COLUMNS = ["measure", "target", *NUMBERS, "status"]
ROUNDING = 1e-9  # of a size that is a whole number but for the last digits of a square


def sufficiency(
    performance: Performance, measure: str, target: float, over: str, by: Sequence[str] | None = None, **options: Any
) -> pd.DataFrame:
    """The number at which a rate reaches a target, one row for each strategy, combination of levels and coefficient.

    Args:
        performance: of a run.
        measure: ``power``, ``rejection``, or of whole fits ``convergence`` or ``success``. Coverage and type I error tend to a
            level of their own however many there are, and cannot be asked for.
        target: between 0 and 1.
        over: the factor whose number is wanted, in full or by the last part of its name; its levels are numbers that are not
            negative.
        by: factors whose levels have rows of their own besides the strategies and coefficients, all others when None; what is not
            named is averaged.
        options: ``terms`` (all slopes that have the rate when None), ``alpha``, ``policy``, ``truth`` and ``where``, as in
            :meth:`jaxsim.measures.stream.Performance.measures`; of rates of fits ``where`` alone.

    Returns:
        ``model, *by, term, measure, target, needed, low, high, level_below, level_above, status``, the numbers not rounded; see
        :func:`jaxsim.measures.crossing.crossing_of` for how they are found, and :class:`jaxsim.measures.crossing.Crossing` for the
        columns.

    Raises:
        InputError: for another rate, a target outside (0, 1), a factor without numbers, or results without the rate.
    """
    if not isinstance(measure, str) or measure not in RATES:
        said = f"measure={brief(measure)}: what is needed is told of rates that grow towards 1 with the size of a study"
        raise InputError(advised(said, measure, RATES, f"use one of {', '.join(map(repr, RATES))}"))
    check_probability("target", target, 0.8)
    over = in_full(over, performance.columns)
    _check_factor(performance, over)
    others = [name for name in performance.factors if name != over]
    given = others if by is None else performance.named_in_full(names_given("by", by))
    if over in given:
        raise InputError(f"by={brief(list(given))}: {over} is what is asked for; name other factors, or none.")
    lines = ["model", *(name for name in given if name not in ("model", "term")), *([] if measure in OF_FITS else ["term"])]
    for name in lines:
        if name in COLUMNS:
            raise InputError(f"by {name!r}: the table has a column of that name; give the factor another.")
    table = _measured(performance, measure, [*lines, over], options)
    rows = [
        {**dict(zip(lines, key, strict=True)), "measure": measure, "target": target, **dataclasses.asdict(_of(part, over, target))}
        for key, part in table.groupby(lines, sort=False, observed=True, dropna=False)
    ]
    return pd.DataFrame(rows, columns=[*lines, *COLUMNS])


def _check_factor(performance: Performance, over: str) -> None:
    """Raise :class:`InputError` for anything but a factor of numbers that are not negative."""
    sizes = [name for name in performance.columns if _are_sizes(performance.cells[name])]
    if isinstance(over, str) and over in performance.columns and over not in sizes:
        there = f"use one of {', '.join(map(repr, sizes))}" if sizes else "make one a factor of the grid"
        raise InputError(f"over={over!r}: its levels are not all numbers of at least 0; {there}.")
    if not sizes:
        raise InputError(f"over={brief(over)}: the grid has no factor of numbers; run a study with several levels of one.")
    choose("over", over, sizes)


def _are_sizes(levels: pd.Series) -> bool:
    numbers = (int, float, np.number)
    return all(isinstance(x, numbers) and not isinstance(x, bool) and math.isfinite(x) and x >= 0 for x in levels)


def _measured(performance: Performance, measure: str, lines: Sequence[str], options: Mapping[str, Any]) -> pd.DataFrame:
    """The rate in every line and level; raises :class:`InputError` where there is none."""
    if measure in OF_FITS:
        if set(options) - {"where"}:
            names = ", ".join(sorted(set(options) - {"where"}))
            raise InputError(f"{measure} is of fits and not of coefficients or tests: leave out {names}.")
        found = performance.rates(lines, **options)
        return found[found["measure"] == measure]
    chosen = dict(options)
    if chosen.get("terms") is None:
        chosen["terms"] = [term for term in performance.present if term not in INTERCEPTS] or performance.present
    found = performance.measures(lines, measures=[measure], **chosen)
    if found.empty:
        terms = ", ".join(chosen["terms"])
        raise InputError(f"{measure} is of coefficients whose true value is not zero, and none of these is that here: {terms}.")
    return found


def _of(part: pd.DataFrame, over: str, target: float) -> Crossing:
    size, value, mcse, low, high = part[[over, "value", "mcse", "low", "high"]].to_numpy(float).T
    return crossing_of(size, value, mcse, low, high, target)


def whole(number: float, row: Mapping[Any, Any]) -> str:
    """A size in words: rounded up where the simulated sizes beside it are whole numbers, to three digits where they are not, and an
    en dash for none."""
    if not math.isfinite(number):
        return "–"
    levels = [row[name] for name in ("level_below", "level_above") if math.isfinite(row[name])]
    if all(level == int(level) for level in levels):
        return f"{math.ceil(number * (1 - ROUNDING)):,}"
    return f"{number:.3g}"


def in_words(table: pd.DataFrame, over: str, how: str = "") -> str:
    """A table of :func:`sufficiency` as a terminal shows it, numbers rounded up.

    Args:
        table: with at least one row.
        over: what was asked for.
        how: what the numbers depend on besides.
    """
    measure, target = table["measure"].iloc[0], table["target"].iloc[0]
    lines = [name for name in table.columns if name not in COLUMNS]
    rows = []
    for row in table.to_dict("records"):
        interval = f"{whole(row['low'], row)} to {whole(row['high'], row)}"
        levels = f"{row['level_below']:g} and {row['level_above']:g}"
        simulated = f"between {levels}" if row["status"] == FOUND else row["status"]
        rows.append([*(row[name] for name in lines), whole(row["needed"], row), interval, simulated])
    shown = pd.DataFrame(rows, columns=[*lines, "needed", "95% limits", "simulated"], dtype=object)
    return f"{over} needed for a {measure} of {target:g}{how}:\n\n{shown.to_string(index=False)}"
