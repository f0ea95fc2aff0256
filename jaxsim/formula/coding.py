"""How columns are made that a formula says nothing about: contrasts of ordered factors, and what becomes of aliased columns."""

from __future__ import annotations

from dataclasses import dataclass

from jaxsim.errors import choose
from jaxsim.formula.contrasts import POLYNOMIAL, TREATMENT, Contrast

ORDERED: tuple[str, ...] = ("treatment", "poly")
# What becomes of fixed-effects columns that are combinations of those before them: left out as in R, or no fit at all.
ALIASED: tuple[str, ...] = ("drop", "refuse")


@dataclass(frozen=True)
class Coding:
    """What people may choose.

    Args:
        ordered: what ordered categories get, ``treatment`` as all others, or ``poly``, R's polynomials.
        aliased: what becomes of columns that are combinations of those before them: ``drop``, or ``refuse`` to fit.

    Raises:
        InputError: for another word.
    """

    ordered: str = "treatment"
    aliased: str = "drop"

    def __post_init__(self) -> None:
        choose("ordered", self.ordered, ORDERED)
        choose("aliased", self.aliased, ALIASED)

    def contrast(self, ordered: bool) -> Contrast:
        """Of a factor."""
        return POLYNOMIAL if ordered and self.ordered == "poly" else TREATMENT

    def note(self, label: str, ordered: bool) -> str:
        """What a user should know about a factor of that label; empty if nothing."""
        if not ordered or self.ordered == "poly":
            return ""
        return f"{label!r} is ordered and has treatment contrasts; ordered='poly' gives the polynomials that R takes by default"


DEFAULT = Coding()
# For software that gets the columns as they are.
REFUSING = Coding(aliased="refuse")
