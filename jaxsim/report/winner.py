"""Which strategy finds most, and which is closest to the truth, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from jaxsim.measures.promises import COVERAGE, IN_CELLS, LEVEL
from jaxsim.report.comparison import InWords, compared, in_words
from jaxsim.report.kept_in_words import aside, listed, named, number_in_words, rate_in_words
from jaxsim.report.standings import Standing, Standings


def power_in_words(standings: Standings) -> str:
    """Who has most power among the strategies that kept their promise of these coefficients."""
    if not standings.has("power"):
        but = f" but {aside(standings, 'power')}" if standings.aside.get("power") else ""
        return f"Every coefficient{but} is zero: there is no effect to find."
    names = standings.keepers
    among = [s for s in standings.strategies if s.name in names and s.power is not None]
    kept = "kept the level of its tests" if standings.has("level") else "kept the coverage of its intervals"
    if not among:
        partly = any(verdict.name == IN_CELLS for verdict in standings.verdicts(standings.promise).values())
        return f"Not judged: no strategy {kept}{' in every cell' if partly else ''}."
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
    where = ", in some cells at least" if standings.cells_of(standings.promise) > 1 else ""
    return f" {_each(out, 'power', rate_in_words)} {does} not count: {its} {why}{where}."


def error_in_words(standings: Standings) -> str:
    """Who has the smallest RMSE."""
    known = [s for s in standings.strategies if s.rmse is not None]
    if len(known) == 1:
        return f"{_each(known, 'rmse', number_in_words)}."
    return in_words(compared(standings, known, "rmse"), number_in_words, "has the smallest")


def _each(strategies: Sequence[Standing], measure: str, number: InWords) -> str:
    return listed([named(s.name, number(getattr(s, measure)) + s.of) for s in strategies])


def agreement_in_words(standings: Standings) -> list[str]:
    """Whether all strategies have one verdict on every promise, and no difference of power or RMSE is one."""
    strategies = standings.strategies
    measures = ["rmse", *(["coverage"] if standings.infers else []), *(["power"] if standings.has("power") else [])]
    if len(strategies) == 1 or any(getattr(s, name) is None for s in strategies for name in measures):
        return []
    told = [{verdict.name for verdict in standings.verdicts(promise).values()} for promise in (LEVEL, COVERAGE)]
    apart = {name: compared(standings, strategies, name) for name in measures if name != "coverage"}
    if any(one.tells_apart for one in apart.values()) or any(len(names) > 1 for names in told):
        return []
    if apart["rmse"].is_identical:
        return ["Nothing tells the strategies apart: their errors are identical in every dataset."]
    return ["Nothing tells the strategies apart: the differences below are within Monte Carlo error."]
