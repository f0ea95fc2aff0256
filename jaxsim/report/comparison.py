"""The best strategy beside the others on the same datasets: whom it beats, by how much, and who is as good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from jaxsim.counts import listed
from jaxsim.measures.evidence import Number, differs, is_identical
from jaxsim.report.kept_in_words import named, number_in_words
from jaxsim.report.standings import SIGN, Standing, Standings, best

EXPLAINED = "is larger than Monte Carlo error explains"
# A smaller difference is of no use to anybody: half a percentage point of power, half a percent of an RMSE.
MATTERS = 0.005
BETTER = {"power": "more", "rmse": "less"}

InWords = Callable[[Number], str]


@dataclass(frozen=True)
class Comparison:
    """The best of some strategies by a measure, and the others.

    Attributes:
        measure: ``power`` or ``rmse``.
        first: the best.
        kinds: of each other, by name: ``beaten``; ``close``, worse by less than ``MATTERS``; ``tied``, within Monte Carlo error;
            ``identical`` in every dataset.
        strategies: all, in the study's order.
        differences: of the first less each other on the same datasets, by name.
    """

    measure: str
    first: Standing
    kinds: Mapping[str, str]
    strategies: tuple[Standing, ...]
    differences: Mapping[str, Number]

    def of_kind(self, kind: str) -> list[Standing]:
        """The others of a kind, in the study's order."""
        return [s for s in self.strategies if self.kinds.get(s.name) == kind]

    @property
    def tells_apart(self) -> bool:
        """Whether some strategy is worse by more than Monte Carlo error explains, and be it by little."""
        return not {"beaten", "close"}.isdisjoint(self.kinds.values())

    @property
    def is_identical(self) -> bool:
        """Whether all have the same in every dataset."""
        return set(self.kinds.values()) == {"identical"}


def leader(
    strategies: Sequence[Standing], measure: str, datasets: int, pairs: Callable[[str], Mapping[str, Number]]
) -> Standing | None:
    """The best strategy; None if none has a number.

    It is that of the best average, unless another is better on the datasets of both: averages may be of different ones.

    Args:
        strategies: to choose from.
        measure: ``power`` or ``rmse``.
        datasets: that are finished.
        pairs: differences on the same datasets of the named strategy less each other, by name.
    """
    known = {s.name: s for s in strategies if getattr(s, measure) is not None}
    first, seen = best(known.values(), measure), set[str]()
    while first is not None and first.name not in seen:
        seen.add(first.name)
        found, size = pairs(first.name), abs(getattr(first, measure).value)
        behind = {name: pair for name, pair in found.items() if name in known and SIGN[measure] * pair.value < 0}
        ahead = [(abs(pair.value), known[name]) for name, pair in behind.items() if differs(pair, datasets, len(known) - 1, size)]
        first = max(ahead, key=itemgetter(0))[1] if ahead else first
    return first


def compared(standings: Standings, strategies: Sequence[Standing], measure: str) -> Comparison:
    """Compare some strategies, all of which have a number of the measure."""

    def pairs(name: str) -> dict[str, Number]:
        """Differences of a strategy less each other of these, by name."""
        known = {s.name: standings.differences.get((measure, name, s.name)) for s in strategies if s.name != name}
        return {other: pair for other, pair in known.items() if pair is not None}

    first = leader(strategies, measure, standings.datasets, pairs) or strategies[0]
    found, size = pairs(first.name), abs(getattr(first, measure).value)
    others = [s.name for s in strategies if s is not first]
    kinds = {name: _kind(found.get(name), measure, size, standings.datasets, len(others)) for name in others}
    return Comparison(measure, first, kinds, tuple(strategies), found)


def _kind(pair: Number | None, measure: str, size: float, datasets: int, looks: int) -> str:
    if pair is None:
        return "tied"
    if is_identical(pair, size):
        return "identical"
    if not differs(pair, datasets, looks, size):
        return "tied"
    if abs(pair.value) < MATTERS * (1 if measure == "power" else size):
        return "close"
    return "beaten" if SIGN[measure] * pair.value > 0 else "tied"  # of different datasets each may be ahead of another


def in_words(told: Comparison, number: InWords, won: str, those: str = "", where: str = "") -> str:
    """One sentence: whom the first beats and by how much, or why it is nobody.

    Args:
        told: what is said.
        number: a strategy's number in words.
        won: what the first did, such as ``found most``.
        those: among whom, with a space before it; empty for all.
        where: on which datasets, to begin with; empty for all.
    """
    beaten, close, tied, identical = map(told.of_kind, ("beaten", "close", "tied", "identical"))
    same = f"; {_each(told, identical, number)} {_is(identical)} identical in every dataset" if identical else ""
    who = "it" if beaten else told.first.name
    apart = f"; from {_each(told, tied, number)} {who} cannot be told apart" if tied else ""
    if beaten:
        than = [f"{apart_in_words(told, s)} {BETTER[told.measure]} than {_each(told, [s], number)}" for s in beaten]
        near = f"; {listed([_near(told, s, number) for s in close])} {_is(close)} practically the same" if close else ""
        return f"{where}{_each(told, [told.first], number)} {won}{those}: {listed(than)}, on the same datasets{near}{apart}{same}."
    if close:
        near = listed([_each(told, [told.first], number), *(_near(told, s, number) for s in close)])
        return f"{_begun(where, 'Practically the same')}{those}: {near}{apart}{same}."
    if tied:
        names = listed([s.name for s in told.strategies if s is told.first or s in identical])
        same = f"; {names} are identical in every dataset" if identical else ""
        return f"{_begun(where, 'No difference')}{those} {EXPLAINED}: {_each(told, told.strategies, number)}{same}."
    return f"{_begun(where, 'Identical in every dataset')}{those}: {_each(told, told.strategies, number)}."


def _begun(where: str, text: str) -> str:
    return f"{where}{text[:1].lower()}{text[1:]}" if where else text


def _each(told: Comparison, strategies: Sequence[Standing], number: InWords) -> str:
    return listed([named(s.name, number(getattr(s, told.measure)) + s.of) for s in strategies])


def _is(strategies: Sequence[Standing]) -> str:
    return "is" if len(strategies) == 1 else "are"


def apart_in_words(told: Comparison, other: Standing) -> str:
    """How far the first is from another, without a sign."""
    pair = told.differences[other.name]
    return number_in_words(Number(abs(pair.value), pair.mcse))


def _near(told: Comparison, other: Standing, number: InWords) -> str:
    """One that is close to the first, with the difference."""
    word = "less" if told.differences[other.name].value > 0 else "more"
    own = number(getattr(other, told.measure)) + other.of
    return named(other.name, f"{own}; {apart_in_words(told, other)} {word} on the same datasets")
