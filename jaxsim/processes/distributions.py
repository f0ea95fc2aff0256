"""Distributions a process may be given instead of a number: of fixed effects or predictors, and of group sizes."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.errors import LARGEST, InputError, brief, finite
from jaxsim.processes.distribution import Distribution, Stated


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform on ``[low, high]``: fixed effects drawn anew for every dataset, or a predictor.

    Raises:
        InputError: unless ``low < high``, both finite.
    """

    low: float = 0.0
    high: float = 1.0
    smooth: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (finite(self.low) and finite(self.high) and self.low < self.high):
            raise InputError(f"Uniform(low={brief(self.low)}, high={brief(self.high)}): give finite bounds with low < high.")

    @property
    def moments(self) -> tuple[float, float]:
        """``(low + high) / 2`` and ``(high - low) / sqrt(12)``."""
        return (self.low + self.high) / 2, (self.high - self.low) / math.sqrt(12)

    def quantile(self, p: Any) -> jax.Array:
        """``low + p (high - low)``."""
        return self.low + (self.high - self.low) * jnp.asarray(p)


@dataclass(frozen=True)
class Normal(Stated):
    """Normal with this mean and standard deviation (an SD, not a variance): fixed effects drawn anew for every dataset, or a
    predictor.

    Raises:
        InputError: unless the mean is finite and the SD positive and finite.
    """

    mean: float = 0.0
    sd: float = 1.0
    smooth: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (finite(self.mean) and finite(self.sd) and self.sd > 0):
            raise InputError(f"Normal(mean={brief(self.mean)}, sd={brief(self.sd)}): give a finite mean and a positive, finite SD.")

    def of_normal(self, z: jax.Array) -> jax.Array:
        """``mean + sd z``."""
        return self.mean + self.sd * z


@dataclass(frozen=True)
class GroupSizes(abc.ABC):
    """A distribution of rows per group; every group of every dataset is drawn independently."""

    @property
    @abc.abstractmethod
    def largest(self) -> int:
        """An upper bound of the rows of one group (rows beyond it are cut: chosen so that this is rarer than 1e-12)."""

    @property
    @abc.abstractmethod
    def smallest(self) -> int:
        """The least rows that one group can have."""

    @abc.abstractmethod
    def parameters(self) -> np.ndarray:
        """The numbers of the distribution, ``[K]``."""

    @staticmethod
    @abc.abstractmethod
    def draw(key: jax.Array, parameters: jax.Array) -> jax.Array:
        """Rows of one group, int32 ``[]``."""


@dataclass(frozen=True)
class UniformSizes(GroupSizes):
    """Rows per group uniform on the integers from ``low`` to ``high``.

    Raises:
        InputError: unless ``1 <= low <= high``, both whole numbers.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if not (isinstance(self.low, int) and isinstance(self.high, int) and 1 <= self.low <= self.high <= LARGEST):
            raise InputError(
                f"UniformSizes(low={brief(self.low)}, high={brief(self.high)}): give whole numbers with 1 <= low <= high < 2**31."
            )

    @property
    def largest(self) -> int:
        """``high``."""
        return self.high

    @property
    def smallest(self) -> int:
        """``low``."""
        return self.low

    def parameters(self) -> np.ndarray:
        """``[low, high]``."""
        return np.array([self.low, self.high], float)

    @staticmethod
    def draw(key: jax.Array, parameters: jax.Array) -> jax.Array:
        """Rows of one group."""
        width = parameters[1] - parameters[0] + 1
        return (parameters[0] + jnp.floor(jax.random.uniform(key) * width)).astype(jnp.int32)


@dataclass(frozen=True)
class PoissonSizes(GroupSizes):
    """Rows per group ``minimum + Poisson(mean - minimum)``.

    Raises:
        InputError: unless ``minimum`` is a whole number of at least 1 and ``mean >= minimum``, finite.
    """

    mean: float
    minimum: int = 1

    def __post_init__(self) -> None:
        ok = isinstance(self.minimum, int) and finite(self.mean) and 1 <= self.minimum <= self.mean <= LARGEST
        if not ok:
            raise InputError(
                f"PoissonSizes(mean={brief(self.mean)}, minimum={brief(self.minimum)}): give 1 <= minimum <= mean < 2**31, the "
                "minimum a whole number."
            )

    @property
    def largest(self) -> int:
        """About eight standard deviations above the mean."""
        excess = self.mean - self.minimum
        return self.minimum + math.ceil(excess + 8 * math.sqrt(excess) + 20)

    @property
    def smallest(self) -> int:
        """``minimum``."""
        return self.minimum

    def parameters(self) -> np.ndarray:
        """``[minimum, mean - minimum]``."""
        return np.array([self.minimum, self.mean - self.minimum], float)

    @staticmethod
    def draw(key: jax.Array, parameters: jax.Array) -> jax.Array:
        """Rows of one group."""
        return (parameters[0] + jax.random.poisson(key, parameters[1])).astype(jnp.int32)


@dataclass(frozen=True)
class LogNormalSizes(GroupSizes):
    """Rows per group of very different numbers: lognormal with this mean and coefficient of variation (SD over mean), rounded, at
    least ``minimum``.

    Raises:
        InputError: unless ``1 <= minimum <= mean`` (the minimum a whole number) and ``0 < cv <= 3``.
    """

    mean: float
    cv: float = 0.5
    minimum: int = 1

    def __post_init__(self) -> None:
        whole = isinstance(self.minimum, int) and not isinstance(self.minimum, bool)
        if not (whole and finite(self.mean) and 1 <= self.minimum <= self.mean <= LARGEST and finite(self.cv) and 0 < self.cv <= 3):
            raise InputError(
                f"LogNormalSizes(mean={brief(self.mean)}, cv={brief(self.cv)}, minimum={brief(self.minimum)}): give 1 <= minimum "
                "<= mean < 2**31, the minimum a whole number, and a coefficient of variation above 0 and up to 3."
            )

    @property
    def largest(self) -> int:
        """What one group in 10,000 is above, and cut to: the tail of a lognormal distribution has no end that memory can hold."""
        mu, s = self.parameters()[1:]
        return max(self.minimum, math.ceil(math.exp(mu + 3.719 * s)))

    @property
    def smallest(self) -> int:
        """``minimum``."""
        return self.minimum

    def parameters(self) -> np.ndarray:
        """``[minimum, mu, s]``: the logarithm is normal with this mean and SD."""
        variance = math.log1p(self.cv**2)
        return np.array([self.minimum, math.log(self.mean) - variance / 2, math.sqrt(variance)])

    @staticmethod
    def draw(key: jax.Array, parameters: jax.Array) -> jax.Array:
        """Rows of one group."""
        minimum, mu, s = parameters
        drawn = jnp.round(jnp.exp(mu + s * jnp.minimum(jax.random.normal(key), 3.719)))
        return jnp.maximum(drawn, minimum).astype(jnp.int32)
