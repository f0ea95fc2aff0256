"""Bundles of troubles: what the data of a whole world are like, as one level of a grid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from jaxsim.errors import InputError, advised, brief, finite, printable
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.messy.missing import MAR, Dropout, Missing
from jaxsim.processes.messy.recording import Outliers, Recording
from jaxsim.processes.messy.serial import AR1, Serial
from jaxsim.processes.messy.variance import Variance, VarianceBetween
from jaxsim.processes.predictors import Gamma
from jaxsim.processes.shapes import StudentT

# What each field holds, as a message says it. Nothing is (), or None where a scenario is asked first.
KINDS: dict[str, tuple[type, str]] = {
    "residual": (Distribution, "a distribution of numbers, such as StudentT(5) or Gamma(1, 0.5)"),
    "group_effects": (Distribution, "a distribution of numbers, such as StudentT(5) or TwoKinds(0.3)"),
    "variance": (Variance, "VarianceBy(column, ratio), VarianceBetween(cv) or VarianceByMean(power)"),
    "serial": (Serial, "AR1(correlation) or MovingAverage(weight)"),
    "outliers": (Outliers, "Outliers(share, size)"),
    "recorded": (Recording, "Rounded(step), Limited(floor, ceiling) or Ordinal(cuts)"),
    "missing": (Missing, "MCAR, MAR, MNAR, Dropout, LostOccasions or LostGroups, one or a tuple of them"),
}
MOST_NOISE = 1.0
NOTHING: tuple[()] = ()


@dataclass(frozen=True, kw_only=True)
class Troubles:
    """What is not as in an ideal world, by name only; None or () is as in one.

    Args:
        residual: shape of the residuals; its own mean and SD do not matter, the stated residual SD stays.
        group_effects: shape of the groups' effects; the stated SDs and correlations stay.
        variance: how the residual variance differs between rows.
        serial: how the residuals of a group follow each other.
        outliers: rows that are off.
        recorded: how the response is written down.
        missing: how rows go missing, one way or several.
        sd_noise: the groups' SDs differ between datasets: all of one are multiplied by a lognormal number of this SD on the log
            scale, whose square is 1 on average.

    Raises:
        InputError: for a field that holds something else.
    """

    residual: Distribution | tuple[()] | None = None
    group_effects: Distribution | tuple[()] | None = None
    variance: Variance | tuple[()] | None = None
    serial: Serial | tuple[()] | None = None
    outliers: Outliers | tuple[()] | None = None
    recorded: Recording | tuple[()] | None = None
    missing: Missing | tuple[Missing, ...] | None = None
    sd_noise: float | None = None

    def __post_init__(self) -> None:
        for name in KINDS:
            object.__setattr__(self, name, checked(name, getattr(self, name)))
        object.__setattr__(self, "sd_noise", checked_noise(self.sd_noise))


@dataclass(frozen=True)
class Scenario(Troubles):
    """What makes the data of a world messy, under a name.

    Args:
        name: what tables call it.
        residual, group_effects, variance, serial, outliers, recorded, missing, sd_noise: as of :class:`Troubles`.

    Raises:
        InputError: for a name that cannot be printed, and as :class:`Troubles`.
    """

    name: str

    def __post_init__(self) -> None:
        printable("Scenario: the name", self.name)
        super().__post_init__()

    def __str__(self) -> str:
        return self.name


def checked(name: str, value: Any) -> Any:
    """What a field of this name may hold.

    Raises:
        InputError: for anything else.
    """
    kind, such_as = KINDS[name]
    if value is None or (isinstance(value, tuple | list) and not value):
        return value if value is None else NOTHING
    if name == "missing" and isinstance(value, tuple | list) and all(isinstance(one, kind) for one in value):
        return value[0] if len(value) == 1 else tuple(value)
    if not isinstance(value, kind) or (isinstance(value, Distribution) and value.levels is not None):
        raise InputError(f"{name}={brief(value)}: give {such_as}; () for none.")
    if isinstance(value, Distribution) and not (finite(value.moments[1]) and value.moments[1] > 0):
        raise InputError(f"{name}={brief(value)} has no standard deviation above 0, and that is what is stated; give {such_as}.")
    return value


def checked_noise(value: Any) -> float | None:
    """A number of at least 0, or None."""
    if value is not None and (not finite(value) or not 0 <= value <= MOST_NOISE):
        raise InputError(f"sd_noise={brief(value)}: give a number from 0 to {MOST_NOISE:g}; .15 is 15% either way.")
    return None if value is None else float(value)


def check_columns(troubles: Collection[Any], columns: Collection[str], times: Collection[str]) -> None:
    """Raise :class:`InputError` for a trouble that speaks of a column, or a schedule, that a process does not have."""
    for trouble in troubles:
        for one in trouble if isinstance(trouble, tuple) else (trouble,):
            if isinstance(one, Variance | Serial | Missing):
                one.check(columns, times)


# Worlds of psychological and educational data. Realistic: most measures are skewed or have heavy tails, few of them extremely
# (Micceri 1989, Psychological Bulletin 105, 156-166; Blanca et al. 2013, Methodology 9, 78-84; Cain, Zhang & Yuan 2017, Behavior
# Research Methods 49, 1716-1735); variances differ between groups (Ruscio & Roche 2012, Methodology 8, 1-11); 15 to 20% of the data
# are missing (Enders 2003, Psychological Methods 8, 322-337). Harsh: worse than most, and still within what these surveys report.
SCENARIOS: dict[str, Scenario] = {
    "ideal": Scenario("ideal"),
    "realistic": Scenario(
        "realistic",
        residual=Gamma(1.0, 0.45),  # skewness .9, excess kurtosis 1.2
        group_effects=StudentT(8),
        variance=VarianceBetween(0.25),
        serial=AR1(0.2),
        missing=MAR(0.15),
        sd_noise=0.15,
    ),
    "harsh": Scenario(
        "harsh",
        residual=Gamma(1.0, 1.0),  # skewness 2, excess kurtosis 6
        group_effects=StudentT(3.5),
        variance=VarianceBetween(0.5),
        serial=AR1(0.5),
        outliers=Outliers(0.02, 5.0),
        missing=(Dropout(0.05, by="own"), MAR(0.15)),
        sd_noise=0.3,
    ),
}


def scenario(given: Any) -> Scenario | None:
    """A scenario, one by its name, or None.

    Raises:
        InputError: for anything else.
    """
    if given is None or isinstance(given, Scenario):
        return given
    if isinstance(given, str) and given in SCENARIOS:
        return SCENARIOS[given]
    raise InputError(
        advised(
            f"scenario={brief(given)} is not known",
            given,
            SCENARIOS,
            f"give one of {', '.join(map(repr, SCENARIOS))}, or a Scenario('name', residual=.., missing=..)",
        )
    )
