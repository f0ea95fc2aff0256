"""How factors are coded that a formula says nothing about."""

from __future__ import annotations

from dataclasses import dataclass

from jaxsim.errors import choose
from jaxsim.formula.contrasts import POLYNOMIAL, TREATMENT, Contrast

ORDERED = ("treatment", "poly")


@dataclass(frozen=True)
class Coding:
    """``ordered``: what ordered categories get, ``treatment`` as all others, or ``poly``, R's polynomials.

    Raises:
        InputError: for another word.
    """

    ordered: str = "treatment"

    def __post_init__(self) -> None:
        choose("ordered", self.ordered, ORDERED)

    def contrast(self, ordered: bool) -> Contrast:
        """Of a factor."""
        return POLYNOMIAL if ordered and self.ordered == "poly" else TREATMENT

    def note(self, label: str, ordered: bool) -> str:
        """What a user should know about a factor of that label; empty if nothing."""
        if not ordered or self.ordered == "poly":
            return ""
        return f"{label!r} is ordered and has treatment contrasts; ordered='poly' gives the polynomials that R takes by default"
