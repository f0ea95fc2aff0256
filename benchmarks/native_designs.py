"""Designs that jaxsim and a native engine both simulate: as JSON for either side, and the study they are here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from jaxsim import GaussianMultilevel, Grid, LinearMixed, Study

# Residual variance is 1 and predictors are standard normal on both sides.
ICC, SLOPE_VARIANCE = 0.2, 0.1
# What each way to test is here, by the names that the tables have.
METHODS = {
    "REML, Satterthwaite": dict(df="satterthwaite"),
    "REML, Kenward-Roger": dict(df="kenward-roger"),
    "REML, z": dict(df="normal"),
}


@dataclass(frozen=True)
class Design:
    """Groups of equal sizes; the first predictor's slope varies where ``slope``, the last ``between`` are one number a group."""

    groups: int
    rows: int
    effects: tuple[float, ...]
    slope: bool = False
    between: int = 0
    icc: float = ICC
    slope_variance: float = SLOPE_VARIANCE

    @property
    def name(self) -> str:
        """As the tables write it."""
        return f"({'1 + x1' if self.slope else '1'} | g), {self.groups} groups x {self.rows}"

    def task(self) -> dict[str, Any]:
        """All that the other side needs."""
        return {**dataclasses.asdict(self), "slope_variance": self.slope_variance if self.slope else 0.0}

    def study(self, datasets: int, seed: int, methods: tuple[str, ...]) -> Study:
        """The same here: each method is a strategy of that label."""
        varying = len(self.effects) - self.between
        slope = (self.slope_variance**0.5 if self.slope else 0.0, *[0.0] * (varying - 1))
        process = GaussianMultilevel(
            n_groups=self.groups,
            n_obs=self.rows,
            n_predictors=len(self.effects),
            n_between=self.between,
            fixed_effects=(0.0, *self.effects),
            group_sd=((self.icc / (1 - self.icc)) ** 0.5, *slope),
        )
        random = ("Intercept", "IV1") if self.slope else ("Intercept",)
        strategies = tuple(LinearMixed(random=random, label=name, **METHODS[name]) for name in methods)
        return Study(process, Grid(), strategies, datasets, seed=seed)


def powered(groups: int, rows: int, slope: bool = False) -> Design:
    """Three predictors that vary within groups: the first with a power of .7 or so, the second with half its effect, no third."""
    variance = 1 / (groups * rows) + (SLOPE_VARIANCE / groups if slope else 0.0)
    effect = round(2.5 * variance**0.5, 3)
    return Design(groups, rows, (effect, round(effect / 2, 3), 0.0), slope)


def without_effects(groups: int, rows: int, slope: bool) -> Design:
    """Nothing has an effect; the first predictor varies within groups, the second is one number a group."""
    return Design(groups, rows, (0.0, 0.0), slope, between=1, slope_variance=0.25)


# Of the runs that are timed.
TIMED = (powered(10, 5), powered(30, 10), powered(30, 25), powered(100, 25), powered(30, 25, slope=True))
FEW_GROUPS = (5, 6, 8, 10)
