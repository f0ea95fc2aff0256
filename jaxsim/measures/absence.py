"""Measures that were asked for and that no coefficient of the results has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxsim.errors import InputError
from jaxsim.measures.catalogue import REJECTIONS

REMEDIES = {
    "power": ("is not zero", "Name other coefficients, or give the effect a level that is not zero in the grid"),
    "type_one_error": ("is zero", "Name other coefficients, or give the effect a level of zero in the grid"),
}


def check_absences(asked: Sequence[str] | None, told: Iterable[str], terms: Sequence[str]) -> list[str]:
    """A sentence for each measure that has no number.

    Args:
        asked: names of measures, known ones; None for those that are shown anyway.
        told: measures that the results have.
        terms: coefficients that count.

    Raises:
        InputError: if none of them has one.
    """
    there = set(told)
    lacking = [name for name in dict.fromkeys(asked or ()) if name in REJECTIONS and name not in there]
    said = [
        f"There is no {name}: it is of coefficients whose true value {REMEDIES[name][0]}, and none of {', '.join(terms)} has one "
        f"in these results. {REMEDIES[name][1]}."
        for name in lacking
    ]
    if said and len(said) == len(set(asked or ())):
        raise InputError(" ".join(said))
    return said
