"""Whether strategies kept the level of their tests and the coverage of their intervals, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    found, alpha = standings.verdicts(LEVEL), f"{standings.alpha:g}"
    told = _told(standings, LEVEL, found, ("Above", "Not above", f"Below {alpha} (tests are conservative)"))
    kept = [s.level for s in standings.strategies if s.level is not None and found[s.name].name == KEPT]
    highest = max((level.high for level in kept), default=0.0)
    if highest > LIBERAL * standings.alpha:
        told += f" Monte Carlo error is large, though: up to {highest:.2g} is not ruled out."
    return told


def unknown_level_in_words(standings: Standings) -> str:
    """That the level of a coefficient is not known, how to have it known, and the coverage that stands for it."""
    it = listed(standings.terms)
    remedy = f"Not known: {it} is zero in no cell. To have it known, give the effect a level of 0 in the grid."
    if not standings.has("coverage"):
        return f"{remedy} Neither is the coverage of its intervals."
    return f"{remedy} The coverage of its own intervals stands for it. {coverage_in_words(standings)}"


def _not_judged(standings: Standings) -> str:
    """Why there is no verdict on the level, and how to get one."""
    why = "no coefficient of this study is zero, and an error of type I is to find an effect where there is none"
    if standings.aside.get("level"):
        other = aside(standings, "level")
        why = f"no coefficient but {other} is zero, and averages leave out {other} (see “Each coefficient” below)"
    return f"Not judged: {why}. To have it judged, give the effect a level of 0 in the grid."


def aside(standings: Standings, measure: str) -> str:
    """Coefficients that are in no average and have a ``level``, or ``power``: ``the intercept``."""
    return listed(["the intercept" if name in INTERCEPTS else name for name in standings.aside.get(measure, ())])


def coverage_in_words(standings: Standings) -> str:
    """Whether intervals contain the truth as often as they say."""
    over = f"Above {standings.conf_level:g} (intervals are wider than they need be)"
    return _told(standings, COVERAGE, standings.verdicts(COVERAGE), ("Below", "Not below", over))


def _told(standings: Standings, promise: Promise, found: Mapping[str, Verdict], texts: tuple[str, str, str]) -> str:
    """Sentences, one for each verdict that some strategy has: broken, kept, in some cells, cautious."""
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
    broken, kept, cautious = texts
    nominal = f"{standings.nominal(promise):g}"
    than = f"{nominal} by more than Monte Carlo error explains"
    average = _averaged(standings, cells)
    everywhere = _cells_judged(standings, promise, [name for name, verdict in found.items() if verdict.name == KEPT])
    whole, average_told = f"{kept} {than}{average}", bool({BROKEN, KEPT} & set(groups))
    sentences = {
        BROKEN: f"{broken} {than}{average}",
        KEPT: f"{kept} {nominal} by more than that{average}{everywhere}" if BROKEN in groups else f"{whole}{everywhere}",
        IN_CELLS: "Not on average, but in some cells" if average_told else f"{whole}, but in some cells",
        CAUTIOUS: cautious,
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


def listed(texts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def rate_in_words(rate: Number) -> str:
    """``0.05 ± 0.01``, or ``0, at most 0.07``."""
    if rate.value == 0:
        return f"0, at most {rate.high:.2g}"
    return f"1, at least {rate.low:.4g}" if rate.value == 1 else rate_with_error(rate.value, rate.mcse, rate.low, rate.high)


def number_in_words(number: Number) -> str:
    """``0.31 ± 0.01``."""
    return with_error(number.value, number.mcse)
