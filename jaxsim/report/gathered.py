"""A :class:`jaxsim.report.standings.Standings` of results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from jaxsim.report.evidence import Number
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.promises import keepers
from jaxsim.report.standings import FEWEST, Standing, Standings, best

AVERAGES = {"type_one_error": "level", "coverage": "coverage", "power": "power", "rmse": "rmse"}
BY_CELL = {"type_one_error": "levels", "coverage": "coverages"}
PAIRED = {"power": ("rejection", "nonzero"), "rmse": ("rmse", None)}


def standings_of(numbers: Numbers) -> Standings:
    """Averages of all cells and of the coefficients that figures show, as in the report's table; the best strategies are compared
    with the others."""
    results, policy = numbers.results, numbers.policy
    kit, cells, datasets = results.study.kit, len(results.study.cells), results.progress[0]
    strategies = tuple(_strategies(numbers))
    standings = Standings(strategies, datasets, cells, kit.alpha, kit.conf_level, policy=policy, infers=kit.has_inference)
    standings = dataclasses.replace(standings, replicates=results.study.replicates)
    return dataclasses.replace(standings, differences=_differences(numbers, standings))


def _strategies(numbers: Numbers) -> Iterator[Standing]:
    results, performance = numbers.results, numbers.results.performance
    options: dict[str, Any] = {"policy": numbers.policy, "terms": numbers.shown}
    names = list(AVERAGES) if results.study.kit.has_inference else ["rmse"]
    averages = performance.measures(["model"], measures=names, **options)
    by_cell = performance.measures(["model", "cell"], measures=[n for n in names if n in BY_CELL] or names, **options)
    failures, rates = performance.rates(["model", "cell"]).query("measure == 'failure'"), performance.rates(["model"])
    for estimator in results.study.estimators:
        name, limit = estimator.name, estimator.limit
        fits = failures[failures["model"].astype(str) == name]
        usable = fits["n_used"] - fits["n_failed"]
        cells = by_cell[(by_cell["model"].astype(str) == name) & by_cell["cell"].isin(fits["cell"][usable >= FEWEST])]
        values: dict[str, Any] = {AVERAGES[measure]: number for measure, number in _numbers(averages, name).items()}
        values |= {to: tuple(map(_number, _finite(cells[cells["measure"] == measure]))) for measure, to in BY_CELL.items()}
        events = _numbers(rates, name)
        shown = {"failed": "failure", **({"singular": "singular"} if name in results.study.mixed else {})}
        values |= {to: events[event] for to, event in shown.items() if event in events}
        only = limit if limit is not None and limit < results.study.replicates else None
        yield Standing(name, **values, lost=int((usable == 0).sum()), only=only)


def _differences(numbers: Numbers, standings: Standings) -> dict[tuple[str, str, str], Number]:
    """Of the strategies with the smallest RMSE, with most power, and with most of it among those that kept their level."""
    kept = keepers(standings)
    firsts = {
        "rmse": [best(standings.strategies, "rmse")],
        "power": [best(standings.strategies, "power"), best([s for s in standings.strategies if s.name in kept], "power")],
    }
    found = {}
    for measure, strategies in firsts.items():
        name, truth = PAIRED[measure]
        for first in dict.fromkeys(s.name for s in strategies if s is not None) if len(standings.strategies) > 1 else ():
            table = numbers.results.paired(first, [], policy=standings.policy, truth=truth, terms=numbers.shown)
            for row in _finite(table[table["measure"] == name]):
                # pairs are the others less the first; the error of a difference is the same both ways
                number = _number(row)
                found[measure, first, str(row["model"])] = Number(-number.value, number.mcse, -number.high, -number.low)
    return found


def _numbers(table: pd.DataFrame, model: str) -> dict[str, Number]:
    """Of one strategy, by measure."""
    return {str(row["measure"]): _number(row) for row in _finite(table[table["model"].astype(str) == model])}


def _finite(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table[table["value"].notna()].to_dict("records")


def _number(row: Mapping[Any, Any]) -> Number:
    return Number(*(float(row[name]) for name in ("value", "mcse", "low", "high")))
