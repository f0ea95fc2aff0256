"""Effects and spreads in standard units, as a design is given them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from jaxsim.errors import InputError, brief, check_probability, finite

WAYS = ("d", "f2", "r2", "power")


@dataclass(frozen=True)
class Sized:
    """An effect in standard units, for ``effects``: ``Sized(d=.4)``. The design's predictors and SDs make it a raw one.

    Args:
        d: over the SD of a response given the fixed effects, random effects included (Westfall, Kenny & Judd 2014, eq. 5): of a
            difference between two levels, Cohen's d; of a number, of one unit of it.
        f2: Cohen's (1988) f², the variance that the column adds to the other columns' over that SD squared.
        r2: partial R², ``f2 / (1 + f2)``.
        power: of the two-sided test at level ``alpha`` that knows all variances (normal, with the standard error of generalised
            least squares).
        alpha: that level.
        negative: whether the effect is below 0, of all but ``d``, which has a sign.

    Raises:
        InputError: unless exactly one of them is given, f² is not negative, 0 <= R² < 1 and ``alpha < power < 1``.
    """

    d: float | None = None
    f2: float | None = None
    r2: float | None = None
    power: float | None = None
    alpha: float = 0.05
    negative: bool = False

    def __post_init__(self) -> None:
        given = {way: getattr(self, way) for way in WAYS if getattr(self, way) is not None}
        if len(given) != 1 or not all(finite(value) for value in given.values()):
            raise InputError(f"Sized({', '.join(f'{w}={brief(v)}' for w, v in given.items())}): give one of {', '.join(WAYS)}.")
        check_probability("alpha", self.alpha, 0.05)
        if self.f2 is not None and self.f2 < 0:
            raise InputError(f"Sized(f2={brief(self.f2)}): f² is at least 0; negative=True makes the effect negative.")
        if self.r2 is not None and not 0 <= self.r2 < 1:
            raise InputError(f"Sized(r2={brief(self.r2)}): a partial R² is from 0 to below 1: of 1 there would be no noise.")
        if self.power is not None and not self.alpha < self.power < 1:
            raise InputError(
                f"Sized(power={brief(self.power)}): give a power above alpha ({self.alpha:g}, that of no effect) and below 1."
            )


@dataclass(frozen=True)
class ICC:
    """The SD of random intercepts by their share of the variance, given the residual SD: ``sd={"clinic": ICC(.05)}``.

    Args:
        share: ``sd² / (sd² + residual_sd²)``, from 0 to below 1.
        design_effect: instead of it: ``1 + (m - 1) share`` with ``m`` the mean number of rows a unit.

    Raises:
        InputError: unless exactly one is given and within its bounds.
    """

    share: float | None = None
    design_effect: float | None = None

    def __post_init__(self) -> None:
        one, other = self.share, self.design_effect
        if (one is None) == (other is None):
            raise InputError(f"ICC(share={brief(one)}, design_effect={brief(other)}): give one of them.")
        if one is not None and not (finite(one) and 0 <= one < 1):
            raise InputError(f"ICC({brief(one)}): a share of the variance is from 0 to below 1.")
        if other is not None and not (finite(other) and other >= 1):
            raise InputError(f"ICC(design_effect={brief(other)}): a design effect of random intercepts is at least 1.")

    def sd(self, residual_sd: float, rows: float) -> float:
        """Of the random intercepts, with this residual SD and mean number of rows a unit."""
        share = self.share
        if share is None:
            assert self.design_effect is not None
            share = (self.design_effect - 1) / (rows - 1) if rows > 1 else np.inf
        if not share < 1:
            raise InputError(f"{self}: with {rows:g} rows a unit a design effect is below {rows:g}.")
        return float(residual_sd * np.sqrt(share / (1 - share)))


def power_of(noncentrality: Any, alpha: float) -> Any:
    """Of a two-sided normal test."""
    bound = -special.ndtri(alpha / 2)
    return special.ndtr(noncentrality - bound) + special.ndtr(-noncentrality - bound)


def noncentrality(power: float, alpha: float) -> float:
    """Effect over standard error with which a two-sided normal test has this power."""
    from scipy import optimize  # noqa: PLC0415 - slow to import

    return float(optimize.brentq(lambda x: power_of(x, alpha) - power, 0.0, 60.0, xtol=1e-14))
