"""What a distribution of predictors is: a map from a standard normal number, so that several can be correlated."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import jax
from jax.scipy.special import ndtr


@dataclass(frozen=True)
class Distribution(abc.ABC):
    """A distribution of one number, or of one level of a factor. A subclass is a frozen dataclass with :meth:`quantile`.

    Predictors that are correlated are drawn by a Gaussian copula: correlated standard normal numbers ``z``, of which each predictor
    is the quantile at the normal probability of ``z``.
    """

    @property
    def levels(self) -> tuple[str, ...] | None:
        """Names of the levels, the reference first, of a factor; None for numbers."""
        return None

    @property
    def points(self) -> tuple[float, ...] | None:
        """All numbers that it can be, if they can be counted; None if not, and of a factor."""
        return None

    @abc.abstractmethod
    def quantile(self, p: Any) -> jax.Array:
        """The numbers at these probabilities (traceable, elementwise); of a factor the positions in ``levels``."""

    def of_normal(self, z: jax.Array) -> jax.Array:
        """What standard normal numbers are mapped to (traceable, elementwise)."""
        return self.quantile(ndtr(z))
