"""Where a rate that grows with the size of a study reaches a target, between the sizes that were simulated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from jaxsim.measures.interval import Z
from jaxsim.measures.sample import Array

FOUND, BELOW, ABOVE = "found", "below target at all levels", "above target at all levels"
FALLS, NOTHING = "not monotone beyond Monte Carlo error", "no number"
SIGNIFICANCE = 0.05  # of all comparisons of two levels together
# Factors that say how many there are, and of what; and the beginning of the names of such factors of designs.
SIZES = {"n_groups": "groups", "n_obs": "rows a group", "repeats": "repeats"}
UNITS = "units."
MOST_TRIALS = 1e15  # of a rate that is exactly 0 or 1, whose probit would be infinite
PEAK = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True)
class Crossing:
    """The size at which a rate reaches a target.

    Attributes:
        status: ``FOUND``, or why there is no number.
        needed: the size, not rounded; NaN where it cannot be told.
        low, high: 95% Monte Carlo limits of it; NaN where a limit is not among the simulated sizes.
        level_below, level_above: the simulated sizes on both sides; NaN where there is none on a side.
    """

    status: str
    needed: float = np.nan
    low: float = np.nan
    high: float = np.nan
    level_below: float = np.nan
    level_above: float = np.nan


@dataclass(frozen=True)
class Curve:
    """Probits of rates, K levels, ``[K]`` each, with straight lines between them.

    Attributes:
        root: square roots of the sizes, increasing.
        y: probits that never fall.
        error: their standard errors.
        none, all: whether no, or every, event happened: the probit is then any lower, or higher, number.
    """

    root: Array
    y: Array
    error: Array
    none: Array
    all: Array


def is_size(factor: str) -> bool:
    """Whether a factor says how many units, groups or rows there are."""
    return factor in SIZES or factor.startswith(UNITS)


def between_sizes(size: Array, rate: Array, points: int, half: Array) -> tuple[Array, Array]:
    """Sizes and rates between simulated ones, by the line that :func:`crossing_of` reads its number off: straight in the probit of
    the rate and the square root of the size. (Rates that fall are not levelled.)

    The probit of a rate of 0 or 1 is infinite: its line ends half an event from it, as that of :func:`crossing_of` does. Straight
    lines between the rates themselves would cut through those of other strategies, which bend, at sizes where nobody is better.

    Args:
        size: that were simulated, increasing, ``[K]``.
        rate: there, or a limit of it, ``[K]``.
        points: of each gap.
        half: how near to 0 and 1 lines may come between sizes, :func:`half_an_event`, ``[K]``.

    Returns:
        Both ``[(K - 1) * points + 1]``, the simulated ones among them.
    """
    x, y = [size[:1]], [rate[:1]]
    step, probit = np.arange(1, points + 1) / points, special.ndtri(np.clip(rate, half, 1 - half))
    for k in range(len(size) - 1):
        roots = np.sqrt(size[k : k + 2])
        x.append((roots[0] + step * (roots[1] - roots[0])) ** 2)
        y.append(special.ndtr(probit[k] + step * (probit[k + 1] - probit[k])))
        y[-1][-1] = rate[k + 1]
    return np.concatenate(x), np.concatenate(y)


def crossing_of(size: Array, value: Array, mcse: Array, low: Array, high: Array, target: float) -> Crossing:
    """The size at which a rate reaches a target.

    The non-centrality of a test grows with ``sqrt(n)``, so that the probit of its power is nearly linear in it. With
    ``s = sqrt(n)`` and ``y = probit(rate)``, between the neighbours 0 and 1, of which 0 is below the target ``t`` and 1 is not::

        w = (probit(t) - y0) / (y1 - y0),   s = s0 + w (s1 - s0),   needed = s^2

    The limits are Fieller's: the first and last size at which ``|y - probit(t)| <= 1.96 sqrt((1 - w)^2 v0 + w^2 v1)``, with
    ``v = (mcse / phi(y))^2`` and ``phi`` the normal density, on all pieces of the curve. Levels are taken to be of different
    datasets, as cells are. Rates that fall within Monte Carlo error are replaced by averages that do not (isotonic regression);
    where one is larger than a later one by more than that (any pair at 5%, Bonferroni), nothing is told. Where no event, or every
    one, happened, half an event is added or taken away, and a limit that would depend on it is the neighbouring level. Nothing is
    extrapolated.

    Args:
        size: of K levels, not negative, in any order, ``[K]``.
        value, mcse, low, high: the rate at each, its Monte Carlo error and 95% limits, ``[K]``; levels with NaN do not count.
        target: between 0 and 1.
    """
    known = np.isfinite(value) & np.isfinite(low) & np.isfinite(high)
    order = np.flatnonzero(known)[np.argsort(size[known], kind="stable")]
    if not len(order):
        return Crossing(NOTHING)
    size, value, mcse, low, high = (np.asarray(part, float)[order] for part in (size, value, mcse, low, high))
    rate, error = _inside(value, mcse, low, high)
    if _falls(rate, error):
        return Crossing(FALLS)
    rate = _never_falling(rate) if (np.diff(rate) < 0).any() else rate
    y, goal = special.ndtri(rate), float(special.ndtri(target))
    curve = Curve(np.sqrt(size), y, error * PEAK * np.exp(y**2 / 2), value <= 0, value >= 1)
    below = int((y < goal).sum())
    first, last = _limits(curve, goal)
    if below == len(y):
        return Crossing(BELOW, low=first**2 if np.isfinite(first) else np.nan, level_below=float(size[-1]))
    if below == 0:
        return Crossing(ABOVE, high=last**2 if np.isfinite(last) else np.nan, level_above=float(size[0]))
    (s0, s1), (y0, y1) = curve.root[below - 1 : below + 1], y[below - 1 : below + 1]
    found = float(s0 + (goal - y0) / (y1 - y0) * (s1 - s0))
    limits = (min(first, found) ** 2, max(last, found) ** 2)  # NaN stays NaN: it is the first argument
    return Crossing(FOUND, found**2, *limits, float(size[below - 1]), float(size[below]))


def _never_falling(rate: Array) -> Array:
    """The nearest rates of which none is smaller than the one before it, ``[K]``."""
    from scipy import optimize  # noqa: PLC0415 - slow to import, and few curves fall

    return np.asarray(optimize.isotonic_regression(rate).x)


def half_an_event(value: Array, low: Array, high: Array) -> Array:
    """How far a rate of 0 or 1 is taken to be from that, half an event of its trials; half of what any other is away, ``[K]``.

    Args:
        value, low, high: rates and Wilson's limits, which say how many trials there were, ``[K]``.
    """
    extreme = (value <= 0) | (value >= 1)
    return np.where(extreme, 1 / (2 * (_trials(value, low, high) + 1)), np.minimum(value, 1 - value) / 2)


def _trials(value: Array, low: Array, high: Array) -> Array:
    """Of rates of 0 or 1, from Wilson's limits, ``[K]``; of no meaning for others."""
    edge = np.where(value <= 0, high, 1 - low)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(Z**2 * (1 - edge) / edge, MOST_TRIALS)


