"""What the engine of posteriors must know of a model with several grouping factors: how its data enter.

Given the covariances, responses are normal: all factors' effects are integrated out, exactly, and the fixed effects with them, as
with one factor (:mod:`jaxsim.bayesian.density`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bayesian.group_effects import weighted
from jaxsim.bayesian.group_sums import GroupSums
from jaxsim.bayesian.problem import Model as OneFactor
from jaxsim.bayesian.problem import Problem as Posed
from jaxsim.bayesian.saturation import NO_RESIDUAL
from jaxsim.crossed.deviance import by_factor, eliminated
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem, pose
from jaxsim.crossed.start import moments
from jaxsim.crossed.tables import tables
from jaxsim.crossed.verdicts import reproduced, too_few_rows
from jaxsim.crossed.weighted_sums import weighted_sums
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import first_status
from jaxsim.lmm.problem import Units
from jaxsim.status import Status

Array = jax.Array


class Arranged(NamedTuple):
    """``whole``: the cells' cross-products, sorted by levels; ``apart``: in planned models, of each factor the products of its
    levels' effects with ``[X y]`` less their mean, ``[q, J, G]``."""

    whole: Problem
    apart: tuple[Array, ...]


@dataclass(frozen=True)
class SeveralFactors(OneFactor):
    """A model with several grouping factors, crossed or nested.

    Args:
        fixed, random, structure, priors, intercept: as there; effects of all factors, one factor after the other.
        design: the same effects as the kernels have them, in an order of its own.
    """

    design: Model

    @property
    def widths(self) -> tuple[int, ...]:
        """Random effects of each factor, in the order here."""
        return tuple(self.design.widths[k] for k in self.design.order)

    @property
    def regressors(self) -> tuple[int, ...]:
        """The sums have the fixed effects' columns and the response alone."""
        return tuple(range(len(self.fixed)))

    @property
    def places(self) -> np.ndarray:
        """Which of the effects here each of those of the design is, ``[Q]``."""
        ends = [0, *itertools.accumulate(self.widths)]
        return np.concatenate([np.arange(ends[i], ends[i + 1]) for i in np.argsort(self.design.order)])

    def arranged(self, data: CrossProducts) -> Arranged:
        """The cells of one dataset, sorted by levels, in the units that they have."""
        columns = len(data.columns)
        none = jnp.zeros(len(self.fixed))
        units = Units(jnp.ones(columns), jnp.ones(()), none, jnp.asarray(True), jnp.asarray(False))
        whole = pose(data, self.design, units)
        return Arranged(whole, self._apart(data) if self.design.planned else ())

    def _apart(self, data: CrossProducts) -> tuple[Array, ...]:
        found, xy = tables(data, self.design), np.array([*self.fixed, -1])
        apart = []
        for f, (levels, present) in enumerate(zip(found.levels, found.present, strict=True)):
            own = levels[np.array(self.design.columns(f))][:, xy]
            mean = own.sum(-1, keepdims=True) / jnp.maximum(present.sum(), 1)
            apart.append(jnp.where(present, own - mean, 0.0))
        return tuple(apart)

    def reproduced(self, products: Arranged) -> Array:
        """Whether the effects of all levels of all factors leave no residual, bool ``[]``."""
        return reproduced(products.whole, self.design, NO_RESIDUAL)

    def residual_squares(self, problem: Posed) -> Array:
        """As there, ``[lanes]``."""
        return problem.products.whole.rest[-1, -1]

    def sums(self, problem: Posed, factor: Array) -> GroupSums:
        """As there; ``factor`` is block diagonal over the factors."""
        return weighted_sums(problem.products.whole, factor[self.places][:, self.places], self.design)

    def status(self, data: CrossProducts, problem: Posed) -> Array:
        """By the rules of mixed models with several factors."""
        whole = problem.products.whole
        finite = [jnp.isfinite(leaf).all() for leaf in (data.products, whole.own, whole.beside, whole.rest)]
        flat = jnp.asarray(False) if self.priors.proper_sds else ~moments(whole, self.design).identified
        return first_status(
            (~jnp.stack(finite).all(), Status.NON_FINITE),
            ((whole.levels < 2).any(), Status.TOO_FEW_GROUPS),
            (too_few_rows(whole, self.design), Status.TOO_FEW_ROWS),
            ((whole.levels < self.priors.fewest_groups).any(), Status.TOO_FEW_GROUPS),
            (~problem.full_rank, Status.RANK_DEFICIENT),
            (problem.exact | problem.saturated, Status.ZERO_RESIDUAL),
            (flat, Status.UNIDENTIFIED),
        )

    def effects(self, problem: Posed, weight: Array, factor: Array, mean: Array) -> tuple[Array, ...]:
        """Of each factor, in the order here, ``[G, q, datasets]``."""
        first = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), problem.products)
        own = factor[self.places][:, self.places]
        lanes = weight, jnp.moveaxis(own, (0, 1), (2, 3)), jnp.moveaxis(mean, 0, 2)
        found = jax.lax.map(lambda part: self._of_dataset(*part), (first, *lanes))
        return tuple(jnp.moveaxis(found[k], (0, 1), (2, 1)) for k in self.design.order)

    def _of_dataset(self, products: Arranged, weight: Array, factor: Array, mean: Array) -> tuple[Array, ...]:
        """Of each factor of the design ``[q, G]``, from draws ``[draws]``, ``[draws, Q, Q]`` and ``[draws, P]``."""
        whole, design = products.whole, self.design

        def one(own: Array, centre: Array) -> list[tuple[Array, Array | None]]:
            """Of each factor the effects ``[q, G]``, those of the mean level of a planned one; and what takes the products of its
            levels with ``[X y]``, less their mean, to what is added ``[q, q, J]``."""
            at, contrast = eliminated(whole, own, design), jnp.append(-centre, 1.0)
            found = []
            for f, w in enumerate([at.own, *by_factor(at.rest[: design.dense], design)]):
                part = own[design.ends[f] : design.ends[f + 1]][:, design.ends[f] : design.ends[f + 1]]
                relative = part @ part.T
                pulled = (relative @ at.free[f].left)[..., None] * contrast if at.free else None
                found.append((relative @ (w @ contrast), pulled))
            return found

        total = jax.tree.map(lambda values: weighted(weight, jnp.moveaxis(values, 0, -1)), jax.vmap(one)(factor, mean))
        if not design.planned:
            return tuple(effects for effects, _ in total)
        return tuple(
            effects / jnp.sqrt(jnp.maximum(count, 1.0)) + jnp.einsum("abj,bjg->ag", pulled, apart)
            for (effects, pulled), apart, count in zip(total, products.apart, whole.levels, strict=True)
        )

    def groups_shape(self, groups: int) -> tuple[int, ...]:
        """All effects of all levels, whatever the number of cells."""
        return (sum(width * self.design.levels[k] for width, k in zip(self.widths, self.design.order, strict=True)),)

    def in_units(self, problem: Posed, centre: Array, effects: tuple[Array, ...]) -> Array:
        """Effects of all levels of all factors, ``[datasets, R]``: of each factor ``[G, q]``, one after the other."""
        unit = problem.response_unit / problem.column_unit[np.array(self.random)]  # [Q, datasets]
        begins = [0, *itertools.accumulate(self.widths)]
        parts = [one * unit[begin : begin + one.shape[1]] for one, begin in zip(effects, begins, strict=False)]
        return jnp.concatenate([part.reshape(-1, part.shape[-1]) for part in parts]).T
