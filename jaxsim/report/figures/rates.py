"""Coverage, power and type I error by any factors: what figures need that choose their own places for the factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.layout import Layout, choose_layout, enumeration, with_coefficients
from jaxsim.report.figures.numbers import Numbers

TARGET_POWER = 0.8
EFFECTS = ("fixed_effects", "effects")  # fields of processes that say how large effects are
MOST_TOGETHER = 8  # strategies over each other in one panel; of more, lines and ribbons cannot be told apart


@dataclass(frozen=True)
class Rate:
    """A rate, and which rows of the estimates it is about: those whose truth is zero, is not, or all (None)."""

    name: str
    measure: str
    truth_is_zero: bool | None

    def nominal(self, numbers: Numbers) -> float:
        """What an exact method has: the confidence level, or the level of the tests."""
        return numbers.results.study.conf_level if self.measure == "coverage" else numbers.alpha


COVERAGE = Rate("coverage", "coverage", None)
POWER = Rate("power", "rejection", False)
TYPE_ONE_ERROR = Rate("type I error", "rejection", True)


def measure(numbers: Numbers, rate: Rate, by: Sequence[str]) -> pd.DataFrame | None:
    """The rate of each strategy by some factors, its errors and limits as in :func:`jaxsim.measures.summarise`.

    None if there is nothing to measure: no truth that is zero, or none that is not.
    """
    zero = rate.truth_is_zero
    if zero is not None and numbers.estimates_where(truth_is_zero=zero).empty:
        return None
    truth = {None: None, True: "zero", False: "nonzero"}[zero]
    return numbers.by_family(by, measures=[rate.measure], truth=truth, alpha=numbers.alpha)


def needed(numbers: Numbers, rate: Rate, by: Sequence[str]) -> pd.DataFrame:
    """The same; raises :class:`Absent` if there is nothing to measure."""
    table = measure(numbers, rate, by)
    if table is None:
        what = "zero" if rate.truth_is_zero else "not zero"
        raise Absent(
            f"{rate.name} is of coefficients whose true value is {what}, and none of {', '.join(numbers.shown)} is that here"
        )
    return table


def cells_with(numbers: Numbers, rate: Rate) -> pd.DataFrame:
    """The cells that have the rate, one row each with a column per factor: those with a true value of its kind, whatever process
    they are from, and those of which nothing is known yet."""
    cells = numbers.results.cells
    if rate.truth_is_zero is None:
        return cells
    truths = numbers.shown_truths
    has = truths.loc[(truths["truth"] == 0) == rate.truth_is_zero, "cell"]
    return cells[cells["cell"].isin(has) | ~cells["cell"].isin(truths["cell"])]


def effect_factors(numbers: Numbers) -> tuple[str, ...]:
    """Factors that say how large effects are, which power must not be averaged over; those with one level do not count.

    The fixed effects themselves, of a :class:`jaxsim.Design` each by its name, and factors that are no field of the process (a
    linked grid makes fixed effects of them).
    """
    study = numbers.results.study
    fields = study.process.values
    varied = [name for name, levels in study.grid.factors if len(levels) > 1]
    return tuple(name for name in varied if name.partition(".")[0] in EFFECTS or name not in fields)


def of(numbers: Numbers, rate: Rate) -> Numbers:
    """The same of the coefficients that have the rate."""
    return numbers.of(truth_is_zero=rate.truth_is_zero)


def layout_of(numbers: Numbers, rate: Rate) -> Layout:
    """Where the factors go in a figure of the rate: effects are told apart for power, and pooled first for anything else."""
    cells, names, effects = cells_with(numbers, rate), numbers.results.factors, effect_factors(numbers)
    kinds = dict(apart=effects) if rate is POWER else dict(last=effects)
    return choose_layout(cells, names, **kinds, by=numbers.by)


def layout_by_coefficient(numbers: Numbers, rate: Rate) -> Layout:
    """The same with places for coefficients that are not averaged."""
    return with_coefficients(layout_of(numbers, rate), numbers.labels, numbers.by is not None)


def misleads(numbers: Numbers, rate: Rate, pooled: Sequence[str]) -> bool:
    """Whether averaging over these factors makes a number of the rate that is true nowhere: power for effects of several sizes."""
    return rate is POWER and not set(pooled).isdisjoint(effect_factors(numbers))


def check_pooled(numbers: Numbers, rate: Rate, pooled: Sequence[str]) -> None:
    """Raise :class:`Absent` where averaging over these factors :func:`misleads`."""
    if misleads(numbers, rate, pooled):
        mixed = ", ".join(name for name in effect_factors(numbers) if name in pooled)
        raise Absent(f"it would average the power of effects of several sizes, over {mixed}; name that in by")


def check_crowd(numbers: Numbers) -> None:
    """Raise :class:`Absent` for more strategies than can be told apart."""
    if len(numbers.models) > MOST_TOGETHER:
        raise Absent(f"it shows at most {MOST_TOGETHER} strategies over each other, and here are {len(numbers.models)}; name some")


def note(numbers: Numbers, rate: Rate, table: pd.DataFrame, pooled: Sequence[str], unit: str) -> str:
    """What a figure of the rate shows: the coefficients, what is averaged, and how large the Monte Carlo error is.

    Args:
        numbers: of the results.
        rate: what is shown.
        table: the numbers of the figure.
        pooled: factors that are averaged over.
        unit: what one number is called, such as ``a tile``.
    """
    names = numbers.coefficients_in_words()
    if rate.truth_is_zero is not None:
        names += f" Only where the true value is {'zero' if rate.truth_is_zero else 'not zero'}."
    left = " Only datasets that every strategy fitted." if numbers.policy == "listwise" else ""
    averaged = f" All levels of {enumeration(pooled)} are averaged." if pooled else ""
    return f"{names} {numbers.datasets_in_words()}.{left}{averaged} {monte_carlo_error(table, unit)}".strip()


def monte_carlo_error(table: pd.DataFrame, unit: str) -> str:
    """How wide the Monte Carlo intervals of the numbers in a figure are, in words; empty if there are none.

    Their limits are Wilson's, so that a rate of 0 or 1, whose Monte Carlo standard error is 0, has an error, too.
    """
    half = ((table["high"] - table["low"]) / 2).to_numpy(float)
    half = half[np.isfinite(half)]
    if not len(half):
        return ""
    typical, widest = f"±{np.median(half):.2g}", f"±{half.max():.2g}"
    return f"95% Monte Carlo interval of {unit}: {typical if typical == widest else f'typically {typical}, at most {widest}'}."