def _inside(value: Array, mcse: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Rates within (0, 1) and their errors, ``[K]`` each: half an event is added to, or taken from, those of 0 and 1.

    Their numbers of trials follow from Wilson's limits; so does the error of any other rate whose Monte Carlo error is 0.
    """
    half = half_an_event(value, low, high)
    error = np.where(mcse > 0, mcse, (high - low) / (2 * Z))
    rate = np.where(value <= 0, half, np.where(value >= 1, 1 - half, value))
    extreme = (value <= 0) | (value >= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return rate, np.where(extreme, np.sqrt(half * (1 - half) / _trials(value, low, high)), error)


def _falls(rate: Array, error: Array) -> bool:
    """Whether some rate is smaller than an earlier one by more than Monte Carlo error explains."""
    before, after = np.triu_indices(len(rate), 1)
    if not len(before):
        return False
    most = special.ndtri(1 - SIGNIFICANCE / len(before))
    return bool((rate[before] - rate[after] > most * np.hypot(error[before], error[after])).any())


def _limits(curve: Curve, goal: float) -> tuple[float, float]:
    """Smallest and largest root of a size at which the curve may be at the goal; NaN where that is beyond its ends.

    The two are infinite, the wrong way round, if there is none.
    """
    parts = [part for i in range(len(curve.root) - 1) for part in _parts(curve, i, goal)]
    first, last = min((a for a, _ in parts), default=np.inf), max((b for _, b in parts), default=-np.inf)
    upper = curve.all[0] or curve.y[0] + Z * curve.error[0] >= goal
    lower = curve.none[-1] or curve.y[-1] - Z * curve.error[-1] < goal
    return (np.nan if upper else first), (np.nan if lower else last)


def _parts(curve: Curve, i: int, goal: float) -> Iterator[tuple[float, float]]:
    """Roots of sizes between the levels i and i + 1 at which the band around the curve contains the goal, in intervals."""
    (y0, y1), (v0, v1) = curve.y[i : i + 2].tolist(), (curve.error[i : i + 2] ** 2).tolist()
    slope, start = y1 - y0, y0 - goal
    roots = _roots(slope**2 - Z**2 * (v0 + v1), slope * start + Z**2 * v0, start**2 - Z**2 * v0)
    inner = sorted(w for w in roots if 0 < w < 1)
    s0, width = curve.root[i], curve.root[i + 1] - curve.root[i]
    for a, b in itertools.pairwise([0.0, *inner, 1.0]):
        w = (a + b) / 2
        half = Z * math.sqrt((1 - w) ** 2 * v0 + w**2 * v1)
        under = curve.none[i : i + 2].any() or start + w * slope - half <= 0
        over = curve.all[i : i + 2].any() or start + w * slope + half >= 0
        if under and over:
            yield float(s0 + a * width), float(s0 + b * width)


def _roots(a: float, b: float, c: float) -> list[float]:
    """Real roots of ``a w^2 + 2 b w + c``, without cancellation."""
    inside = b * b - a * c
    if inside < 0:
        return []
    q = -(b + math.copysign(math.sqrt(inside), b))
    return [*([q / a] if a else []), *([c / q] if q else [])]
