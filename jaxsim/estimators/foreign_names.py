"""Names that other software has for the coefficients of a process: patsy's and formulaic's (statsmodels, pyfixest), R's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from jaxsim.data.names import INTERCEPT

INTERCEPTS = ("(Intercept)", "const", "_cons", "intercept", "1")
# treat[T.new], treat[new], C(treat)[T.new], C(treat, Treatment('usual'))[T.new]
_LEVEL = re.compile(r"^(?:C\((?P<call>\w+)\b.*\)|(?P<name>[^\[\]]+))\[(?:T\.)?(?P<level>.*)\]$")


def ours(labels: Sequence[object], terms: Sequence[str]) -> list[str]:
    """Labels as the process has them, where that is clear: the intercept, a factor's levels (``treat[T.new]`` is ``treatnew``), and
    the parts of an interaction in another order. A label is left as it is where two of them would be the same coefficient.

    Args:
        labels: as they were returned.
        terms: coefficients that are asked for.
    """
    given = [INTERCEPT if str(label) in INTERCEPTS else str(label) for label in labels]
    known = {_key(term): term for term in terms}
    read = [label if label in terms else known.get(_key(":".join(map(_part, label.split(":")))), label) for label in given]
    counts = Counter(read)
    return [label if counts[found] > 1 else found for label, found in zip(given, read, strict=True)]


def _key(name: str) -> tuple[str, ...]:
    return tuple(sorted(name.split(":")))


def _part(name: str) -> str:
    """A part of an interaction: of a factor's level, its name and the level."""
    found = _LEVEL.match(name)
    return name if found is None else (found["call"] or found["name"]) + found["level"]
