"""Which strategy finds most, and which is closest to the truth, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from jaxsim.counts import listed
from jaxsim.measures.promises import COVERAGE, IN_CELLS, LEVEL
from jaxsim.report.comparison import Comparison, InWords, compared, in_words
from jaxsim.report.kept_in_words import aside, named, number_in_words, rate_in_words
from jaxsim.report.price import price_in_words, prices
from jaxsim.report.rounds import Round, not_compared, rounds_of
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
    told = [_found_most(one, those) for one in rounds_of(standings, among, "power", _most)]
    return " ".join(told) + not_compared(standings, among) + left


def _most(one: Round) -> Standing:
    """Who found most on some datasets without paying for it."""
    _, rest = prices(one.standings, one.strategies)
    return compared(one.standings, rest, "power").first


def _found_most(one: Round, those: str) -> str:
    """Who found most on some datasets; who did but paid for it, and who did among the others."""
    paid, rest = prices(one.standings, one.strategies)
    told = [price_in_words(one.standings, price, one.where) for price in paid]
    if paid and len(rest) == 1:
        return " ".join([*told, f"That leaves {_each(rest, 'power', rate_in_words)}."])
    those = f" among the others{those.removeprefix(' among those')}" if paid else those
    last = in_words(compared(one.standings, rest, "power"), rate_in_words, "found most", those, "" if paid else one.where)
    return " ".join([*told, last])


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
    told = [in_words(one, number_in_words, "has the smallest", where=where) for one, where in comparisons(standings, known, "rmse")]
    return " ".join(told) + not_compared(standings, known)


def comparisons(standings: Standings, strategies: Sequence[Standing], measure: str) -> list[tuple[Comparison, str]]:
    """On the datasets that count, and which these are; several where not all strategies fitted the same."""

    def told(one: Round) -> Comparison:
        """Of one."""
        return compared(one.standings, one.strategies, measure)

    return [(told(one), one.where) for one in rounds_of(standings, strategies, measure, lambda one: told(one).first)]


def _each(strategies: Sequence[Standing], measure: str, number: InWords) -> str:
    return listed([named(s.name, number(getattr(s, measure)) + s.of) for s in strategies])


def agreement_in_words(standings: Standings) -> list[str]:
    """Whether all strategies have one verdict on every promise, and no difference of power or RMSE is one."""
    strategies = standings.strategies
    measures = ["rmse", *(["coverage"] if standings.infers else []), *(["power"] if standings.has("power") else [])]
    if len(strategies) == 1 or any(getattr(s, name) is None for s in strategies for name in measures):
        return []
    told = [{verdict.name for verdict in standings.verdicts(promise).values()} for promise in (LEVEL, COVERAGE)]
    apart = {name: comparisons(standings, strategies, name) for name in measures if name != "coverage"}
    if any(one.tells_apart for each in apart.values() for one, _ in each) or any(len(names) > 1 for names in told):
        return []
    if not_compared(standings, strategies):
        return []
    if all(one.is_identical for one, _ in apart["rmse"]):
        return ["Nothing tells the strategies apart: their errors are identical in every dataset."]
    return ["Nothing tells the strategies apart: the differences below are within Monte Carlo error."]
