"""Distributions of predictors besides the normal and the uniform: true or false, skewed, levels, and a column that one has."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy import special

from jaxsim.errors import InputError, brief, finite, several
from jaxsim.formula.columns import sorted_codes
from jaxsim.processes.distribution import Distribution, Stated
from jaxsim.processes.quantile_table import hermite

# Values of an empirical distribution, and levels of a categorical one, at most.
MOST_VALUES, MOST_LEVELS = 1_000_000, 1000
# Gamma quantiles are interpolated between normal quantiles within these bounds; 5e-18 of all numbers lie beyond them.
WIDEST, KNOTS = 8.5, 2001


@dataclass(frozen=True)
class Bernoulli(Distribution):
    """1 with probability ``p``, else 0.

    Raises:
        InputError: unless ``0 < p < 1``.
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        if not (finite(self.p) and 0 < self.p < 1):
            raise InputError(f"Bernoulli(p={brief(self.p)}): give a probability between 0 and 1.")

    @property
    def moments(self) -> tuple[float, float]:
        """``p`` and ``sqrt(p (1 - p))``."""
        return self.p, math.sqrt(self.p * (1 - self.p))

    @property
    def points(self) -> tuple[float, ...] | None:
        """0 and 1."""
        return (0.0, 1.0)

    def quantile(self, p: Any) -> jax.Array:
        """0 up to ``1 - p``, then 1."""
        return jnp.where(jnp.asarray(p) > 1 - self.p, 1.0, 0.0)


@dataclass(frozen=True)
class Positive(Stated):
    """A distribution of positive numbers with this mean and standard deviation.

    Raises:
        InputError: unless both are positive and finite, the SD at most ten times the mean.
    """

    mean: float = 1.0
    sd: float = 1.0
    smooth: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (finite(self.mean) and finite(self.sd) and self.mean > 0 and 0 < self.sd <= 10 * self.mean):
            raise InputError(
                f"{type(self).__name__}(mean={brief(self.mean)}, sd={brief(self.sd)}): give a positive mean and a positive SD of "
                "at most ten means."
            )


@dataclass(frozen=True)
class Gamma(Positive):
    """Positive and skewed to the right, with this mean and standard deviation (shape ``(mean / sd)**2``).

    Raises:
        InputError: as :class:`Positive`.
    """

    def of_normal(self, z: jax.Array) -> jax.Array:
        """Cubic interpolation of the logarithm of the quantile between 2,001 normal quantiles: right to 1e-9 of the number."""
        log_x, slope = (jnp.asarray(a) for a in _gamma_table((self.mean / self.sd) ** 2))
        width = 2 * WIDEST / (KNOTS - 1)
        place = (jnp.clip(z, -WIDEST, WIDEST) + WIDEST) / width
        k = jnp.clip(jnp.floor(place).astype(int), 0, KNOTS - 2)
        return self.sd**2 / self.mean * jnp.exp(hermite(place - k, width, log_x, slope, k))


