"""Distributions of other shapes than the normal: heavy tails and skew. Of residuals, of the groups' effects, and of
predictors; each is stated by its own mean and standard deviation."""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from jaxsim.errors import InputError, brief, finite
from jaxsim.processes.distribution import Distribution, Stated
from jaxsim.processes.predictors import Positive
from jaxsim.processes.quantile_table import Map, by_density, tabulate, through

# The skewness of a half-normal number, which no skew-normal distribution reaches.
MOST_SKEWED = math.sqrt(2) * (4 - math.pi) / (math.pi - 2) ** 1.5
# Normal densities are integrated over so many of their standard deviations: 1e-24 lies beyond.
WIDE = 10.5


@dataclass(frozen=True)
class Shape(Stated):
    """A distribution of stated mean and SD, a table of whose quantiles is made once. A subclass gives :attr:`standard`."""

    smooth: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def standard(self) -> Map:
        """What standard normal numbers are mapped to, of mean 0 and SD 1 (NumPy, elementwise)."""

    def of_normal(self, z: jax.Array) -> jax.Array:
        """Interpolated between 1,601 quantiles: right to 1e-6 of the SD where 99.99% of the numbers are (mixtures: to 1e-3)."""
        mean, sd = self.moments
        return mean + sd * through(_table(self), z)


@functools.lru_cache(maxsize=256)
def _table(shape: Shape) -> np.ndarray:
    return tabulate(shape.standard)


def check_spread(shape: Any) -> None:
    """Raise :class:`InputError` unless the mean is finite and the SD positive."""
    if not (finite(shape.mean) and finite(shape.sd) and shape.sd > 0):
        name = type(shape).__name__
        raise InputError(f"{name}(mean={brief(shape.mean)}, sd={brief(shape.sd)}): give a finite mean and a positive, finite SD.")


@dataclass(frozen=True)
class StudentT(Shape):
    """Student's t with ``df`` degrees of freedom, moved and stretched to this mean and standard deviation.

    Raises:
        InputError: unless ``df > 2`` (with fewer there is no SD), the mean is finite and the SD positive.
    """

    df: float
    mean: float = 0.0
    sd: float = 1.0

    def __post_init__(self) -> None:
        if not finite(self.df) or not self.df > 2:
            raise InputError(f"StudentT(df={brief(self.df)}): give more than 2 degrees of freedom; with fewer there is no SD.")
        check_spread(self)

    @property
    def standard(self) -> Map:
        """``t sqrt((df - 2) / df)``."""
        scale = math.sqrt((self.df - 2) / self.df)
        return lambda z: -np.sign(z) * scale * special.stdtrit(self.df, special.ndtr(-abs(z)))


@dataclass(frozen=True)
class SkewNormal(Shape):
    """Azzalini's (1985) skew-normal distribution with this skewness, mean and standard deviation.

    Raises:
        InputError: unless the skewness is between -.995 and .995 (for more: Gamma, LogNormal), the mean finite, the SD positive.
    """

    skewness: float
    mean: float = 0.0
    sd: float = 1.0

    def __post_init__(self) -> None:
        if not finite(self.skewness) or not abs(self.skewness) < 0.995:
            raise InputError(
                f"SkewNormal(skewness={brief(self.skewness)}): give a number between -.995 and .995, the most that it can have; "
                "Gamma and LogNormal can have more."
            )
        check_spread(self)

    @property
    def standard(self) -> Map:
        """Of density ``2 phi(x) Phi(alpha x)``, with alpha from the skewness (Azzalini 1985, eq. 6)."""
        ratio = abs(2 * self.skewness / (4 - math.pi)) ** (2 / 3)
        delta = math.copysign(math.sqrt(math.pi / 2 * ratio / (1 + ratio)), self.skewness)
        alpha = delta / math.sqrt(1 - delta**2)
        mean, sd = delta * math.sqrt(2 / math.pi), math.sqrt(1 - 2 * delta**2 / math.pi)
        values = by_density(lambda x: math.log(2) - x**2 / 2 - math.log(2 * math.pi) / 2 + special.log_ndtr(alpha * x), -WIDE, WIDE)
        return lambda z: (values(z) - mean) / sd


@dataclass(frozen=True)
class LogNormal(Positive):
    """The exponential of a normal number, positive and skewed to the right, with this mean and standard deviation.

    With ``cv = sd / mean`` its skewness is ``cv**3 + 3 cv``.

    Raises:
        InputError: as :class:`jaxsim.processes.predictors.Positive`.
    """

    def of_normal(self, z: jax.Array) -> jax.Array:
        """``mean exp(s z - s^2 / 2)`` with ``s^2 = log(1 + cv^2)``."""
        s = math.sqrt(math.log1p((self.sd / self.mean) ** 2))
        return self.mean * jnp.exp(s * z - s**2 / 2)


@dataclass(frozen=True)
class Mirrored(Distribution):
    """Another distribution turned round its mean: what is skewed to the right is then skewed to the left.

    Raises:
        InputError: for what is no distribution of numbers.
    """

    of: Distribution

    def __post_init__(self) -> None:
        if not isinstance(self.of, Distribution) or self.of.levels is not None:
            raise InputError(f"Mirrored({brief(self.of)}): give a distribution of numbers, such as Gamma(1, 0.5).")

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """As what it mirrors."""
        return self.of.smooth

    @property
    def moments(self) -> tuple[float, float]:
        """Of what it mirrors."""
        return self.of.moments

    @property
    def points(self) -> tuple[float, ...] | None:
        """Twice the mean less the other's."""
        points = self.of.points
        return None if points is None else tuple(sorted(2 * self.moments[0] - p for p in points))

    def quantile(self, p: Any) -> jax.Array:
        """Twice the mean less the other's at ``1 - p``."""
        return 2 * self.moments[0] - self.of.quantile(1 - jnp.asarray(p))

    def of_normal(self, z: jax.Array) -> jax.Array:
        """Twice the mean less the other's at ``-z``."""
        return 2 * self.moments[0] - self.of.of_normal(-z)


def standardised(distribution: Distribution) -> Callable[[jax.Array], jax.Array]:
    """What standard normal numbers are mapped to by a distribution less its mean, over its SD (traceable, elementwise)."""
    mean, sd = distribution.moments
    return lambda z: (distribution.of_normal(z) - mean) / sd


@functools.lru_cache(maxsize=256)
def table_of(distribution: Distribution) -> np.ndarray:
    """The same as a table, ``[2, KNOTS]``, of a smooth one."""
    if isinstance(distribution, Shape):
        return _table(distribution)
    values = standardised(distribution)
    with jax.ensure_compile_time_eval():
        return tabulate(lambda z: np.asarray(values(jnp.asarray(z))))
