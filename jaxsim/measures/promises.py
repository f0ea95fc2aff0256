"""What a strategy promises of a coefficient, the level of its tests and the coverage of its intervals, and whether it kept it.

A strategy keeps its level for a coefficient. How often its tests find an effect that is not there is known only from the cells in
which that very coefficient is zero, and says nothing of another coefficient: the same strategy may be cautious with one and far too
sure of the other. So whatever is said of the power of a coefficient, or of how many are needed for it, counts only the strategies
that keep the level of that coefficient: not above the nominal one beyond Monte Carlo error, on average over these cells and in each
of them. Of a coefficient that is nowhere zero the level is not known; the coverage of its own intervals, in all cells, stands for
it. Coefficients are judged together only if they are exchangeable (:attr:`jaxsim.Study.families`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxsim.measures.evidence import Number, is_above, is_below
from jaxsim.measures.kit import Kit
from jaxsim.measures.stream import Performance

FEWEST = 20  # datasets, of all cells or of one, below which Monte Carlo errors are too uncertain themselves
BROKEN, IN_CELLS, CAUTIOUS, KEPT = "broken", "in cells", "cautious", "kept"


@dataclass(frozen=True)
class Promise:
    """A rate that is promised: its measure, and which of its directions breaks the promise."""

    measure: str
    broken: Callable[[Number, float, int], bool]
    exceeded: Callable[[Number, float, int], bool]
    worst: Callable[[Iterable[float]], float]

    def nominal(self, kit: Kit, alpha: float | None = None) -> float:
        """What is promised: the level of the tests, or that of the intervals."""
        return kit.level(alpha) if self.measure == LEVEL.measure else kit.conf_level


LEVEL = Promise("type_one_error", is_above, is_below, max)
COVERAGE = Promise("coverage", is_below, is_above, min)


@dataclass(frozen=True)
class Rates:
    """A strategy's rate on average and in every cell that has ``FEWEST`` usable fits."""

    average: Number
    cells: tuple[Number, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """``broken`` on average; ``in cells``: only in some, whose rates are ``cells``; ``cautious``: further from the promise than it
    need be, such as too low a type I error; or ``kept``."""

    name: str
    cells: tuple[Number, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept on average and in every cell."""
        return self.name in (KEPT, CAUTIOUS)


def judge(rates: Mapping[str, Rates], promise: Promise, nominal: float, cells: int) -> dict[str, Verdict]:
    """The verdict on each strategy; all averages, and all cells, are looked at together (Bonferroni).

    Args:
        rates: of one coefficient, or of exchangeable ones, by strategy.
        promise: which it is.
        nominal: the rate that is promised.
        cells: how many cells have the rate; one is the average itself.
    """
    in_cells = sum(len(own.cells) for own in rates.values())
    found = {}
    for name, own in rates.items():
        bad = tuple(cell for cell in own.cells if promise.broken(cell, nominal, in_cells))
        if promise.broken(own.average, nominal, len(rates)):
            found[name] = Verdict(BROKEN, bad)
        elif bad and cells > 1:
            found[name] = Verdict(IN_CELLS, bad)
        else:
            found[name] = Verdict(CAUTIOUS if promise.exceeded(own.average, nominal, len(rates)) else KEPT)
    return found


@dataclass(frozen=True)
class Record:
    """How strategies kept a promise of a coefficient, or of exchangeable ones.

    Attributes:
        promise: the level where the coefficient is zero in some cell, else coverage.
        rates, verdicts: by strategy; those that are in neither have no number.
        cells: how many have the rate.
    """

    promise: Promise
    rates: Mapping[str, Rates]
    verdicts: Mapping[str, Verdict]
    cells: int


def record_of(performance: Performance, terms: Sequence[str], policy: str = "available", alpha: float | None = None) -> Record:
    """What is known of exchangeable coefficients: their level or, where they are nowhere zero, the coverage of their intervals.

    Args:
        performance: of a run.
        terms: the coefficients.
        policy, alpha: as for :meth:`jaxsim.measures.stream.Performance.measures`.
    """
    known = LEVEL
    rates, cells = rates_of(performance, LEVEL, terms, policy, alpha)
    if not rates:
        known, (rates, cells) = COVERAGE, rates_of(performance, COVERAGE, terms, policy, alpha)
    return Record(known, rates, judge(rates, known, known.nominal(performance.kit, alpha), cells), cells)


def rates_of(
    performance: Performance, promise: Promise, terms: Sequence[str], policy: str = "available", alpha: float | None = None
) -> tuple[dict[str, Rates], int]:
    """Rates by strategy, of those that have a number, and how many cells have the rate.

    The arguments are those of :func:`record_of`.
    """
    if not performance.kit.has_inference:
        return {}, 0
    options: dict[str, Any] = {"policy": policy, "alpha": alpha, "terms": terms, "measures": [promise.measure]}
    averages = performance.measures(["model"], **options)
    by_cell = performance.measures(["model", "cell"], **options)
    enough, cells = enough_fits(performance), dict[str, list[Number]]()
    for line in finite(by_cell):
        name = str(line["model"])
        if (name, line["cell"]) in enough:
            cells.setdefault(name, []).append(number_of(line))
    found = {name: Rates(number_of(row), tuple(cells.get(name, ()))) for row in finite(averages) for name in [str(row["model"])]}
    return found, by_cell["cell"].nunique()


def enough_fits(performance: Performance) -> set[tuple[str, int]]:
    """Strategies and cells with at least ``FEWEST`` usable fits."""
    fits = performance.rates(["model", "cell"]).query("measure == 'failure'")
    usable = fits[fits["n_used"] - fits["n_failed"] >= FEWEST]
    return set(zip(usable["model"].astype(str), usable["cell"], strict=True))


def finite(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Lines of a table of measures that have a value."""
    return table[table["value"].notna()].to_dict("records")


def number_of(row: Mapping[Any, Any]) -> Number:
    """The number in a line of a table of measures."""
    return Number(*(float(row[name]) for name in ("value", "mcse", "low", "high")))
