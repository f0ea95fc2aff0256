"""The Gaussian multilevel process: group coefficients around fixed effects, normal predictors, normal noise."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw
from jaxsim.data.names import GROUP, Names
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, brief, choose, whole_number
from jaxsim.processes.checks import HUGE, all_rows, correlation_matrix, group_sizes, numbers, standard_deviations
from jaxsim.processes.completion import completed
from jaxsim.processes.distributions import GroupSizes, Normal, Uniform
from jaxsim.processes.gaussian_draws import by_cross_products, by_rows
from jaxsim.processes.gaussian_fresh import fresh_rows, of_known_groups, of_new_groups
from jaxsim.processes.messy.parts import kind_of, numbers_of
from jaxsim.processes.messy.world import Messy
from jaxsim.processes.process import Expected, Process

SAMPLERS: tuple[str, ...] = ("cross_products", "rows")
# What to say to somebody who wants to vary what is no field.
_ICC = (
    "An ICC sets two SDs: Grid(icc=[..]).linked(lambda icc: {'group_sd': (icc**.5, 0.), 'residual_sd': (1 - icc)**.5}), one SD a "
    "term that varies."
)
_EFFECT = "An effect sets the fixed effects: Grid(effect=[..]).linked(lambda effect: {'fixed_effects': (0., effect)}), one a term."
HINTS = {"icc": _ICC, "effect": _EFFECT, "effect_size": _EFFECT, "d": _EFFECT, "beta": _EFFECT}
# Of a dataset at most: its cross-products are of all pairs of columns.
PREDICTORS = 1000


@dataclass(frozen=True)
class GaussianMultilevel(Messy, Process):
    """``y = X b_g + residual_sd * e``, ``b_g ~ N(beta, Sigma)``, predictors and ``e`` independent N(0, 1), intercept included.

    A predictor varies within groups, or is one number a group (``n_between``) as a treatment given to whole groups is; the
    coefficient of the latter is the same for all groups.

    Every spread is a standard deviation, never a variance (pymer4's ``grp_sigmas`` is an SD too, whatever it is called).

    What is not as in an ideal world (``residual=StudentT(3)``, ``missing=MCAR(.2)``, ``scenario="harsh"``: see
    :class:`jaxsim.Messy`) makes every row be drawn; the standard deviations stay what they are.

    Args:
        n_groups: number of groups.
        n_obs: rows per group: one number, one per group, or a :class:`GroupSizes` distribution.
        group_sd: SD of the group coefficients: one for all terms that vary, or one for each (intercept first).
        n_predictors: number of predictors; the terms are ``Intercept, IV1, IV2, ..``.
        fixed_effects: one per term, or a distribution they are drawn from for each dataset.
        correlation: of the group coefficients that vary: a matrix, one number for every pair, or None for independence.
        residual_sd: SD of the noise.
        sampler: ``cross_products`` draws the sufficient statistics directly (cost independent of ``n_obs``, rows completed on
            demand); ``rows`` draws every row. Both have the same law.
        n_between: how many of the predictors, the last ones, are constant within groups.

    Raises:
        InputError: for a count below 1 or beyond what 32 bits count, more between-group predictors than predictors, a negative or
            non-finite SD, lists of the wrong length, or a correlation matrix that is not symmetric, not of unit diagonal or not
            positive semi-definite.
    """

    n_groups: int = 30
    n_obs: int | tuple[int, ...] | GroupSizes = 25
    group_sd: float | tuple[float, ...] = 0.25
    n_predictors: int = 3
    fixed_effects: Uniform | Normal | tuple[float, ...] = Uniform(0.0, 1.0)  # noqa: RUF009 - frozen
    correlation: float | tuple[tuple[float, ...], ...] | None = None
    residual_sd: float = 1.0
    sampler: str = "cross_products"
    n_between: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        put = object.__setattr__
        put(self, "n_groups", whole_number("n_groups", self.n_groups, 1))
        put(self, "n_predictors", whole_number("n_predictors", self.n_predictors, 0, PREDICTORS))
        put(self, "n_obs", group_sizes(self.n_obs, self.n_groups))
        all_rows(self.n_groups, self.max_rows)
        put(self, "n_between", whole_number("n_between", self.n_between, 0))
        if self.n_between > self.n_predictors:
            raise InputError(
                f"n_between={self.n_between}: only {self.n_predictors} predictors (n_predictors) could be constant in groups."
            )
        size, varying = self.n_predictors + 1, self.n_varying
        put(self, "group_sd", standard_deviations("group_sd", self.group_sd, varying))
        (residual,) = np.atleast_1d(standard_deviations("residual_sd", self.residual_sd, 1))
        put(self, "residual_sd", float(residual))
        put(self, "correlation", correlation_matrix(self.correlation, varying))
        choose("sampler", self.sampler, SAMPLERS)
        if not isinstance(self.fixed_effects, Uniform | Normal):
            given = np.atleast_1d(numbers(self.fixed_effects))
            if given.shape != (size,) or not (abs(given) <= HUGE).all():
                raise InputError(
                    f"fixed_effects={brief(self.fixed_effects)}: give {size} finite numbers (intercept first) for "
                    f"n_predictors={self.n_predictors}, or a distribution such as Uniform(0, 1)."
                )
            put(self, "fixed_effects", tuple(map(float, given)))
        self.check_world(self.terms[1:])

    @property
    def terms(self) -> tuple[str, ...]:
        """``Intercept, IV1, ..``."""
        return ("Intercept", *(f"IV{i + 1}" for i in range(self.n_predictors)))

    @property
    def n_varying(self) -> int:
        """Terms whose coefficients differ between groups: the intercept and the predictors that vary within groups."""
        return self.n_predictors + 1 - self.n_between

    @property
    def max_groups(self) -> int:
        """``n_groups``."""
        return self.n_groups

    @property
    def max_rows(self) -> int:
        """The largest number of rows one group can have."""
        if isinstance(self.n_obs, GroupSizes):
            return self.n_obs.largest
        return self.n_obs if isinstance(self.n_obs, int) else max(self.n_obs)

    @property
    def min_rows(self) -> int:
        """The smallest number of rows one group can have."""
        if isinstance(self.n_obs, GroupSizes):
            return self.n_obs.smallest
        return self.n_obs if isinstance(self.n_obs, int) else min(self.n_obs)

    @property
    def equal_sizes(self) -> bool:
        """Whether all groups have as many rows."""
        return isinstance(self.n_obs, int)

    @property
    def few_rows(self) -> bool:
        """Whether diagonals of triangular factors may have fewer than 8 degrees of freedom; said of all groups of equal sizes, so
        that one program serves them."""
        return self.equal_sizes or self.min_rows - self.n_varying < 8

    def covariance(self) -> np.ndarray:
        """``Sigma``, ``[P, P]``; zero for between-group predictors."""
        sd = np.zeros(len(self.terms))
        sd[: self.n_varying] = self.group_sd
        found = np.outer(sd, sd)
        if self.correlation is None:
            return np.diag(np.diagonal(found))
        found[: self.n_varying, : self.n_varying] *= np.asarray(self.correlation, float)
        return found

    def _root(self, covariance: np.ndarray) -> np.ndarray:
        """The symmetric root of ``Sigma``, ``[P, P]``: it is unique, so platforms agree."""
        if self.correlation is None:
            return np.sqrt(covariance)
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T)

    @property
    def by_rows(self) -> bool:
        """Whether every row is drawn: if it is asked for, and where the world is not ideal."""
        return self.sampler == "rows" or self.is_messy

    @property
    def names(self) -> Names:
        """Its terms; every group's own coefficients are told."""
        terms = self.terms
        return Names(terms, constant=terms[self.n_varying :], random=((GROUP, terms),), components=((GROUP, terms),))

    @property
    def draws(self) -> type[CrossProducts] | type[Rows]:
        return Rows if self.by_rows else CrossProducts

    @property
    def same_when_padded(self) -> bool:
        """Random numbers belong to groups, by number."""
        return True

    @property
    def bounds(self) -> Bounds:
        return Bounds.of_groups(self.n_groups, self.max_rows * self.n_groups if self.by_rows else 0)

    def hint(self, field: str) -> str:
        return HINTS.get(field, "")

    def program(self, bounds: Bounds) -> Hashable:
        """Code and shapes: groups, predictors, kinds of distribution; the row length only if rows are drawn."""
        effects = type(self.fixed_effects)
        rows: Hashable = (self.max_rows, kind_of(self.world)) if self.by_rows else (self.equal_sizes, self.few_rows)
        return (type(self), bounds.groups, self.n_predictors, self.n_between, type(self.n_obs), effects, rows)

    def parameters(self, bounds: Bounds) -> dict[str, np.ndarray]:
        """Fixed effects (or the two numbers of their distribution), square root of Sigma, residual SD, group sizes."""
        match self.fixed_effects:
            case Uniform(low, high):
                effects = np.array([low, high])
            case Normal(mean, sd):
                effects = np.array([mean, sd])
            case numbers:
                effects = np.asarray(numbers, float)
        covariance = self.covariance()
        if isinstance(self.n_obs, GroupSizes):
            sizes = self.n_obs.parameters()
        else:
            sizes = np.zeros(bounds.groups)
            sizes[: self.n_groups] = self.n_obs
        return {
            "effects": effects,
            "root": self._root(covariance),
            "covariance": covariance,
            "residual_sd": np.asarray(self.residual_sd, float),
            "n_groups": np.asarray(self.n_groups),
            "sizes": sizes,
            **numbers_of(self.world),
        }

    def draw(self, key: jax.Array, parameters: Any, bounds: Bounds) -> Draw:
        """One dataset's cross-products, or its rows, by the chosen sampler.

        In the truth ``b_g`` of every group ``[G, P]`` is the same for all groups where a coefficient does not vary, and its
        covariance is zero.
        """
        return (by_rows if self.by_rows else by_cross_products)(self, key, parameters, bounds.groups)

    def new_rows(self, key: jax.Array, drawn: Draw, parameters: Any, bounds: Bounds, new_groups: bool) -> Draw:
        """:data:`jaxsim.processes.gaussian_fresh.ROWS` rows of each group, whose weight is that of the group in the dataset."""
        return fresh_rows(self, key, drawn, parameters, new_groups)

    def expected(self, drawn: Draw, parameters: Any, new_groups: bool) -> Expected | None:
        if self.is_messy:
            return None
        return (of_new_groups if new_groups else of_known_groups)(self, drawn, parameters)

    def rows(self, key: jax.Array) -> pd.DataFrame:
        """The dataset of this key as rows, ``Group`` numbered from 1; ``attrs['truth']`` holds what it was made with."""
        return completed(self, key)
