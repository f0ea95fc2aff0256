"""A :class:`jaxsim.report.standings.Standings` of results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from jaxsim.measures.complaints import complaints
from jaxsim.measures.evidence import Number
from jaxsim.measures.promises import COVERAGE, LEVEL, Rates, finite, number_of, rates_of
from jaxsim.measures.stream import Performance
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.standings import ATTRIBUTES, Standing, Standings

AVERAGES = {
    "power": "power",
    "rmse": "rmse",
    "bias": "bias",
    "model_se_error": "model_se",
}
OF_ESTIMATES = ("rmse", "bias")  # that need no inference
ASIDE = {"type_one_error": "level", "power": "power"}
PAIRED = {"power": ("rejection", "nonzero"), "rmse": ("rmse", None), "level": ("rejection", "zero"), "coverage": ("coverage", None)}


class Differences(Mapping[tuple[str, str, str], Number]):
    """Paired differences of a strategy less another, by measure and the two names: measured when they are asked for.

    Args:
        performance: of the datasets.
        terms, policy: as for :meth:`jaxsim.measures.stream.Performance.paired`.
    """

    def __init__(self, performance: Performance, terms: tuple[str, ...], policy: str) -> None:
        self._performance, self._terms, self._policy = performance, terms, policy
        self._known: dict[tuple[str, str], dict[str, Number]] = {}

    def __getitem__(self, key: tuple[str, str, str]) -> Number:
        measure, first, other = key
        if (measure, first) not in self._known:
            self._known[measure, first] = self._less_each(measure, first)
        if other not in self._known[measure, first]:
            raise KeyError(key)
        return self._known[measure, first][other]

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        return iter([(*of, other) for of, found in self._known.items() for other in found])

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def _less_each(self, measure: str, first: str) -> dict[str, Number]:
        """Differences of a strategy less each other, by name."""
        if len(self._performance.models) < 2:
            return {}
        name, truth = PAIRED[measure]
        table = self._performance.paired(first, [], policy=self._policy, truth=truth, terms=self._terms)
        # pairs are the others less the first; the error of a difference is the same both ways
        found = {str(row["model"]): number_of(row) for row in finite(table[table["measure"] == name])}
        return {other: Number(-pair.value, pair.mcse, -pair.high, -pair.low) for other, pair in found.items()}


def every_standings(numbers: Numbers) -> list[Standings]:
    """Of each family of exchangeable coefficients by itself, those that vary first."""
    families, gathered = numbers.families, Gathered(numbers)
    if len(families) == 1:
        return [gathered.of(numbers.shown)]
    return [gathered.of(family, is_one=False) for family in families]


@dataclasses.dataclass(frozen=True)
class Gathered:
    """Numbers of all datasets, and of those that every strategy fitted, each read once for all coefficients."""

    numbers: Numbers

    def of(self, terms: tuple[str, ...], is_one: bool = True) -> Standings:
        """Of exchangeable coefficients; ``is_one`` if they are all that the page is about."""
        results = self.numbers.results
        has = results.performance.estimating(terms)
        names = tuple(name for name in self.numbers.models if name in has)
        standings = self._on(results.performance, terms, names, results.study.replicates, results.progress[0])
        wanted = {e.wanted(results.study.replicates) for e in results.study.estimators if e.name in names}
        common = None
        if len(wanted) > 1:
            first = self._first(min(wanted))
            common = self._on(first, terms, names, min(wanted), first.counts[2])
        more: dict[str, Any] = {
            "why": self._why(standings),
            "aside": self._aside(standings) if is_one and self.numbers.terms is None else {},
            "lacking": tuple(name for name in self.numbers.models if name not in names),
            "common": common,
        }
        return dataclasses.replace(standings, **more)

    def _first(self, replicates: int) -> Performance:
        """Of the first datasets of each cell."""
        if replicates not in self._performances:
            self._performances[replicates] = self.numbers.results.performance_of(replicates)
        return self._performances[replicates]

    @cached_property
    def _performances(self) -> dict[int, Performance]:
        return {}

    def _on(
        self, performance: Performance, terms: tuple[str, ...], names: tuple[str, ...], replicates: int, datasets: int
    ) -> Standings:
        """Of so many datasets of each cell, of which some are finished."""
        policy, study = self.numbers.policy, self.numbers.results.study
        rates = {p.measure: rates_of(performance, p, terms, policy) for p in (LEVEL, COVERAGE)}
        promised = {measure: found for measure, (found, _) in rates.items()}
        return Standings(
            tuple(_strategies(self.numbers, performance, terms, names, promised, replicates)),
            datasets=datasets,
            cells=len(study.cells),
            alpha=study.kit.alpha,
            conf_level=study.kit.conf_level,
            differences=Differences(performance, terms, policy),
            policy=policy,
            infers=study.kit.has_inference,
            replicates=replicates,
            terms=terms,
            zero_cells=rates[LEVEL.measure][1] or None,
        )

    def _why(self, standings: Standings) -> tuple[str, ...]:
        """Of the strategies that gave no answer at all, what most of their failed fits say."""
        results = self.numbers.results
        silent, rates = [s.name for s in standings.strategies if s.is_silent], results.rates(["model"])
        return tuple(complaints(results.frames, rates[rates["model"].astype(str).isin(silent)])) if silent else ()

    def _aside(self, standings: Standings) -> dict[str, tuple[str, ...]]:
        """Coefficients that are in no average and have a level, or power, where no average has it."""
        asked = {of: to for of, to in ASIDE.items() if standings.infers and not standings.has(to)}
        found: dict[str, tuple[str, ...]] = {}
        for of, to in asked.items():
            table = self.numbers.results.performance.measures(["term"], measures=[of], policy=self.numbers.policy)
            terms = [str(row["term"]) for row in finite(table)]
            found[to] = tuple(term for term in terms if term not in standings.terms)
        return found


def _strategies(
    numbers: Numbers,
    performance: Performance,
    terms: tuple[str, ...],
    names: tuple[str, ...],
    promised: Mapping[str, Mapping[str, Rates]],
    replicates: int,
) -> Iterator[Standing]:
    study = numbers.results.study
    wanted = [name for name in AVERAGES if study.kit.has_inference or name in OF_ESTIMATES]
    averages = performance.measures(["model"], measures=wanted, policy=numbers.policy, terms=terms)
    failures, rates = performance.rates(["model", "cell"]).query("measure == 'failure'"), performance.rates(["model"])
    for estimator in (e for e in study.estimators if e.name in names):
        name, limit = estimator.name, estimator.limit
        fits = failures[failures["model"].astype(str) == name]
        values: dict[str, Any] = {AVERAGES[measure]: number for measure, number in _numbers(averages, name).items()}
        for measure, (average, by_cell) in ATTRIBUTES.items():
            if name in promised[measure]:
                values |= {average: promised[measure][name].average, by_cell: promised[measure][name].cells}
        events = _numbers(rates, name)
        shown = {"failed": "failure", **({"singular": "singular"} if name in study.mixed else {})}
        values |= {to: events[event] for to, event in shown.items() if event in events}
        only = limit if limit is not None and limit < replicates else None
        yield Standing(name, **values, lost=int((fits["n_used"] == fits["n_failed"]).sum()), only=only)


def _numbers(table: pd.DataFrame, model: str) -> dict[str, Number]:
    """Of one strategy, by measure."""
    return {str(row["measure"]): number_of(row) for row in finite(table[table["model"].astype(str) == model])}