@functools.lru_cache(maxsize=64)
def _gamma_table(shape: float) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the quantiles of a gamma distribution of scale 1 at normal quantiles, and their derivatives, ``[KNOTS]``."""
    z = np.linspace(-WIDEST, WIDEST, KNOTS)
    x = np.where(z < 0, special.gammaincinv(shape, special.ndtr(z)), special.gammainccinv(shape, special.ndtr(-z)))
    # Below 1e-300 the distribution function is x**shape / Gamma(shape + 1).
    low = (special.log_ndtr(z) + special.gammaln(shape + 1.0)) / shape
    log_x = np.where(x > 1e-300, np.log(np.maximum(x, 1e-300)), low)
    log_density = shape * log_x - np.exp(log_x) - special.gammaln(shape)  # of log x
    slope = np.where(x > 1e-300, log_density, special.log_ndtr(z) + np.log(shape))
    return log_x, np.exp(-(z**2) / 2 - np.log(2 * np.pi) / 2 - slope)


@dataclass(frozen=True)
class Categorical(Distribution):
    """One of some levels, text (the first is the reference) or numbers, with these probabilities (equal ones when None).

    Raises:
        InputError: for fewer than two levels, one given twice, text and numbers together, or probabilities that do not fit.
    """

    of: tuple[str, ...] | tuple[float, ...]
    probabilities: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        levels = checked_levels("Categorical", self.of)
        if len(levels) < 2:
            raise InputError(f"Categorical({brief(self.of)}): give at least two levels.")
        object.__setattr__(self, "of", levels)
        if self.probabilities is not None:
            object.__setattr__(self, "probabilities", shares("Categorical: probabilities", self.probabilities, len(levels)))

    @property
    def levels(self) -> tuple[str, ...] | None:
        """Of text; None if they are numbers."""
        return texts(self.of)

    @property
    def moments(self) -> tuple[float, float]:
        """Of its numbers, or of the positions in its levels."""
        values = np.arange(len(self.of)) if self.levels is not None else np.array(self.of, float)
        weights = np.array(self.probabilities or (1.0,) * len(self.of))
        weights /= weights.sum()
        mean = float(weights @ values)
        return mean, math.sqrt(weights @ (values - mean) ** 2)

    @property
    def points(self) -> tuple[float, ...] | None:
        """The levels, if they are numbers."""
        return tuple(map(float, self.of)) if self.levels is None else None

    def quantile(self, p: Any) -> jax.Array:
        """The level whose share of the probabilities ``p`` falls into."""
        weights = np.array(self.probabilities or (1.0,) * len(self.of))
        code = jnp.searchsorted(jnp.asarray(np.cumsum(weights / weights.sum())[:-1]), jnp.asarray(p), side="right")
        return code.astype(float) if self.levels is not None else jnp.asarray(np.array(self.of, float))[code]


@dataclass(frozen=True)
class Empirical(Distribution):
    """The values of a column that one has, such as a pilot's, each as likely as the others, drawn with replacement.

    Raises:
        InputError: for no values, missing or infinite ones, and text and numbers together.
    """

    values: tuple[float, ...] | tuple[str, ...]

    def __post_init__(self) -> None:
        given = several(self.values, MOST_VALUES)
        if not given or len(given) > MOST_VALUES:
            raise InputError(
                f"Empirical({brief(self.values)}): give the values of a column, at least one and at most {MOST_VALUES:,}."
            )
        plain = tuple(value.item() if isinstance(value, np.generic) else value for value in given)
        text = all(isinstance(value, str) for value in plain)
        if not text and not all(finite(value) for value in plain):
            odd = next(v for v in plain if not finite(v) and not (isinstance(v, str) and isinstance(plain[0], str)))
            raise InputError(f"Empirical: {brief(odd)} is among the values; give finite numbers, or text, without missing values.")
        object.__setattr__(self, "values", plain if text else tuple(sorted(map(float, plain))))

    @property
    def levels(self) -> tuple[str, ...] | None:
        """Of text, sorted as a dictionary sorts; None for numbers."""
        return _sorted_text(self.values) if isinstance(self.values[0], str) else None

    @property
    def moments(self) -> tuple[float, float]:
        """Of its numbers (the SD divided by their count), or of the positions in its levels."""
        levels = self.levels
        values = np.array(self.values if levels is None else [levels.index(str(value)) for value in self.values], float)
        return float(values.mean()), float(values.std())

    @property
    def points(self) -> tuple[float, ...] | None:
        """Different values, if they are numbers."""
        return tuple(np.unique(np.array(self.values, float)).tolist()) if self.levels is None else None

    def quantile(self, p: Any) -> jax.Array:
        """The value at this place of the sorted ones."""
        levels = self.levels
        every = self.values if levels is None else sorted(levels.index(str(value)) for value in self.values)
        place = jnp.clip(jnp.floor(jnp.asarray(p) * len(self.values)).astype(int), 0, len(self.values) - 1)
        return jnp.asarray(np.array(every, float))[place]


@functools.lru_cache(maxsize=64)
def _sorted_text(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted_codes(pd.Series(values, dtype=object))[1])


def checked_levels(what: str, given: object) -> tuple[str, ...] | tuple[float, ...]:
    """Different levels, all text or all numbers."""
    found = several(given, MOST_LEVELS)
    if not found or len(found) > MOST_LEVELS:
        raise InputError(f"{what}: levels={brief(given)}; give a list of 1 to {MOST_LEVELS:,}, such as ('placebo', 'active').")
    plain = tuple(level.item() if isinstance(level, np.generic) else level for level in found)
    if not all(isinstance(level, str) and level for level in plain) and not all(finite(level) for level in plain):
        raise InputError(f"{what}: levels={brief(given)}; give all of them as text, or all as finite numbers.")
    levels = plain if isinstance(plain[0], str) else tuple(map(float, plain))
    twice = next((level for level in levels if levels.count(level) > 1), None)
    if twice is not None:
        raise InputError(f"{what}: the level {brief(twice)} is given twice in {brief(given)}.")
    return levels


def texts(levels: Sequence[str] | Sequence[float]) -> tuple[str, ...] | None:
    """Levels that are text; None for numbers."""
    return tuple(map(str, levels)) if isinstance(levels[0], str) else None


def shares(what: str, given: object, count: int) -> tuple[float, ...]:
    """Positive numbers, one a level; of equal ones, ones."""
    found = several(given, MOST_LEVELS)
    if found is None or len(found) != count or not all(finite(share) and share > 0 for share in found):
        raise InputError(f"{what}={brief(given)}: give {count} positive numbers, one for each level.")
    numbers = tuple(map(float, found))
    return (1.0,) * count if len(set(numbers)) == 1 else numbers
