"""The tables that figures and page are made from, each computed once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxsim import measures
from jaxsim.data.names import INTERCEPT
from jaxsim.errors import choose
from jaxsim.estimators import LinearMixed
from jaxsim.report.figures.first import post_table
from jaxsim.report.figures.layout import Layout, choose_layout
from jaxsim.report.figures.style import Look, looks
from jaxsim.results import Results

SHOWN = ("bias", "coverage", "model_se_error")


@dataclass(frozen=True)
class Numbers:
    """What a report shows of some results, under one policy for failed fits.

    Figures average over some terms: ``terms`` or, when None, the slopes (every coefficient but the intercept, or the intercept if
    there is nothing else). The Monte Carlo errors of the measures take care of the dependence between terms of one dataset.
    """

    results: Results
    policy: str = "available"
    terms: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        choose("policy", self.policy, measures.POLICIES)
        for term in self.terms or ():
            choose("term", term, self.results.study.terms)

    @property
    def models(self) -> tuple[str, ...]:
        """Labels of the strategies, in the study's order."""
        return tuple(estimator.name for estimator in self.results.study.estimators)

    @property
    def alpha(self) -> float:
        """The level of tests: that of the study's intervals."""
        return self.results.study.kit.alpha

    @property
    def looks(self) -> dict[str, Look]:
        """How each strategy is drawn."""
        return looks(self.models)

    @functools.cached_property
    def layout(self) -> Layout:
        """Where the factors go."""
        return choose_layout(self.results.cells, self.results.factors)

    @functools.cached_property
    def shown(self) -> tuple[str, ...]:
        """Terms that figures show."""
        terms = self.results.study.terms
        return self.terms or tuple(term for term in terms if term != INTERCEPT) or terms

    @functools.cached_property
    def shown_truths(self) -> pd.DataFrame:
        """``term`` and ``truth`` of the shown coefficients: an example of each that is zero somewhere, or is not."""
        parts: list[pd.DataFrame] = []
        for frame in self.results.frames("estimates", ["cell", "replicate", "model", "term", "truth"]):
            first = frame.dropna(subset=["truth"]).drop_duplicates(["cell", "replicate", "term"])
            first = first.loc[first["term"].isin(self.shown), ["term", "truth"]]
            parts = [_examples(pd.concat([*parts, first], ignore_index=True))]
        return parts[0]

    def estimates_where(self, *, truth_is_zero: bool) -> pd.DataFrame:
        """Truths that are zero (rejecting them is an error of type I), or those that are not (rejecting them is power)."""
        table = self.shown_truths
        return table[(table["truth"] == 0) == truth_is_zero]

    @functools.cached_property
    def performance(self) -> pd.DataFrame:
        """Measures in ``SHOWN`` of the shown terms, by strategy and the layout's factors."""
        by = ["model", *self.layout.by]
        return self.results.measures(by, policy=self.policy, measures=SHOWN, terms=self.shown)

    def measure(self, name: str) -> pd.DataFrame:
        """One measure's lines of :attr:`performance`."""
        return self.performance[self.performance["measure"] == name]

    def rejection(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rejection rates where the truth is zero, or is not, as in ``table``; at level :attr:`alpha`, by strategy and factors."""
        truth = "zero" if (table["truth"] == 0).all() else "nonzero"
        options: dict[str, Any] = {"policy": self.policy, "alpha": self.alpha, "terms": self.shown, "truth": truth}
        return self.results.measures(["model", *self.layout.by], measures=["rejection"], **options)

    @functools.cached_property
    def rates(self) -> pd.DataFrame:
        """Rates of singular and failed fits by strategy and the layout's factors."""
        return self.results.rates(["model", *self.layout.by])

    @functools.cached_property
    def post(self) -> pd.DataFrame:
        """One row a fit of the first datasets of each cell, with the columns of the 2019 study."""
        return post_table(self.results)

    @property
    def reference(self) -> str:
        """The strategy others are compared with: the first mixed model, or the first of all."""
        estimators = self.results.study.estimators
        return next((e.name for e in estimators if isinstance(e, LinearMixed)), estimators[0].name)

    def paired(self, measure: str) -> pd.DataFrame:
        """Paired differences of the shown terms to :attr:`reference`; needs two strategies."""
        table = self.results.paired(self.reference, self.layout.by, policy=self.policy, terms=self.shown)
        return table[table["measure"] == measure]

    def note(self, table: pd.DataFrame | None = None) -> str:
        """Which coefficients a figure shows (those in ``table`` if it shows only some rows of the estimates) and what it pools."""
        present = set(self.shown if table is None else table["term"].astype(str))
        shown = [term for term in self.shown if term in present]
        names = f"Coefficient: {shown[0]}." if len(shown) == 1 else f"Coefficients {', '.join(shown)}, averaged."
        return f"{names} {self.note_of_fits()}"

    def note_of_fits(self) -> str:
        """Which datasets a figure counts and what it pools."""
        counted = " Only datasets that every strategy could fit." if self.policy == "listwise" else ""
        return f"{self.results.study.replicates:,} datasets per cell.{counted} {self.layout.note()}".strip()


def _examples(truths: pd.DataFrame) -> pd.DataFrame:
    """One row for each term that is zero, and one for each that is not."""
    return truths[~truths.assign(zero=truths["truth"] == 0).duplicated(["term", "zero"])]
