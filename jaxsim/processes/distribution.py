"""What a distribution of numbers is: a map from a standard normal number, so that several can be correlated."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

# The moments of somebody's own distribution are sums over so many normal quantiles between these bounds.
NODES, WIDEST = 20_001, 9.0


@dataclass(frozen=True)
class Distribution(abc.ABC):
    """A distribution of one number, or of one level of a factor. A subclass is a frozen dataclass with :meth:`quantile`.

    Predictors that are correlated are drawn by a Gaussian copula: correlated standard normal numbers ``z``, of which each predictor
    is the quantile at the normal probability of ``z``. Residuals and effects of groups are such a map, too, less its mean and over
    its SD.
    """

    # Whether the map is smooth and increasing, so that a table stands for it and all such distributions share a compiled program.
    smooth: ClassVar[bool] = False

    @property
    def levels(self) -> tuple[str, ...] | None:
        """Names of the levels, the reference first, of a factor; None for numbers."""
        return None

    @property
    def points(self) -> tuple[float, ...] | None:
        """All numbers that it can be, if they can be counted; None if not, and of a factor."""
        return None

    @property
    def moments(self) -> tuple[float, float]:
        """Its mean and standard deviation; unless a subclass tells them, sums over the normal distribution, which are right to some
        digits where tails are not too heavy."""
        z = np.linspace(-WIDEST, WIDEST, NODES)
        weight = np.exp(-(z**2) / 2)
        weight /= weight.sum()
        with jax.ensure_compile_time_eval():
            values = np.asarray(self.of_normal(jnp.asarray(z)), float)
        mean = float((weight * values).sum())
        return mean, float(np.sqrt((weight * (values - mean) ** 2).sum()))

    @abc.abstractmethod
    def quantile(self, p: Any) -> jax.Array:
        """The numbers at these probabilities (traceable, elementwise); of a factor the positions in ``levels``."""

    def of_normal(self, z: jax.Array) -> jax.Array:
        """What standard normal numbers are mapped to (traceable, elementwise)."""
        return self.quantile(ndtr(z))


@dataclass(frozen=True)
class Stated(Distribution):
    """A distribution of stated mean and standard deviation (fields ``mean`` and ``sd``), told by its map of normal numbers."""

    @property
    def moments(self) -> tuple[float, float]:
        """As stated."""
        own: Any = self
        return own.mean, own.sd

    def quantile(self, p: Any) -> jax.Array:
        """By way of the normal quantile."""
        return self.of_normal(ndtri(jnp.asarray(p)))

    @abc.abstractmethod
    def of_normal(self, z: jax.Array) -> jax.Array:
        """What standard normal numbers are mapped to (traceable, elementwise)."""
