"""What strategies promise, the level of their tests and the coverage of their intervals, and whether they kept it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jaxsim.data.names import INTERCEPTS
from jaxsim.measures.overview import rate_with_error, with_error
from jaxsim.report.evidence import Number, is_above, is_below
from jaxsim.report.figures.tiles import LIBERAL
from jaxsim.report.standings import Standings


@dataclass(frozen=True)
class Promise:
    """A rate that is promised: its names in a :class:`Standing`, and which of its directions breaks the promise."""

    average: str
    by_cell: str
    nominal: Callable[[Standings], float]
    broken: Callable[[Number, float, int], bool]
    exceeded: Callable[[Number, float, int], bool]
    worst: Callable[[Iterable[float]], float]


LEVEL = Promise("level", "levels", lambda standings: standings.alpha, is_above, is_below, max)
COVERAGE = Promise("coverage", "coverages", lambda standings: standings.conf_level, is_below, is_above, min)


@dataclass(frozen=True)
class Verdict:
    """``broken`` on average; ``in cells``: only in some, whose rates are ``cells``; ``cautious``: further from the promise than it
    need be, such as too low a type I error; or ``kept``."""

    name: str
    cells: tuple[Number, ...] = ()


def verdicts(standings: Standings, promise: Promise) -> dict[str, Verdict]:
    """Of each strategy that has the rate; all averages, and all cells, are looked at together (Bonferroni)."""
    known = [s for s in standings.strategies if getattr(s, promise.average) is not None]
    nominal, in_cells = promise.nominal(standings), sum(len(getattr(s, promise.by_cell)) for s in known)
    found = {}
    for s in known:
        rate = getattr(s, promise.average)
        bad = tuple(cell for cell in getattr(s, promise.by_cell) if promise.broken(cell, nominal, in_cells))
        if promise.broken(rate, nominal, len(known)):
            found[s.name] = Verdict("broken", bad)
        elif bad and standings.cells > 1:
            found[s.name] = Verdict("in cells", bad)
        else:
            found[s.name] = Verdict("cautious" if promise.exceeded(rate, nominal, len(known)) else "kept")
    return found


def keepers(standings: Standings) -> list[str]:
    """Strategies that kept the level of their tests; where no coefficient is zero, the coverage of their intervals.

    Those that kept it on average and in every cell or, if there are none, on average.
    """
    found = verdicts(standings, LEVEL if standings.has("level") else COVERAGE)
    strictly = [name for name, verdict in found.items() if verdict.name in ("kept", "cautious")]
    return strictly or [name for name, verdict in found.items() if verdict.name == "in cells"]


def level_in_words(standings: Standings) -> str:
    """Whether type I error is above the level of the tests."""
    if not standings.infers:
        return "These strategies give no tests and no intervals: there is no level to keep."
    if not standings.has("level"):
        return _not_judged(standings)
    found, alpha = verdicts(standings, LEVEL), f"{standings.alpha:g}"
    told = _told(standings, LEVEL, found, ("Above", "Not above", f"Below {alpha} (tests are conservative)"))
    kept = [s.level for s in standings.strategies if s.level is not None and found[s.name].name == "kept"]
    highest = max((level.high for level in kept), default=0.0)
    if highest > LIBERAL * standings.alpha:
        told += f" Monte Carlo error is large, though: up to {highest:.2g} is not ruled out."
    return told


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
    return _told(standings, COVERAGE, verdicts(standings, COVERAGE), ("Below", "Not below", over))


def _told(standings: Standings, promise: Promise, found: Mapping[str, Verdict], texts: tuple[str, str, str]) -> str:
    """Sentences, one for each verdict that some strategy has: broken, kept, in some cells, cautious."""
    groups: dict[str, list[str]] = {}
    for s in standings.strategies:
        if s.name not in found:
            continue
        verdict, text = found[s.name], named(s.name, rate_in_words(getattr(s, promise.average)) + s.of)
        if verdict.name == "in cells":
            worst = promise.worst(cell.value for cell in verdict.cells)
            ends = "up" if promise is LEVEL else "down"
            text = f"{s.name} (in {len(verdict.cells):,} of {standings.cells:,}, {ends} to {worst:.2g})"
        groups.setdefault(verdict.name, []).append(text)
    broken, kept, cautious = texts
    nominal = f"{promise.nominal(standings):g}"
    than = f"{nominal} by more than Monte Carlo error explains"
    average = ", on average" if standings.cells > 1 else ""
    everywhere = _cells_judged(standings, promise, [name for name, verdict in found.items() if verdict.name == "kept"])
    whole, average_told = f"{kept} {than}{average}", bool({"broken", "kept"} & set(groups))
    sentences = {
        "broken": f"{broken} {than}{average}",
        "kept": f"{kept} {nominal} by more than that{average}{everywhere}" if "broken" in groups else f"{whole}{everywhere}",
        "in cells": "Not on average, but in some cells" if average_told else f"{whole}, but in some cells",
        "cautious": cautious,
    }
    told = [f"{text}: {listed(groups[name])}." for name, text in sentences.items() if name in groups]
    lacking = [s.name for s in standings.strategies if s.name not in found and s.rmse is not None]
    return " ".join([*told, f"No number: {listed(lacking)}."] if lacking else told)


def _cells_judged(standings: Standings, promise: Promise, kept: Sequence[str]) -> str:
    """That no cell breaks a promise, said of as many cells as had enough fits for every strategy that kept it."""
    judged = min((len(getattr(s, promise.by_cell)) for s in standings.strategies if s.name in kept), default=0)
    if standings.cells == 1 or not judged:
        return ""
    if judged == standings.cells:
        return " or in any cell"
    return " or in the 1 cell that can be judged" if judged == 1 else f" or in any of the {judged:,} cells that can be judged"


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
