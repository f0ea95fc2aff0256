"""What a study found, in sentences: only what its numbers say with their Monte Carlo errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxsim.measures.complaints import OFTEN
from jaxsim.report.comparison import InWords, compared, in_words
from jaxsim.report.promises import (
    COVERAGE,
    LEVEL,
    aside,
    coverage_in_words,
    keepers,
    level_in_words,
    listed,
    named,
    number_in_words,
    rate_in_words,
    verdicts,
)
from jaxsim.report.standard_errors import standard_errors_in_words
from jaxsim.report.standings import FEWEST, Standing, Standings


@dataclass(frozen=True)
class Finding:
    """A sentence or some, and what they are about."""

    about: str
    text: str


def found(standings: Standings, sizes: Sequence[str] = ()) -> list[Finding]:
    """What was found: levels of tests, coverage, power, error, failures, and what the comparison suffers from.

    A rate is off its nominal value, and a strategy better than another, only where Monte Carlo error cannot explain it; see
    :mod:`jaxsim.report.evidence`. Strategies that gave no answer at all are named, and in nothing else.

    Args:
        standings: the numbers.
        sizes: sentences that say how many are needed; see :func:`jaxsim.report.how_many.how_many`.
    """
    said, standings = _without_answers(standings), standings.answering
    if not standings.strategies:
        return [Finding("Nothing", "No fit gave a usable answer: there is nothing to measure."), *said]
    others = "other " * bool(said)
    if not standings.has("rmse"):
        said.append(Finding("Nothing", _nothing(standings)))
    elif standings.datasets < FEWEST:
        text = f"With fewer than {FEWEST} datasets no statement is safe: Monte Carlo errors are uncertain themselves."
        said.append(Finding("Too few datasets", text))
    else:
        said += [Finding("Together", text) for text in _agreement(standings)]
        said.append(Finding("Type I error", level_in_words(standings)))
        said += [Finding("Coverage", coverage_in_words(standings))] if standings.has("coverage") else []
        said += [Finding("Standard errors", standard_errors_in_words(standings))] if standings.has("model_se") else []
        said += [Finding("Power", _power(standings))] if standings.infers else []
        said += [Finding("How many", text) for text in sizes]
        said.append(Finding("RMSE", _error(standings)))
    said.append(Finding("Fits", _fits(standings, others)))
    return said + [Finding("Caution", text) for text in _cautions(standings, others)]


def _without_answers(standings: Standings) -> list[Finding]:
    """Strategies all of whose fits failed, and why most of them did."""
    silent = [s.name for s in standings.strategies if s.is_silent]
    if not silent:
        return []
    why = standings.why or (f"{listed(silent)} gave no answer at all",)
    rest = [] if len(silent) == len(standings.strategies) else ["What follows is about the others."]
    return [Finding("No answer", " ".join([*(text if text.endswith(".") else f"{text}." for text in why), *rest]))]


def _nothing(standings: Standings) -> str:
    if standings.policy == "listwise":
        return "No dataset was fitted by every strategy, and only such datasets count (“listwise”): there is nothing to measure."
    return "No fit gave a usable answer: there is nothing to measure."


def _power(standings: Standings) -> str:
    if not standings.has("power"):
        but = f" but {aside(standings, 'power')}" if standings.aside.get("power") else ""
        return f"Every coefficient{but} is zero: there is no effect to find."
    names = keepers(standings)
    among = [s for s in standings.strategies if s.name in names and s.power is not None]
    kept = "kept the level of its tests" if standings.has("level") else "kept the coverage of its intervals"
    if not among:
        return f"Not judged: no strategy {kept}."
    every, left = len(among) == len(standings.strategies), _not_counted(standings, names)
    if len(among) == 1:
        text = _each(among, "power", rate_in_words)
        return (f"{text}." if every else f"Only one strategy {kept}; its power: {text}.") + left
    those = "" if every else f" among those that {kept.replace('its', 'their')}"
    return in_words(compared(standings, among, "power"), rate_in_words, "found most", those) + left


def _not_counted(standings: Standings, kept: Sequence[str]) -> str:
    """Strategies whose power is not compared, and why; empty if there are none."""
    out = [s for s in standings.strategies if s.name not in kept and s.power is not None]
    if not out:
        return ""
    does, its = ("does", "its") if len(out) == 1 else ("do", "their")
    level = "tests find effects that are not there too often"
    why = level if standings.has("level") else "intervals contain the truth too seldom"
    where = ", in some cells at least" if standings.cells > 1 else ""
    return f" {_each(out, 'power', rate_in_words)} {does} not count: {its} {why}{where}."


def _error(standings: Standings) -> str:
    known = [s for s in standings.strategies if s.rmse is not None]
    if len(known) == 1:
        return f"{_each(known, 'rmse', number_in_words)}."
    return in_words(compared(standings, known, "rmse"), number_in_words, "has the smallest")


def _each(strategies: Sequence[Standing], measure: str, number: InWords) -> str:
    return listed([named(s.name, number(getattr(s, measure)) + s.of) for s in strategies])


def _agreement(standings: Standings) -> list[str]:
    """Whether all strategies have one verdict on every promise, and no difference of power or RMSE is one."""
    strategies = standings.strategies
    measures = ["rmse", *(["coverage"] if standings.infers else []), *(["power"] if standings.has("power") else [])]
    if len(strategies) == 1 or any(getattr(s, name) is None for s in strategies for name in measures):
        return []
    told = [{verdict.name for verdict in verdicts(standings, promise).values()} for promise in (LEVEL, COVERAGE)]
    apart = {name: compared(standings, strategies, name) for name in measures if name != "coverage"}
    if any(one.tells_apart for one in apart.values()) or any(len(names) > 1 for names in told):
        return []
    if apart["rmse"].is_identical:
        return ["Nothing tells the strategies apart: their errors are identical in every dataset."]
    return ["Nothing tells the strategies apart: the differences below are within Monte Carlo error."]


def _fits(standings: Standings, others: str) -> str:
    failed = [named(s.name, rate_in_words(s.failed)) for s in standings.strategies if s.failed.value > 0]
    singular = [named(s.name, rate_in_words(s.singular)) for s in standings.strategies if s.singular.value > 0]
    told = f"Fits without a usable answer: {listed(failed)}." if failed else f"Every {others}fit gave a usable answer."
    if singular:
        told += f" Singular fits, which count as answers: {listed(singular)}."
    partly = [
        named(s.name, f"the first {s.only:,} of {standings.replicates:,}") for s in standings.strategies if s.only is not None
    ]
    return told + (f" Not all datasets of each cell were fitted by {listed(partly)}." if partly else "")


def _cautions(standings: Standings, others: str) -> list[str]:
    """Where strategies are compared on different datasets, or on those that the weakest fitted."""
    if len(standings.strategies) == 1:
        return []
    often = listed([s.name for s in standings.strategies if s.failed.value >= OFTEN])
    lost = [named(s.name, f"{s.lost:,} of {standings.cells:,}") for s in standings.strategies if s.lost]
    told = []
    if often and standings.policy == "available":
        how = (
            "in pairs, with results.compare(a, b)"
            if others
            else "on the datasets that all of them fitted: the table “listwise” below"
        )
        told.append(f"So many fits of {often} failed that averages are about different datasets. Compare strategies {how}.")
    elif often:
        told.append(f"Only datasets that every strategy fitted are counted; what {often} did not fit is missing for all.")
    if lost and standings.policy == "available":
        told.append(f"Cells without a usable fit: {listed(lost)}. Averages are about the other cells.")
    return told
