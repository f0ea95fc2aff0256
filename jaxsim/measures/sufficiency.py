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
from jaxsim.measures.crossing import ABOVE, BELOW, FOUND, Crossing, crossing_of
from jaxsim.measures.evidence import Number
from jaxsim.measures.factor_name import in_full
from jaxsim.measures.overview import SHOWN, with_error
from jaxsim.measures.promises import BROKEN, CAUTIOUS, COVERAGE, IN_CELLS, KEPT, LEVEL, record_of
from jaxsim.measures.stream import Performance

OF_FITS = ("convergence", "success")
RATES = ("power", "rejection", *OF_FITS)
NUMBERS = ["needed", "low", "high", "level_below", "level_above"]
JUDGED = ["promise", "rate", "rate_mcse", "verdict"]
COLUMNS = ["measure", "target", *NUMBERS, "status", *JUDGED]
KEPT_IN_WORDS = {KEPT: "kept", CAUTIOUS: "kept", BROKEN: "not kept", IN_CELLS: "not kept in some cells"}
UNKNOWN = "not known"
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
        columns. Of coefficients also ``promise, rate, rate_mcse, verdict``: whether the strategy keeps the level of its tests of
        that coefficient or, where it is nowhere zero, the coverage of its intervals, in all cells; see
        :func:`jaxsim.measures.promises.record_of`. The number of one that does not counts for nothing.

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
    found = pd.DataFrame(rows, columns=[*lines, *(name for name in COLUMNS if name not in JUDGED)])
    return found if measure in OF_FITS else _judged(performance, found, options)


def _judged(performance: Performance, found: pd.DataFrame, options: Mapping[str, Any]) -> pd.DataFrame:
    """The same with what each strategy promises of each coefficient, and whether it kept it."""
    asked = {name: options[name] for name in ("policy", "alpha") if name in options}
    terms = set(found["term"].astype(str))
    families = [family for family in performance.by_family(performance.present) if not terms.isdisjoint(family)]
    records = {term: record for family in families for record in [record_of(performance, family, **asked)] for term in family}
    rows = []
    for model, term in zip(found["model"].astype(str), found["term"].astype(str), strict=True):
        record = records[term]
        rate = record.rates[model].average if model in record.rates else Number(np.nan, np.nan)
        verdict = KEPT_IN_WORDS[record.verdicts[model].name] if model in record.verdicts else UNKNOWN
        rows.append((record.promise.measure if record.rates else "", rate.value, rate.mcse, verdict))
    return found.assign(**{name: [row[k] for row in rows] for k, name in enumerate(JUDGED)})


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


def amount_in_words(row: Mapping[Any, Any], noun: str = "") -> str:
    """The number of a row of :func:`sufficiency`, or which side of all levels it is on, with what there are so many of."""
    things = f" {noun}" if noun else ""
    if row["status"] == BELOW:
        return f"more than {row['level_below']:,.12g}{things}"
    if row["status"] == ABOVE:
        return f"at most {row['level_above']:,.12g}{things}"
    return f"{whole(row['needed'], row)}{things}"


def limits_in_words(row: Mapping[Any, Any]) -> str:
    """Its limits, as far as they are among the levels; empty if neither is."""
    low, high = (whole(row[name], row) if math.isfinite(row[name]) else "" for name in ("low", "high"))
    if low and high:
        return f"{low} to {high}"
    return f"at least {low}" if low else f"at most {high}" if high else ""


def in_words(table: pd.DataFrame, over: str, how: str = "") -> str:
    """A table of :func:`sufficiency` as a terminal shows it, numbers rounded up, with what strategies keep of each coefficient.

    Args:
        table: with at least one row.
        over: what was asked for.
        how: what the numbers depend on besides.
    """
    measure, target = table["measure"].iloc[0], table["target"].iloc[0]
    lines = [name for name in table.columns if name not in COLUMNS]
    promises = [name for name in table.get("promise", pd.Series(dtype=object)).unique() if name]
    judged = [" or ".join(SHOWN[name] for name in promises) or "level", "verdict"] if "promise" in table else []
    rows = []
    for row in table.to_dict("records"):
        levels = f"{row['level_below']:g} and {row['level_above']:g}"
        simulated = f"between {levels}" if row["status"] == FOUND else row["status"]
        found = [*(row[name] for name in lines), amount_in_words(row), limits_in_words(row) or "–", simulated]
        rows.append([*found, *(_kept(row, len(promises) > 1) if judged else [])])
    shown = pd.DataFrame(rows, columns=[*lines, "needed", "95% limits", "simulated", *judged], dtype=object)
    text = f"{over} needed for a {measure} of {target:g}{how}:\n\n{shown.to_string(index=False)}"
    return "\n\n".join([text, *(caveats(table) if judged else [])])


def _kept(row: Mapping[Any, Any], named: bool) -> list[str]:
    """The rate that was promised, with its name where there are two kinds, and the verdict."""
    rate = "0" if row["rate"] == 0 else with_error(row["rate"], row["rate_mcse"])
    return [f"{SHOWN[row['promise']]} {rate}" if named and row["promise"] else rate, row["verdict"]]


def caveats(table: pd.DataFrame) -> list[str]:
    """What a reader of a table of :func:`sufficiency` must know of the verdicts, a sentence or two each."""
    broken = set(table.loc[~table["verdict"].isin(["kept", UNKNOWN]), "promise"])
    nowhere = dict.fromkeys(table.loc[table["promise"] == COVERAGE.measure, "term"].astype(str))
    unknown = dict.fromkeys(table.loc[table["verdict"] == UNKNOWN, "model"].astype(str))
    why = {
        LEVEL.measure: "tests find effects that are not there too often",
        COVERAGE.measure: "intervals contain the truth too seldom",
    }
    told = []
    if broken:
        reasons = " or ".join(text for name, text in why.items() if name in broken)
        told.append(f"Where the verdict is “not kept” a number counts for nothing: {reasons}.")
    if nowhere:
        told.append(
            f"{', '.join(nowhere)}: zero in no cell, so that the type I error is not known; the coverage of the intervals stands "
            "for it. To have it known, give the effect a level of 0 in the grid."
        )
    return told + ([f"Whether tests keep their level is not known of {', '.join(unknown)}."] if unknown else [])
