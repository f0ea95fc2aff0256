"""The datasets on which strategies are compared: where not all fitted the same, those alone that all of them fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxsim.counts import counted, listed
from jaxsim.measures.promises import FEWEST
from jaxsim.report.standings import Standing, Standings


@dataclass(frozen=True)
class Round:
    """Strategies that are compared, their numbers on the datasets that count, and which these are, to begin a sentence with."""

    standings: Standings
    strategies: tuple[Standing, ...]
    where: str = ""


def rounds_of(
    standings: Standings, strategies: Sequence[Standing], measure: str, first_of: Callable[[Round], Standing]
) -> list[Round]:
    """One, where all strategies fitted the same datasets. Else one of those that fitted most, on their datasets, if there are
    several; and one of the first of these and all others on the first datasets of each cell, which all of them fitted, if there
    are ``FEWEST``.

    Args:
        standings: of the study.
        strategies: those of them that are compared.
        measure: of which each must have a number.
        first_of: the best of a round.
    """
    limits = {s.only for s in strategies}
    if len(limits) < 2 or standings.common is None:
        return [Round(standings, tuple(strategies))]
    most = max(_wanted(s, standings) for s in strategies)
    full, common = tuple(s for s in strategies if _wanted(s, standings) == most), standings.common
    found = [Round(standings, full, f"On {_datasets(most, standings)} of each cell, ")] if len(full) > 1 else []
    first = first_of(found[0]) if found else full[0]
    names = [s.name for s in strategies if s.name == first.name or s not in full]
    some = tuple(s for s in common.of(names).strategies if getattr(s, measure) is not None)
    if common.datasets >= FEWEST and len(some) > 1:
        found.append(Round(common, some, f"On {_datasets(common.replicates, standings)} of each cell, which all of these fitted, "))
    return found


def not_compared(standings: Standings, strategies: Sequence[Standing]) -> str:
    """That some strategies fitted too few of the datasets of the others, with a space before it; empty where that is not so."""
    common = standings.common
    if common is None or common.datasets >= FEWEST or len({s.only for s in strategies}) < 2:
        return ""
    most = max(_wanted(s, standings) for s in strategies)
    few = [s.name for s in strategies if _wanted(s, standings) < most]
    return f" Not compared: {listed(few)}, for {counted(common.datasets, 'dataset')} that all strategies fitted are too few."


def _wanted(strategy: Standing, standings: Standings) -> int:
    """How many datasets of each cell a strategy was asked to fit."""
    return standings.replicates if strategy.only is None else strategy.only


def _datasets(count: int, standings: Standings) -> str:
    return f"all {count:,} datasets" if count == standings.replicates else f"the first {counted(count, 'dataset')}"
