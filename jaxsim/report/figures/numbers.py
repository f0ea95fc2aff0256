"""The tables that figures and page are made from, each computed once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxsim import measures
from jaxsim.counts import counted, listed
from jaxsim.errors import InputError, brief, choose
from jaxsim.estimators import LinearMixed
from jaxsim.measures.apart import label, measures_apart
from jaxsim.measures.factor_name import in_full
from jaxsim.report.figures.first import post_table
from jaxsim.report.figures.layout import COEFFICIENT, Layout, choose_layout, with_coefficients
from jaxsim.report.figures.style import Look, looks
from jaxsim.results import Results
from jaxsim.study.study import Study

SHOWN = ("bias", "coverage", "model_se_error")
# Along the axis, columns and rows of panels.
MOST_FACTORS = 3
MOST_FAMILIES = 8  # coefficients with panels of their own


@dataclass(frozen=True)
class Numbers:
    """What a report shows of some results, under one policy for failed fits.

    They are of some terms: ``terms`` or, when None, the slopes (see :attr:`jaxsim.measures.stream.Performance.compared`); of the
    strategies that have any of them. Those that are exchangeable are averaged, and the Monte Carlo errors take care of the
    dependence between terms of one dataset; any others have panels of their own. Figures show all these strategies, or
    ``strategies``, which keep the colours that they have among all; and tell apart the factors that :func:`choose_layout` chooses,
    or those in ``by``.
    """

    results: Results
    policy: str = "available"
    terms: tuple[str, ...] | None = None
    strategies: tuple[str, ...] | None = None
    by: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        study = self.results.study
        choose("policy", self.policy, measures.POLICIES)
        labels = tuple(estimator.name for estimator in study.estimators)
        _check("terms", self.terms, "term", study.terms)
        _check("strategies", self.strategies, "strategy", labels)
        if self.by is not None:
            object.__setattr__(self, "by", tuple(in_full(name, self.results.factors) for name in self.by))
        _check("by", self.by, "factor", self.results.factors)
        if self.by is not None and len(self.by) > MOST_FACTORS:
            raise InputError(f"by={brief(self.by)}: a figure tells apart at most {MOST_FACTORS} factors; name the others in none.")
        if self.terms is not None and self.strategies is not None and not self.models:
            has = listed(self.results.performance.estimating(self.terms), "or")
            raise InputError(f"strategies={brief(self.strategies)}: none of these has {listed(self.terms, 'or')}; name {has}.")

    @property
    def models(self) -> tuple[str, ...]:
        """Labels of the strategies that are shown, in the study's order."""
        every = tuple(estimator.name for estimator in self.results.study.estimators)
        there = every if self.terms is None else self.results.performance.estimating(self.terms)
        return tuple(name for name in every if name in there and (self.strategies is None or name in self.strategies))

    @property
    def alpha(self) -> float:
        """The level of tests: that of the study's intervals."""
        return self.results.study.kit.alpha

    @property
    def looks(self) -> dict[str, Look]:
        """How each strategy is drawn."""
        every = looks([estimator.name for estimator in self.results.study.estimators])
        return {name: every[name] for name in self.models}

    def looks_of(self, table: pd.DataFrame) -> dict[str, Look]:
        """Of those that have a number in a table, which are drawn; of all where none has."""
        known = set(table.loc[np.isfinite(table["value"].to_numpy(float)), "model"].astype(str))
        return {model: look for model, look in self.looks.items() if model in known} or self.looks

    def silent(self, table: pd.DataFrame) -> str:
        """Which strategies have no number in a table and are not drawn; empty if all have."""
        without = [model for model in self.models if model not in self.looks_of(table)]
        return f"Without a number: {', '.join(without)}." if without else ""

    def only(self, table: pd.DataFrame) -> pd.DataFrame:
        """Lines of the strategies that are shown."""
        return table[table["model"].astype(str).isin(self.models)]

    @functools.cached_property
    def layout(self) -> Layout:
        """Where the factors go, and coefficients that are not averaged."""
        return with_coefficients(self.layout_of_fits, self.labels, self.by is not None)

    @functools.cached_property
    def layout_of_fits(self) -> Layout:
        """Where the factors go in figures of whole fits."""
        return choose_layout(self.results.cells, self.results.factors, by=self.by)

    @functools.cached_property
    def shown(self) -> tuple[str, ...]:
        """Terms that figures show."""
        return self.terms or self.results.performance.compared or self.results.study.terms

    @functools.cached_property
    def families(self) -> tuple[tuple[str, ...], ...]:
        """The shown terms, exchangeable ones together, whose measures may be averaged: in the order that was asked for; else those
        first that are zero in some cells and not in others, or that a factor of the grid names, and before others those that every
        strategy has."""
        found = self.results.performance.by_family(self.shown)
        if self.terms is not None or len(found) == 1:
            return found
        varied = {name.partition(".")[2] for name, levels in self.results.study.grid.factors if len(levels) > 1}
        asked = varied | self._sometimes_zero
        has = self.results.performance.estimating
        every = len(has(self.results.study.terms))
        return tuple(sorted(found, key=lambda family: (asked.isdisjoint(family), len(has(family)) < every)))

    @property
    def _sometimes_zero(self) -> set[str]:
        """Those of the shown terms that have both a level and power."""
        if not self.results.study.kit.has_inference:
            return set()
        both = self.results.performance.measures(
            ["term"], policy=self.policy, measures=["power", "type_one_error"], terms=self.shown
        )
        kinds = both.groupby(both["term"].astype(str))["measure"].nunique()
        return set(kinds.index[kinds > 1])

    @property
    def in_order(self) -> tuple[str, ...]:
        """The shown terms in the order of their families."""
        return tuple(term for family in self.families for term in family)

    @functools.cached_property
    def drawn(self) -> tuple[tuple[str, ...], ...]:
        """Those of the families that figures have room for."""
        return self.families[:MOST_FAMILIES]

    @property
    def labels(self) -> tuple[str, ...]:
        """What the drawn families are called."""
        return tuple(label(family) for family in self.drawn)

    def of(self, *, truth_is_zero: bool | None) -> Numbers:
        """The same of the families alone with a true value that is zero, or one that is not; of all where none has, or for None."""
        if truth_is_zero is None or len(self.families) < 2:
            return self
        known = self.estimates_where(truth_is_zero=truth_is_zero)["term"].astype(str)
        terms = tuple(term for family in self.families if not known[known.isin(family)].empty for term in family)
        if not terms or len(terms) == len(self.shown):
            return self
        some = dataclasses.replace(self, terms=terms)
        vars(some)["shown_truths"] = self.shown_truths[self.shown_truths["term"].isin(terms)]  # read once
        return some

    def by_family(self, by: Sequence[str], **options: Any) -> pd.DataFrame:
        """Measures of the drawn terms by strategy and some columns, of which the coefficient may be one."""
        given = {"policy": self.policy, "terms": [term for family in self.drawn for term in family], **options}
        rest = [name for name in by if name != COEFFICIENT]
        return self.only(measures_apart(self.results.performance, ["model", *rest], **given))

    @functools.cached_property
    def shown_truths(self) -> pd.DataFrame:
        """``cell``, ``term`` and ``truth`` of the shown coefficients: an example in each cell of each that is zero, or is not."""
        parts: list[pd.DataFrame] = []
        for frame in self.results.frames("estimates", ["cell", "replicate", "model", "term", "truth"]):
            first = frame.dropna(subset=["truth"]).drop_duplicates(["cell", "replicate", "term"])
            first = first.loc[first["term"].isin(self.shown), ["cell", "term", "truth"]]
            parts = [_examples(pd.concat([*parts, first], ignore_index=True))]
        return parts[0]

    def estimates_where(self, *, truth_is_zero: bool) -> pd.DataFrame:
        """Truths that are zero (rejecting them is an error of type I), or those that are not (rejecting them is power)."""
        table = self.shown_truths
        return table[(table["truth"] == 0) == truth_is_zero]

    @functools.cached_property
    def performance(self) -> pd.DataFrame:
        """Measures in ``SHOWN`` of the shown terms, by strategy and the layout's factors."""
        return self.by_family(self.layout.by, measures=SHOWN)

    def measure(self, name: str) -> pd.DataFrame:
        """One measure's lines of :attr:`performance`."""
        return self.performance[self.performance["measure"] == name]

    @functools.cached_property
    def rates(self) -> pd.DataFrame:
        """Rates of singular and failed fits by strategy and the layout's factors."""
        return self.only(self.results.rates(["model", *self.layout_of_fits.by]))

    @functools.cached_property
    def post(self) -> pd.DataFrame:
        """One row a fit of the first datasets of each cell, with the columns of the 2019 study."""
        table = post_table(self.results)
        return table[table["Model"].astype(str).isin(self.models)]

    @property
    def reference(self) -> str:
        """Which strategy others are compared with: the first mixed model that is shown, or the first of all; one that lacks some of
        the coefficients, or of which all fits failed, only if there is no other."""
        mixed = {e.name for e in self.results.study.estimators if isinstance(e, LinearMixed)}
        rates = self.results.rates(["model"]).query("measure == 'failure' and value < 1")
        models = [name for name in self.models if name in set(rates["model"].astype(str))] or self.models
        has = self.results.performance.estimating
        every = [name for name in models if all(name in has(family) for family in self.drawn)] or models
        return next((name for name in every if name in mixed), every[0])

    def paired(self, measure: str) -> pd.DataFrame:
        """Paired differences of the drawn terms to :attr:`reference`; needs two strategies."""
        by = [name for name in self.layout.by if name != COEFFICIENT]
        parts = [
            self.results.paired(self.reference, by, policy=self.policy, terms=family).assign(**{COEFFICIENT: label(family)})
            for family in self.drawn
        ]
        table = pd.concat(parts, ignore_index=True)
        return self.only(table[table["measure"] == measure])

    def note(self) -> str:
        """Which coefficients a figure shows and what it pools."""
        return f"{self.coefficients_in_words()} {self._note(self.layout)}"

    def coefficients_in_words(self) -> str:
        """Which coefficients a figure shows, and whether they are averaged."""
        if len(self.families) > 1:
            some = len(self.drawn) < len(self.families)
            which = f"{len(self.drawn)} of {len(self.families)} coefficients, each" if some else "Each coefficient"
            return f"{which} by itself{'; name others in terms' if some else ''}."
        return f"Coefficient: {self.shown[0]}." if len(self.shown) == 1 else f"Coefficients {', '.join(self.shown)}, averaged."

    def note_of_fits(self) -> str:
        """Which datasets a figure counts and what it pools."""
        return self._note(self.layout_of_fits)

    def _note(self, layout: Layout) -> str:
        left = " Only datasets that every strategy fitted." if self.policy == "listwise" else ""
        return f"{self.datasets_in_words()}.{left} {layout.note()}".strip()

    def datasets_in_words(self) -> str:
        """How many datasets of each cell there are, and which strategies fitted the first of them alone."""
        return datasets_in_words(self.results.study, self.models)


