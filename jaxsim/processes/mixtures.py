"""Mixtures of two normal distributions: outlying rows, and two kinds of people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from jaxsim.errors import InputError, brief, finite
from jaxsim.processes.quantile_table import Map, by_density
from jaxsim.processes.shapes import WIDE, Shape, check_spread

# Beyond these the map bends too sharply for a table: two kinds that hardly meet are two values of a covariate.
MOST_APART, MOST_SPREAD = 6.0, 20.0


def _mixture(shares: tuple[float, float], means: tuple[float, float], sds: tuple[float, float]) -> Map:
    """The standardised map of a mixture of two normal distributions."""
    w, m, s = np.array(shares), np.array(means), np.array(sds)
    mean = (w * m).sum()
    sd = math.sqrt((w * (s**2 + m**2)).sum() - mean**2)

    def log_density(x: np.ndarray) -> np.ndarray:
        """Of both kinds together."""
        each = -(((x[..., None] - m) / s) ** 2) / 2 - np.log(s * math.sqrt(2 * math.pi)) + np.log(w)
        return np.asarray(special.logsumexp(each, axis=-1))

    values = by_density(log_density, float((m - WIDE * s).min()), float((m + WIDE * s).max()))
    return lambda z: (values(z) - mean) / sd


@dataclass(frozen=True)
class Contaminated(Shape):
    """A normal distribution of which a share has an SD ``scale`` times as large (Tukey 1960), with this mean and SD in all.

    Raises:
        InputError: unless the share is between 0 and 1, ``1 < scale <= 20``, the mean finite and the SD positive.
    """

    share: float = 0.1
    scale: float = 3.0
    mean: float = 0.0
    sd: float = 1.0

    def __post_init__(self) -> None:
        if not (finite(self.share) and 0 < self.share < 1 and finite(self.scale) and 1 < self.scale <= MOST_SPREAD):
            raise InputError(
                f"Contaminated(share={brief(self.share)}, scale={brief(self.scale)}): give a share between 0 and 1, and a scale "
                f"above 1 and up to {MOST_SPREAD:g}."
            )
        check_spread(self)

    @property
    def standard(self) -> Map:
        """Of two normal distributions with one mean."""
        return _mixture((1 - self.share, self.share), (0.0, 0.0), (1.0, self.scale))


@dataclass(frozen=True)
class TwoKinds(Shape):
    """Two kinds of people, or of rows: normal distributions with equal SD and means ``distance`` of these apart.

    Raises:
        InputError: unless the share (of those with the larger mean) is between 0 and 1, ``0 < distance <= 6``, the mean finite
            and the SD positive.
    """

    share: float = 0.5
    distance: float = 3.0
    mean: float = 0.0
    sd: float = 1.0

    def __post_init__(self) -> None:
        if not (finite(self.share) and 0 < self.share < 1 and finite(self.distance) and 0 < self.distance <= MOST_APART):
            raise InputError(
                f"TwoKinds(share={brief(self.share)}, distance={brief(self.distance)}): give a share between 0 and 1, and a "
                f"distance above 0 and up to {MOST_APART:g}."
            )
        check_spread(self)

    @property
    def standard(self) -> Map:
        """Of two normal distributions with one SD."""
        return _mixture((1 - self.share, self.share), (0.0, self.distance), (1.0, 1.0))
