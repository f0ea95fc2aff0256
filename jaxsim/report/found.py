"""What a study found, in sentences: only what its numbers say with their Monte Carlo errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxsim.measures.complaints import OFTEN
from jaxsim.report.evidence import Number, differs
from jaxsim.report.promises import (
    COVERAGE,
    LEVEL,
    coverage_in_words,
    keepers,
    level_in_words,
    listed,
    named,
    number_in_words,
    rate_in_words,
    verdicts,
)
from jaxsim.report.standings import FEWEST, Standing, Standings, best

EXPLAINED = "is larger than Monte Carlo error explains"


@dataclass(frozen=True)
class Finding:
    """A sentence or some, and what they are about."""

    about: str
    text: str


def found(standings: Standings, sizes: Sequence[str] = ()) -> list[Finding]:
    """What was found: levels of tests, coverage, power, error, failures, and what the comparison suffers from.

    A rate is off its nominal value, and a strategy better than another, only where Monte Carlo error cannot explain it; see
    :mod:`jaxsim.report.evidence`.

    Args:
        standings: the numbers.
        sizes: sentences that say how many are needed; see :func:`jaxsim.report.how_many.how_many`.
    """
    said: list[Finding] = []
    if not standings.has("rmse"):
        said.append(Finding("Nothing", "No fit gave a usable answer: there is nothing to measure."))
    elif standings.datasets < FEWEST:
        text = f"With fewer than {FEWEST} datasets no statement is safe: Monte Carlo errors are uncertain themselves."
        said.append(Finding("Too few datasets", text))
    else:
        said += [Finding("Together", text) for text in _agreement(standings)]
        said.append(Finding("Type I error", level_in_words(standings)))
        said += [Finding("Coverage", coverage_in_words(standings))] if standings.has("coverage") else []
        said += [Finding("Power", _power(standings))] if standings.infers else []
        said += [Finding("How many", text) for text in sizes]
        said.append(Finding("RMSE", _error(standings)))
    said.append(Finding("Fits", _fits(standings)))
    return said + [Finding("Caution", text) for text in _cautions(standings)]


def _power(standings: Standings) -> str:
    if not standings.has("power"):
        return "Every coefficient is zero: there is no effect to find."
    names = keepers(standings)
    among = [s for s in standings.strategies if s.name in names and s.power is not None]
    kept = "kept the level of its tests" if standings.has("level") else "kept the coverage of its intervals"
    if not among:
        return f"Not judged: no strategy {kept}."
    every = len(among) == len(standings.strategies)
    if len(among) == 1:
        only = among[0]
        text = named(only.name, rate_in_words(_known(only.power)) + only.of)
        return f"{text}." if every else f"Only one strategy {kept}; its power: {text}."
    those = "" if every else f" among those that {kept.replace('its', 'their')}"
    first, told = _compared(standings, among, "power", rate_in_words)
    if not told:
        return f"No difference{those} {EXPLAINED}: {_each(among, 'power', rate_in_words)}."
    return f"{named(first.name, rate_in_words(_known(first.power)) + first.of)} found most{those}: {told}."


def _error(standings: Standings) -> str:
    known = [s for s in standings.strategies if s.rmse is not None]
    if len(known) == 1:
        return f"{_each(known, 'rmse', number_in_words)}."
    first, told = _compared(standings, known, "rmse", number_in_words)
    if not told:
        return f"No difference {EXPLAINED}: {_each(known, 'rmse', number_in_words)}."
    return f"{named(first.name, number_in_words(_known(first.rmse)) + first.of)} has the smallest: {told}."


def _each(strategies: Sequence[Standing], measure: str, in_words: Callable[[Number], str]) -> str:
    return listed([named(s.name, in_words(_known(getattr(s, measure))) + s.of) for s in strategies])


def _compared(
    standings: Standings, strategies: Sequence[Standing], measure: str, in_words: Callable[[Number], str]
) -> tuple[Standing, str]:
    """The best of some strategies, and whom it beats on the same datasets; an empty text if nobody."""
    first = best(strategies, measure) or strategies[0]
    others = [s for s in strategies if s is not first]
    pairs = {s.name: standings.differences.get((measure, first.name, s.name)) for s in others}
    size = abs(_known(getattr(first, measure)).value)
    beaten = [s for s in others if (pair := pairs[s.name]) and differs(pair, standings.datasets, len(others), size)]
    if not beaten:
        return first, ""
    tied = [s for s in others if s not in beaten]
    told = f"{'more' if measure == 'power' else 'less'} on the same datasets than {_each(beaten, measure, in_words)}"
    return first, told + (f"; from {_each(tied, measure, in_words)} it cannot be told apart" if tied else "")


def _agreement(standings: Standings) -> list[str]:
    """Whether all strategies have one verdict on every promise, and no difference of power or RMSE is one."""
    strategies = standings.strategies
    measures = ["rmse", *(["coverage"] if standings.infers else []), *(["power"] if standings.has("power") else [])]
    if len(strategies) == 1 or any(getattr(s, name) is None for s in strategies for name in measures):
        return []
    told = [{verdict.name for verdict in verdicts(standings, promise).values()} for promise in (LEVEL, COVERAGE)]
    apart = [_compared(standings, strategies, name, number_in_words)[1] for name in measures if name != "coverage"]
    if any(apart) or any(len(names) > 1 for names in told):
        return []
    return ["Nothing tells the strategies apart: the differences below are within Monte Carlo error."]


def _fits(standings: Standings) -> str:
    failed = [named(s.name, rate_in_words(s.failed)) for s in standings.strategies if s.failed.value > 0]
    singular = [named(s.name, rate_in_words(s.singular)) for s in standings.strategies if s.singular.value > 0]
    told = f"Fits without a usable answer: {listed(failed)}." if failed else "Every fit gave a usable answer."
    if singular:
        told += f" Singular fits, which count as answers: {listed(singular)}."
    partly = [
        named(s.name, f"the first {s.only:,} of {standings.replicates:,}") for s in standings.strategies if s.only is not None
    ]
    return told + (f" Not all datasets of each cell were fitted by {listed(partly)}." if partly else "")


def _cautions(standings: Standings) -> list[str]:
    """Where strategies are compared on different datasets, or on those that the weakest could fit."""
    if len(standings.strategies) == 1:
        return []
    often = listed([s.name for s in standings.strategies if s.failed.value >= OFTEN])
    lost = [named(s.name, f"{s.lost:,} of {standings.cells:,}") for s in standings.strategies if s.lost]
    told = []
    if often and standings.policy == "available":
        told.append(
            f"So many fits of {often} failed that averages are about different datasets. Compare strategies on the datasets that "
            "all of them could fit: the table “listwise” below."
        )
    elif often:
        told.append(f"Only datasets that every strategy could fit are counted; what {often} could not fit is missing for all.")
    if lost and standings.policy == "available":
        told.append(f"Cells without a usable fit: {listed(lost)}. Averages are about the other cells.")
    return told


def _known(number: Number | None) -> Number:
    assert number is not None
    return number
