"""What Monte Carlo error allows one to say of a number: whether a rate is off its nominal value, whether a difference is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from jaxsim.measures.interval import Z

# A difference this small beside the numbers themselves is one of rounding, or of where two optimisers stopped.
ALIKE = 1e-6
SIGNIFICANCE = 0.05  # of all that is said of one kind together, both directions


@dataclass(frozen=True)
class Number:
    """A measured number: its value, Monte Carlo standard error and 95% Monte Carlo limits."""

    value: float
    mcse: float
    low: float = math.nan
    high: float = math.nan


def trials(rate: Number) -> float:
    """How many independent events would have a rate's Monte Carlo error: fewer than were counted where those of one dataset are
    dependent. From Wilson's limit where the rate is 0 or 1; NaN where the error is not known."""
    if rate.value <= 0:
        return Z**2 * (1 - rate.high) / rate.high if rate.high > 0 else math.nan
    if rate.value >= 1:
        return Z**2 * rate.low / (1 - rate.low) if rate.low < 1 else math.nan
    return rate.value * (1 - rate.value) / rate.mcse**2 if rate.mcse > 0 else math.nan


def is_above(rate: Number, nominal: float, looks: int = 1) -> bool:
    """Whether a rate is higher than chance lets an exact method's be: an exact binomial test with :func:`trials` events, at half of
    ``SIGNIFICANCE`` over the number of rates that are looked at (Bonferroni). Never where the error is not known."""
    n = trials(rate)
    count = n * rate.value
    if not count > 0:
        return False
    # P(X >= count), also for a count between two whole numbers
    return bool(special.betainc(count, n - count + 1, nominal) < SIGNIFICANCE / 2 / looks)


def is_below(rate: Number, nominal: float, looks: int = 1) -> bool:
    """Whether a rate is lower than that; see :func:`is_above`."""
    return is_above(Number(1 - rate.value, rate.mcse, 1 - rate.high, 1 - rate.low), 1 - nominal, looks)


def is_identical(difference: Number, size: float = 0.0) -> bool:
    """Whether two strategies have the same in every dataset, but for what numbers of this ``size`` that are ``ALIKE`` differ by."""
    return abs(difference.value) <= ALIKE * size and difference.mcse <= ALIKE * size


def differs(difference: Number, datasets: int, looks: int = 1, size: float = 0.0) -> bool:
    """Whether a mean difference of two strategies on the same datasets is one: a t test with ``datasets - 1`` degrees of freedom at
    ``SIGNIFICANCE`` over the number of differences. One that is the same in every dataset has no error; its sign counts as often as
    there are datasets (sign test). Never where the error is not known, or where two numbers of this ``size`` are ``ALIKE``."""
    if (
        not (math.isfinite(difference.value) and math.isfinite(difference.mcse))
        or datasets < 2
        or abs(difference.value) <= ALIKE * size
    ):
        return False
    if difference.mcse == 0:
        return bool(2.0 ** (1 - datasets) < SIGNIFICANCE / looks)
    return bool(abs(difference.value) > special.stdtrit(datasets - 1, 1 - SIGNIFICANCE / 2 / looks) * difference.mcse)
