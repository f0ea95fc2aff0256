"""A :class:`jaxsim.report.standings.Standings` of results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from jaxsim.measures.complaints import complaints
from jaxsim.measures.evidence import Number
from jaxsim.measures.promises import COVERAGE, LEVEL, Rates, finite, number_of, rates_of
from jaxsim.report.comparison import leader
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.standings import ATTRIBUTES, Standing, Standings

AVERAGES = {
    "power": "power",
    "rmse": "rmse",
    "model_se_error": "model_se",
}
ASIDE = {"type_one_error": "level", "power": "power"}
PAIRED = {"power": ("rejection", "nonzero"), "rmse": ("rmse", None)}


def every_standings(numbers: Numbers) -> list[Standings]:
    """Of each family of exchangeable coefficients by itself, those that vary first."""
    families = numbers.families
    return [standings_of(numbers if len(families) == 1 else dataclasses.replace(numbers, terms=family)) for family in families]


def standings_of(numbers: Numbers) -> Standings:
    """Averages of all cells and of the coefficients that are shown; the best strategies are compared with the others."""
    results, policy = numbers.results, numbers.policy
    kit, cells, datasets = results.study.kit, len(results.study.cells), results.progress[0]
    rates = {p.measure: rates_of(results.performance, p, numbers.shown, policy) for p in (LEVEL, COVERAGE)}
    strategies = tuple(_strategies(numbers, {measure: found for measure, (found, _) in rates.items()}))
    standings = Standings(strategies, datasets, cells, kit.alpha, kit.conf_level, policy=policy, infers=kit.has_inference)
    standings = dataclasses.replace(standings, zero_cells=rates[LEVEL.measure][1] or None, terms=numbers.shown)
    more: dict[str, Any] = {
        "replicates": results.study.replicates,
        "why": _why(numbers, standings),
        "aside": _aside(numbers, standings),
    }
    return dataclasses.replace(standings, differences=_differences(numbers, standings.answering), **more)


def _strategies(numbers: Numbers, promised: Mapping[str, Mapping[str, Rates]]) -> Iterator[Standing]:
    results, performance = numbers.results, numbers.results.performance
    names = [name for name in AVERAGES if results.study.kit.has_inference or name == "rmse"]
    averages = performance.measures(["model"], measures=names, policy=numbers.policy, terms=numbers.shown)
    failures, rates = performance.rates(["model", "cell"]).query("measure == 'failure'"), performance.rates(["model"])
    for estimator in results.study.estimators:
        name, limit = estimator.name, estimator.limit
        fits = failures[failures["model"].astype(str) == name]
        values: dict[str, Any] = {AVERAGES[measure]: number for measure, number in _numbers(averages, name).items()}
        for measure, (average, by_cell) in ATTRIBUTES.items():
            if name in promised[measure]:
                values |= {average: promised[measure][name].average, by_cell: promised[measure][name].cells}
        events = _numbers(rates, name)
        shown = {"failed": "failure", **({"singular": "singular"} if name in results.study.mixed else {})}
        values |= {to: events[event] for to, event in shown.items() if event in events}
        only = limit if limit is not None and limit < results.study.replicates else None
        yield Standing(name, **values, lost=int((fits["n_used"] == fits["n_failed"]).sum()), only=only)


def _why(numbers: Numbers, standings: Standings) -> tuple[str, ...]:
    """Of the strategies that gave no answer at all, what most of their failed fits say."""
    silent, rates = [s.name for s in standings.strategies if s.is_silent], numbers.results.rates(["model"])
    return tuple(complaints(numbers.results.frames, rates[rates["model"].astype(str).isin(silent)])) if silent else ()


def _aside(numbers: Numbers, standings: Standings) -> dict[str, tuple[str, ...]]:
    """Coefficients that are in no average and have a level, or power, where no average has it."""
    asked = {of: to for of, to in ASIDE.items() if standings.infers and not standings.has(to)}
    found: dict[str, tuple[str, ...]] = {}
    for of, to in asked.items():
        table = numbers.results.performance.measures(["term"], measures=[of], policy=numbers.policy)
        terms = [str(row["term"]) for row in finite(table)]
        found[to] = tuple(term for term in terms if term not in numbers.shown)
    return found


def _differences(numbers: Numbers, standings: Standings) -> dict[tuple[str, str, str], Number]:
    """Of the strategies with the smallest RMSE, with most power, and with most of it among those that kept their level; and of
    those that are better than these on the same datasets, where averages are of different ones."""
    every, kept = standings.strategies, standings.keepers
    groups = [("rmse", every), ("power", every), ("power", tuple(s for s in every if s.name in kept))]
    known: dict[tuple[str, str], dict[str, Number]] = {}

    def pairs(measure: str, first: str) -> dict[str, Number]:
        """Differences of a strategy less each other, measured once."""
        if (measure, first) not in known:
            known[measure, first] = _paired(numbers, measure, first)
        return known[measure, first]

    for measure, group in groups if len(every) > 1 else ():
        leader(group, measure, standings.datasets, partial(pairs, measure))
    return {(measure, first, other): pair for (measure, first), found in known.items() for other, pair in found.items()}


def _paired(numbers: Numbers, measure: str, first: str) -> dict[str, Number]:
    """Differences of a strategy less each other, by name."""
    name, truth = PAIRED[measure]
    table = numbers.results.paired(first, [], policy=numbers.policy, truth=truth, terms=numbers.shown)
    # pairs are the others less the first; the error of a difference is the same both ways
    found = {str(row["model"]): number_of(row) for row in finite(table[table["measure"] == name])}
    return {other: Number(-pair.value, pair.mcse, -pair.high, -pair.low) for other, pair in found.items()}


def _numbers(table: pd.DataFrame, model: str) -> dict[str, Number]:
    """Of one strategy, by measure."""
    return {str(row["measure"]): number_of(row) for row in finite(table[table["model"].astype(str) == model])}
