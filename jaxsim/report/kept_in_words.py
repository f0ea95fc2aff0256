"""Whether strategies kept the level of their tests and the coverage of their intervals, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxsim.counts import listed
from jaxsim.data.names import INTERCEPTS
from jaxsim.measures.evidence import Number
from jaxsim.measures.overview import rate_with_error, with_error
from jaxsim.measures.promises import BROKEN, CAUTIOUS, COVERAGE, IN_CELLS, KEPT, LEVEL, Promise, Verdict
from jaxsim.report.figures.tiles import LIBERAL
from jaxsim.report.standings import ATTRIBUTES, Standings


def level_in_words(standings: Standings) -> str:
    """Whether type I error is above the level of the tests."""
    if not standings.infers:
        return "These strategies give no tests and no intervals: there is no level to keep."
    if not standings.has("level"):
        return _not_judged(standings)
    found = standings.verdicts(LEVEL)
    told = _told(standings, LEVEL, found, ("Above", "Not above", "Below", "tests are conservative"))
    limits = {s.name: s.level.high for s in standings.strategies if s.level is not None and found[s.name].name == KEPT}
    unsure = {name: high for name, high in limits.items() if high > LIBERAL * standings.alpha}
    return told + _not_ruled_out("the true rate may be as high as", unsure)


def unknown_level_in_words(standings: Standings) -> str:
    """That the level of a coefficient is not known, how to have it known, and the coverage that stands for it."""
    remedy = f"Not known: {_nowhere_zero(standings)}. To have it known, give the effect a level of 0 in the grid."
    if not standings.has("coverage"):
        return f"{remedy} Neither is the coverage of its intervals."
    return f"{remedy} The coverage of its own intervals stands for it. {coverage_in_words(standings)}"


def _not_judged(standings: Standings) -> str:
    """Why there is no verdict on the level, and how to get one."""
    other = aside(standings, "level")
    there = f" (The rate of {other}, which is zero, is in the table “Each coefficient” below.)" if other else ""
    return f"Not judged: {_nowhere_zero(standings)}. To have it judged, give the effect a level of 0 in the grid.{there}"


def _nowhere_zero(standings: Standings) -> str:
    """That there is no error of type I to make."""
    return f"{listed(standings.terms)} {'is' if len(standings.terms) == 1 else 'are'} zero in no cell"


def aside(standings: Standings, measure: str) -> str:
    """Coefficients that are in no average and have a ``level``, or ``power``: ``the intercept``."""
    return listed(["the intercept" if name in INTERCEPTS else name for name in standings.aside.get(measure, ())])


def coverage_in_words(standings: Standings) -> str:
    """Whether intervals contain the truth as often as they say."""
    found = standings.verdicts(COVERAGE)
    told = _told(standings, COVERAGE, found, ("Below", "Not below", "Above", "intervals are conservative"))
    limits = {s.name: s.coverage.low for s in standings.strategies if s.coverage is not None and found[s.name].name == KEPT}
    unsure = {name: low for name, low in limits.items() if 1 - low > LIBERAL * (1 - standings.conf_level)}
    return told + _not_ruled_out("the true coverage may be as low as", unsure)


def _not_ruled_out(what: str, limits: Mapping[str, float]) -> str:
    """How far off the rates of strategies that kept their promise may be, with a space before it; empty where that is not far."""
    each = [f"{limit:.2g} for {name}" for name, limit in limits.items()]
    return f" Monte Carlo error is large, though: {what} {listed(each)}." if each else ""


def _told(standings: Standings, promise: Promise, found: Mapping[str, Verdict], texts: tuple[str, str, str, str]) -> str:
    """Sentences, one for each verdict that some strategy has: broken, kept, in some cells, cautious, and what the last means."""
    groups: dict[str, list[str]] = {}
    rates, cells = standings.rates(promise), standings.cells_of(promise)
    for s in standings.strategies:
        if s.name not in found:
            continue
        verdict, text = found[s.name], named(s.name, rate_in_words(rates[s.name].average) + s.of)
        if verdict.name == IN_CELLS:
            worst = promise.worst(cell.value for cell in verdict.cells)
            ends = "up" if promise is LEVEL else "down"
            text = f"{s.name} (in {len(verdict.cells):,} of {cells:,}, {ends} to {worst:.2g})"
        groups.setdefault(verdict.name, []).append(text)
    broken, kept, beyond, cautious = texts
    nominal = f"{standings.nominal(promise):g}"
    than = f"{nominal} by more than Monte Carlo error explains"
    average = _averaged(standings, cells)
    everywhere = _cells_judged(standings, promise, [name for name, verdict in found.items() if verdict.name == KEPT])
    whole, average_told = f"{kept} {than}{average}", bool({BROKEN, KEPT} & set(groups))
    over = f"{beyond} {nominal} by more than that" if average_told else f"{beyond} {than}"
    sentences = {
        BROKEN: f"{broken} {than}{average}",
        KEPT: f"{kept} {nominal} by more than that{average}{everywhere}" if BROKEN in groups else f"{whole}{everywhere}",
        IN_CELLS: "Not on average, but in some cells" if average_told else f"{whole}, but in some cells",
        CAUTIOUS: f"{over}{average} ({cautious})",
    }
    told = [f"{text}: {listed(groups[name])}." for name, text in sentences.items() if name in groups]
    lacking = [s.name for s in standings.strategies if s.name not in found and s.rmse is not None]
    return " ".join([*told, f"No number: {listed(lacking)}."] if lacking else told)


def _averaged(standings: Standings, cells: int) -> str:
    """Where a rate is the average of several cells, or is that of one of several."""
    if cells > 1:
        return ", on average"
    return ", in the one cell where the coefficient is zero" if standings.cells > 1 else ""


def _cells_judged(standings: Standings, promise: Promise, kept: Sequence[str]) -> str:
    """That no cell breaks a promise, said of as many cells as had enough fits for every strategy that kept it."""
    _, by_cell = ATTRIBUTES[promise.measure]
    judged = min((len(getattr(s, by_cell)) for s in standings.strategies if s.name in kept), default=0)
    cells = standings.cells_of(promise)
    if cells == 1 or not judged:
        return ""
    if judged < cells:
        return f" or in {'the one cell' if judged == 1 else f'any of the {judged:,} cells'} with enough fits to be judged"
    return " or in any cell" if cells == standings.cells else f" or in any of the {cells:,} cells where the coefficient is zero"


def named(name: str, text: str) -> str:
    """A strategy with a number: ``lmer (0.05 ± 0.01)``."""
    return f"{name} ({text})"


def rate_in_words(rate: Number) -> str:
    """``0.05 ± 0.01``, or ``0, at most 0.07``."""
    if rate.value == 0:
        return f"0, at most {rate.high:.2g}"
    return f"1, at least {rate.low:.4g}" if rate.value == 1 else rate_with_error(rate.value, rate.mcse, rate.low, rate.high)


def number_in_words(number: Number) -> str:
    """``0.31 ± 0.01``."""
    return with_error(number.value, number.mcse)
