"""What a study found, in sentences: only what its numbers say with their Monte Carlo errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxsim.counts import listed
from jaxsim.measures.complaints import OFTEN
from jaxsim.measures.promises import COVERAGE, FEWEST, LEVEL
from jaxsim.report.bias_in_words import bias_in_words
from jaxsim.report.kept_in_words import coverage_in_words, level_in_words, named, rate_in_words, unknown_level_in_words
from jaxsim.report.standard_errors import standard_errors_in_words
from jaxsim.report.standings import Standings
from jaxsim.report.winner import agreement_in_words, comparisons, error_in_words, power_in_words

MOST_TOLD = 4  # coefficients, or families of them, of which everything is said
EVERY = "All coefficients"
OVER_SIZES = "All of these are averages over small and large studies: for the power of one size see the table by cell."


@dataclass(frozen=True)
class Finding:
    """A sentence or some, what they are about, and of which coefficients they are where not all are of the same."""

    about: str
    text: str
    of: str = ""


def found(standings: Standings, sizes: Sequence[str] = ()) -> list[Finding]:
    """What was found of one coefficient, or of exchangeable ones: levels of tests, coverage, power, error, failures, and what the
    comparison suffers from.

    A rate is off its nominal value, and a strategy better than another, only where Monte Carlo error cannot explain it; see
    :mod:`jaxsim.measures.evidence`. Strategies that gave no answer at all are named, and in nothing else.

    Args:
        standings: the numbers.
        sizes: sentences that say how many are needed; see :func:`jaxsim.report.how_many.how_many`.
    """
    said, standings = _without_answers(standings), standings.answering
    if not standings.strategies:
        return [_NOTHING, *said]
    others = "other " * bool(said)
    if why := _unsafe(standings):
        said.append(why)
    else:
        said += _lacking(standings)
        said += [Finding("Together", text) for text in agreement_in_words(standings)]
        said.append(Finding("Type I error", level_in_words(standings)))
        said += [Finding("Coverage", coverage_in_words(standings))] if standings.has("coverage") else []
        said += [Finding("Standard errors", standard_errors_in_words(standings))] if standings.has("model_se") else []
        said += [Finding("Power", _power(standings, sizes))] if standings.infers else []
        said += [Finding("How many", text) for text in sizes]
        said += [Finding("Bias", text) for text in bias_in_words(standings)]
        said.append(Finding("RMSE", error_in_words(standings)))
    return [*said, *_of_fits(standings, others)]


def found_of(every: Sequence[Standings], sizes: Sequence[Sequence[str]]) -> list[Finding]:
    """The same of several coefficients, each by itself: what a strategy does with one says nothing of another.

    Args:
        every: numbers of each family of exchangeable coefficients; of the first ``MOST_TOLD`` everything is said.
        sizes: sentences for each of them.
    """
    if len(every) == 1:
        return found(every[0], sizes[0])
    whole = _of_all(every)
    said, first = _without_answers(whole), whole.answering
    if not first.strategies:
        return [_NOTHING, *said]
    others = "other " * bool(said)
    answering = [standings.answering for standings in every]
    if why := next((why for one in answering if (why := _unsafe(one)) and why.about != "Nothing"), None):
        return [*said, why, *_of_fits(first, others)]
    told, rest = answering[:MOST_TOLD], answering[MOST_TOLD:]
    for standings, own in zip(told, sizes, strict=False):
        said += [Finding(one.about, one.text, listed(standings.terms)) for one in _of_coefficient(standings, own)]
    said += [Finding("In brief", text, "Other coefficients") for text in _in_brief(rest)]
    return [*said, *(Finding(one.about, one.text, EVERY) for one in _of_fits(first, others))]


def _of_all(every: Sequence[Standings]) -> Standings:
    """Of the strategies of all coefficients: what is said of whole fits."""
    strategies = {s.name: s for standings in every for s in standings.strategies}
    why = dict.fromkeys(text for standings in every for text in standings.why)
    return replace(every[0], strategies=tuple(strategies.values()), why=tuple(why))


def _lacking(standings: Standings) -> list[Finding]:
    """Which strategies have no such coefficient, and are in nothing that is said of it."""
    names = standings.lacking
    if not names:
        return []
    return [Finding("Without it", f"{listed(names)} {'has' if len(names) == 1 else 'have'} no {listed(standings.terms, 'or')}.")]


def _of_coefficient(standings: Standings, sizes: Sequence[str]) -> list[Finding]:
    """What matters of a coefficient among others: how its tests keep their level, who finds it, and how many that takes; coverage
    only where it says another thing of a strategy than the level, RMSE where it differs. All numbers are in the tables."""
    if not standings.has("rmse"):
        return [Finding("Nothing", _nothing(standings))]
    said = [*_lacking(standings), *(Finding("Together", text) for text in agreement_in_words(standings))]
    if standings.infers:
        known, keepers = standings.has("level"), standings.keepers
        said.append(Finding("Type I error", level_in_words(standings) if known else unknown_level_in_words(standings)))
        apart = [name for name, verdict in standings.verdicts(COVERAGE).items() if verdict.is_kept != (name in keepers)]
        said += [Finding("Coverage", coverage_in_words(standings))] if known and apart else []
        said += [Finding("Power", _power(standings, sizes))] if standings.has("power") else []
        said += [Finding("How many", text) for text in sizes]
    said += [Finding("Bias", text) for text in bias_in_words(standings)]
    erring = [s for s in standings.strategies if s.rmse is not None]
    differ = len(erring) > 1 and any(one.tells_apart for one, _ in comparisons(standings, erring, "rmse"))
    return [*said, *([Finding("RMSE", error_in_words(standings))] if differ or not standings.infers else [])]


def _power(standings: Standings, sizes: Sequence[str]) -> str:
    """Of a study of several sizes, too, that it is an average over them."""
    return power_in_words(standings) + (f" {OVER_SIZES}" if sizes else "")


def _in_brief(rest: Sequence[Standings]) -> list[str]:
    """Of further coefficients, those with the same verdicts together, which strategies do not keep their level."""
    groups: dict[str, list[str]] = {}
    for standings in rest:
        promise = standings.promise
        bad = [name for name, verdict in standings.verdicts(promise).items() if not verdict.is_kept]
        what = "level" if promise is LEVEL else "never zero, so that the level is not known; coverage of the intervals"
        text = f"{what} {f'not kept by {listed(bad)}' if bad else 'kept by every strategy'}"
        groups.setdefault(text if standings.rates(promise) else "nothing is known", []).extend(standings.terms)
    return [f"{listed(terms)}: {text}." for text, terms in groups.items()]


def _unsafe(standings: Standings) -> Finding | None:
    """Why nothing can be said; None if something can."""
    if not standings.has("rmse"):
        return Finding("Nothing", _nothing(standings))
    if standings.datasets < FEWEST:
        text = f"With fewer than {FEWEST} datasets no statement is safe: Monte Carlo errors are uncertain themselves."
        return Finding("Too few datasets", text)
    return None


def _of_fits(standings: Standings, others: str) -> list[Finding]:
    return [Finding("Fits", _fits(standings, others)), *(Finding("Caution", text) for text in _cautions(standings, others))]


_NOTHING = Finding("Nothing", "No fit gave a usable answer: there is nothing to measure.")


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
