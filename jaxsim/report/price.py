"""What power is paid with: a level or a coverage that is worse than another's on the same datasets.

Two strategies may both keep what they promise as far as their own Monte Carlo errors tell, and one of them worse than the other:
the difference on the same datasets is far sharper than either rate. Of the two, one that finds more because its standard errors are
too small has not found more. So whoever is ahead in power is compared with those behind in what is promised, too. It pays if

- its rate is worse by at least ``MATTERS``, and by more than the Monte Carlo error of the difference explains; all pairs of
  strategies may be looked at, so that this is at ``SIGNIFICANCE`` over the number of pairs (Bonferroni);
- it is on the bad side of the nominal rate; and
- it is at least as far from that as the other is: else the difference is one of the other's caution, and an exact test that finds
  more than a cautious one is as good as it looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxsim.counts import listed
from jaxsim.measures.evidence import Number, differs
from jaxsim.measures.promises import LEVEL
from jaxsim.report.comparison import MATTERS, Comparison, apart_in_words, compared
from jaxsim.report.kept_in_words import named, number_in_words, rate_in_words
from jaxsim.report.standings import ATTRIBUTES, Standing, Standings


@dataclass(frozen=True)
class Price:
    """What a strategy pays for being ahead: how much worse its rate is than that of each of some others, by name."""

    told: Comparison
    others: tuple[Standing, ...]
    worse: tuple[Number, ...]


def prices(standings: Standings, strategies: Sequence[Standing]) -> tuple[list[Price], tuple[Standing, ...]]:
    """Who is ahead of others in power and pays for it, one after the other, and who is left: among these the first, if it is ahead
    of anybody, does not pay.

    Args:
        standings: of the study, with paired differences.
        strategies: those of them whose power is compared.
    """
    left, found = list(strategies), list[Price]()
    pairs = len(left) * (len(left) - 1) // 2
    while len(left) > 1:
        told = compared(standings, left, "power")
        worse = {s: pair for s in told.of_kind("beaten") if (pair := _worse(standings, told.first, s, pairs)) is not None}
        if not worse:
            break
        found.append(Price(told, tuple(worse), tuple(worse.values())))
        left.remove(told.first)
    return found, tuple(left)


def _worse(standings: Standings, one: Standing, other: Standing, looks: int) -> Number | None:
    """How much worse a strategy's rate is than another's; None where it does not pay for its power with that."""
    promise = standings.promise
    attribute, _ = ATTRIBUTES[promise.measure]
    own, others = getattr(one, attribute), getattr(other, attribute)
    pair = standings.differences.get((attribute, one.name, other.name))
    if pair is None or own is None or others is None or not differs(pair, standings.datasets, looks):
        return None
    sign, nominal = 1 if promise is LEVEL else -1, standings.nominal(promise)
    pays = sign * pair.value >= MATTERS and sign * (own.value - nominal) >= abs(others.value - nominal)
    return Number(abs(pair.value), pair.mcse) if pays else None


def price_in_words(standings: Standings, price: Price, where: str = "") -> str:
    """That it finds more, on which datasets, what it pays with, and what that means."""
    promise, told, first = standings.promise, price.told, price.told.first
    attribute, _ = ATTRIBUTES[promise.measure]
    more = [f"{apart_in_words(told, s)} more than {_named(s, 'power')}" for s in price.others]
    side = "above" if promise is LEVEL else "below"
    off = [f"{number_in_words(pair)} {side} {_named(s, attribute)}" for s, pair in zip(price.others, price.worse, strict=True)]
    what = "its tests find effects that are not there" if promise is LEVEL else "its intervals contain the truth"
    return (
        f"{where}{_named(first, 'power')} found {listed(more)} on the same datasets, but pays for it: {what} at a rate of "
        f"{rate_in_words(getattr(first, attribute))} where {standings.nominal(promise):g} is promised, {listed(off)}. So it "
        "does not count as finding more."
    )


def _named(strategy: Standing, attribute: str) -> str:
    return named(strategy.name, rate_in_words(getattr(strategy, attribute)) + strategy.of)
