"""Whether the standard errors that strategies report match the spread of their estimates."""

from __future__ import annotations

from jaxsim.counts import listed
from jaxsim.measures.evidence import Number, differs
from jaxsim.measures.overview import with_error
from jaxsim.report.kept_in_words import named
from jaxsim.report.standings import Standings

LARGE = 5.0  # percent of the spread: intervals of 95% then cover some 94%


def standard_errors_in_words(standings: Standings) -> str:
    """Which strategies' standard errors are off by more than ``LARGE`` and than Monte Carlo error explains; all are looked at
    together (Bonferroni)."""
    known = [(s, s.model_se) for s in standings.strategies if s.model_se is not None]
    groups: dict[str, list[str]] = {"Too small": [], "Too large": [], "": []}
    for s, number in known:
        is_off = abs(number.value) > LARGE and differs(number, standings.datasets_of(s), len(known))
        group = "" if not is_off else "Too small" if number.value < 0 else "Too large"
        groups[group].append(named(s.name, f"{_percent(number)}{s.of}"))
    average = ", on average" if standings.cells > 1 else ""
    told = [
        f"{group} by more than {LARGE:g}% and than Monte Carlo error explains{average}: {listed(names)}."
        for group, names in groups.items()
        if group and names
    ]
    right = f"Right to within {LARGE:g}%, or to within Monte Carlo error{average}: {listed(groups[''])}."
    return " ".join([*told, right] if groups[""] else told)


def _percent(number: Number) -> str:
    return f"{'+' * (number.value > 0)}{with_error(number.value, number.mcse)}%"