def _check(argument: str, asked: Sequence[str] | None, what: str, known: Sequence[str]) -> None:
    """Raise :class:`InputError` unless all names are known, each is given once, and some are."""
    if asked is None:
        return
    for name in asked:
        choose(what, name, known)
    if not asked or len(set(asked)) < len(asked):
        raise InputError(f"{argument}={brief(asked)}: name each once, at least one of {', '.join(map(repr, known)) or 'none'}.")


def _examples(truths: pd.DataFrame) -> pd.DataFrame:
    """One row of each cell for each term that is zero, and one for each that is not."""
    return truths[~truths.assign(zero=truths["truth"] == 0).duplicated(["cell", "term", "zero"])]


def datasets_in_words(study: Study, models: Sequence[str], shown: int | None = None) -> str:
    """``1,000 datasets per cell (the first 500 alone by slow)``.

    Args:
        study: of the strategies.
        models: labels of those that are shown.
        shown: how many datasets of each cell are shown; all when None.
    """
    every, partly = study.replicates, dict[int, list[str]]()
    shown = every if shown is None else shown
    for strategy in study.estimators:
        if strategy.name in models and strategy.wanted(shown) < shown:
            partly.setdefault(strategy.wanted(shown), []).append(strategy.name)
    some = [f"the first {count:,} alone by {listed(names)}" for count, names in sorted(partly.items(), reverse=True)]
    first = counted(every, "dataset") if shown == every else f"The first {shown:,} of {counted(every, 'dataset')}"
    return f"{first} per cell{f' ({listed(some)})' if some else ''}"
