"""Measures in lines that average exchangeable coefficients alone: those of any others are lines of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from jaxsim.measures.stream import Performance

TERM = "term"


def label(family: Sequence[str]) -> str:
    """What a line is called that is of some exchangeable coefficients."""
    return ", ".join(family)


def averaged_terms(performance: Performance, by: Sequence[str], terms: Sequence[str] | None) -> tuple[str, ...] | None:
    """The coefficients that lines are about: those that were asked for, or else those that compare strategies; None where each has
    a line of its own anyway, and of results without estimates."""
    if terms is not None:
        return tuple(dict.fromkeys(terms))
    return None if TERM in by else performance.compared or None


def families_of(performance: Performance, by: Sequence[str], terms: Sequence[str] | None) -> tuple[tuple[str, ...], ...]:
    """These coefficients, exchangeable ones together; none where each has a line of its own anyway."""
    chosen = averaged_terms(performance, by, terms)
    return () if chosen is None or TERM in by else performance.by_family(chosen)


def measures_apart(performance: Performance, by: Sequence[str], terms: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
    """Measures by some columns, with a line more, named in a column ``term``, for each family of coefficients if there are several.

    Args:
        performance: of a run.
        by: columns that define the lines.
        terms: coefficients that count; those that compare strategies when None.
        options: as for :meth:`jaxsim.measures.stream.Performance.measures`.
    """
    families = families_of(performance, by, terms)
    if len(families) < 2:
        return performance.measures(by, terms=averaged_terms(performance, by, terms), **options)
    parts = [performance.measures(by, terms=family, **options).assign(**{TERM: label(family)}) for family in families]
    found = pd.concat(parts, ignore_index=True)
    return found[[TERM, *(name for name in found.columns if name != TERM)]]


def measures_of_fits(
    performance: Performance,
    by: Sequence[str],
    measures: Sequence[str],
    families: Sequence[Sequence[str]],
    policy: str = "available",
) -> pd.DataFrame:
    """Measures of whole fits, such as predictions, which are the same whichever coefficient they are read beside: of each strategy
    beside the first of its own.

    Args:
        performance: of a run.
        by: columns that define the lines, ``model`` among them.
        measures: their names.
        families: coefficients that there are, exchangeable ones together.
        policy: as for :meth:`jaxsim.measures.stream.Performance.measures`.
    """
    parts, seen = [], set[str]()
    for family in families:
        there = {*performance.estimating(family)} - seen
        if there:
            table = performance.measures(by, measures=measures, terms=family, policy=policy)
            parts.append(table[table["model"].astype(str).isin(there)])
            seen |= there
    return pd.concat(parts, ignore_index=True)
