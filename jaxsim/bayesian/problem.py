"""One dataset in the units in which its posterior is explored, with the priors in the same units."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bayesian.group_effects import sums_of_means
from jaxsim.bayesian.group_sums import GroupSums, group_sums
from jaxsim.bayesian.prior import Prior
from jaxsim.bayesian.priors import Decov, Priors
from jaxsim.bayesian.saturation import saturated
from jaxsim.bayesian.scales import Scales, scales
from jaxsim.data import verdicts
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import first_status
from jaxsim.data.random_effects import Structure
from jaxsim.numerics.least_squares import solve

Array = jax.Array


@dataclass(frozen=True)
class Model:
    """What must be known at trace time; and how the data enter, by their groups, for one grouping factor.

    Args:
        fixed, random: positions of the columns with fixed and with random effects.
        structure: blocks of correlated random effects, as lower triangular factors have them.
        priors: of every parameter.
        intercept: position of the intercept among all columns, None if there is none.
    """

    fixed: tuple[int, ...]
    random: tuple[int, ...]
    structure: Structure
    priors: Priors
    intercept: int | None

    @property
    def of_fixed(self) -> tuple[Prior, ...]:
        """The prior of each fixed effect."""
        others = iter(self.priors.of_coefficients(sum(column != self.intercept for column in self.fixed)))
        return tuple(self.priors.intercept if column == self.intercept else next(others) for column in self.fixed)

    @property
    def other(self) -> tuple[int, ...]:
        """Which fixed effects have a prior that is neither normal nor flat: if any, none of them is integrated out."""
        return tuple(j for j, given in enumerate(self.of_fixed) if not given.normal)

    @property
    def widths(self) -> tuple[int, ...]:
        """Random effects of each grouping factor, one factor after the other."""
        return (len(self.random),)

    @property
    def regressors(self) -> tuple[int, ...]:
        """Where the columns with fixed effects are in :meth:`sums`, whose last column is the response."""
        return self.fixed

    def arranged(self, data: CrossProducts) -> Any:
        """:attr:`Problem.products` of one dataset whose columns are in the units of the problem."""
        return data.products

    def reproduced(self, products: Any) -> Array:
        """Whether all effects together leave no residual, bool ``[]``."""
        return saturated(products, self.fixed, self.random)

    def residual_squares(self, problem: Problem) -> Array:
        """Sum of squares that the fixed effects leave by least squares, ``[lanes]``."""
        return problem.products.sum(0)[-1, -1]

    def sums(self, problem: Problem, factor: Array) -> GroupSums:
        """``log|V|`` and ``[X y]'V^-1 [X y]`` at relative factors ``[Q, Q, lanes]``."""
        return group_sums(problem.products, problem.groups, factor, self.random)

    def status(self, data: CrossProducts, problem: Problem) -> Array:
        """Whether a posterior of one dataset is worth having; the same rules as for :class:`jaxsim.LinearMixed`."""
        p, widest = len(self.fixed), max(len(block) for block in self.structure.blocks)
        finite = jnp.isfinite(data.products).all() & jnp.isfinite(problem.products).all()
        exact = problem.exact | problem.saturated
        flat: Array | bool = False
        if not self.priors.proper_sds:  # a variance that the data say nothing about has the posterior that its prior is
            flat = verdicts.saturated(jnp.moveaxis(problem.products, 0, -1), self.fixed, self.random, self.structure)
        return first_status(
            *verdicts.mixed_model(
                data,
                p,
                widest,
                finite=finite,
                full_rank=problem.full_rank,
                exact=exact,
                unidentified=flat,
                fewest=self.priors.fewest_groups,
            )
        )

    def effects(self, problem: Problem, weight: Array, factor: Array, mean: Array) -> Any:
        """Weighted sums over some draws of the means of all groups' effects, datasets last, in the units of the problem.

        Args:
            problem: lanes ``[datasets]``.
            weight: of the draws, ``[datasets, draws]``.
            factor: relative factors, ``[Q, Q, datasets, draws]``.
            mean: of the fixed effects given them, ``[P, datasets, draws]``.
        """
        wide = problem.each(lambda leaf: leaf[..., None])
        return sums_of_means(wide.products, wide.groups, factor, mean, weight, self.fixed, self.random)

    def groups_shape(self, groups: int) -> tuple[int, ...]:
        """Shape of what :meth:`in_units` has of a dataset of so many groups or cells, padding included."""
        return groups, len(self.fixed)

    def in_units(self, problem: Problem, centre: Array, effects: Any) -> Array:
        """Coefficients ``[datasets, G, P]`` from the means of fixed ``[P, datasets]`` and of groups' effects ``[G, Q, datasets]``;
        for padding the fixed effects. A random effect of a column without a fixed one is not among them."""
        own = [(self.fixed.index(column), k) for k, column in enumerate(self.random) if column in self.fixed]
        coefficients = jnp.broadcast_to(centre, (len(effects), *centre.shape))
        if own:
            places, which = (jnp.array(values) for values in zip(*own, strict=True))
            coefficients = coefficients.at[:, places].add(effects[:, which])
        unit = problem.response_unit / problem.column_unit[jnp.array(self.fixed)]
        return jnp.moveaxis(problem.shift + unit * coefficients, -1, 0)


class Problem(NamedTuple):
    """A dataset with predictors in units of their SD and of the sign of their least-squares coefficient, the response in units of
    its SD and less its least-squares fit. So neither units nor signs change what is computed.

    ``products`` ``[G, M, M]``, with several grouping factors what :meth:`Model.arranged` makes of them; ``groups``: number of the
    last one with rows, plus one (which has no lanes); ``n_rows`` ``[]``; ``prior_mean`` ``[P]``,
    ``prior_precision`` ``[P, P]`` and ``prior_logdet`` (log determinant of the part that is not flat) for the coefficients in these
    units; ``standard`` ``[K, P + 1]``: takes the coefficients and 1 to the K that have other priors, in the units of those;
    ``column_unit`` ``[M - 1]`` and ``response_unit`` ``[]``: coefficients are in response_unit / column_unit; ``shift``
    ``[P]``: the least-squares coefficients that were subtracted, in the units of the data; ``full_rank``, ``exact``: verdicts of
    least squares; ``saturated``: the groups' own regressions leave no residual.
    """

    products: Any
    groups: Array
    n_rows: Array
    prior_mean: Array
    prior_precision: Array
    prior_logdet: Array
    standard: Array
    column_unit: Array
    response_unit: Array
    shift: Array
    full_rank: Array
    exact: Array
    saturated: Array

    def each(self, change: Callable[[Array], Array]) -> Problem:
        """With a change of every array that has lanes."""
        without: Any = {"groups": None}
        return jax.tree.map(change, self._replace(**without))._replace(groups=self.groups)


def pose(data: CrossProducts, model: Model) -> Problem:
    """Standardise one dataset (unbatched, traceable)."""
    fixed = np.array(model.fixed)
    n_rows = data.n_rows.astype(float)
    total = data.products.sum(0)
    known = scales(total, n_rows, model.intercept)
    ls = solve(data.regression().sum(0))
    usable = ls.full_rank & ~ls.exact & jnp.isfinite(total).all()
    beta = jnp.where(usable, ls.beta, 0.0)
    sign = jnp.ones(len(known.column_sd)).at[fixed].set(jnp.where(beta < 0, -1.0, 1.0))
    column_unit = known.column_sd * sign
    m = total.shape[0]
    change = jnp.zeros((m, m)).at[np.arange(m - 1), np.arange(m - 1)].set(1 / column_unit)
    change = change.at[fixed, -1].set(-beta / known.response_sd).at[-1, -1].set(1 / known.response_sd)
    products = model.arranged(replace(data, products=jnp.einsum("ai,gab,bj->gij", change, data.products, change)))
    present = data.sizes > 0
    contrast, mean, precision, logdet = coefficient_prior(model, known, column_unit)
    return Problem(
        products=products,
        groups=jnp.where(present, jnp.arange(1, len(present) + 1), 0).max(),
        n_rows=n_rows,
        prior_mean=mean - beta * column_unit[fixed] / known.response_sd,
        prior_precision=precision,
        prior_logdet=logdet,
        standard=standardised(model, known, column_unit, contrast, beta),
        column_unit=column_unit,
        response_unit=known.response_sd,
        shift=beta,
        full_rank=ls.full_rank,
        exact=ls.exact,
        saturated=model.reproduced(products),
    )


def coefficient_prior(model: Model, known: Scales, column_unit: Array) -> tuple[Array, Array, Array, Array]:
    """Contrasts ``[P, P]`` of the coefficients that the priors are about, a row each; then mean, precision and its log determinant
    of the normal priors, all in the units of :class:`Problem`. A flat prior, and one of another family, has precision zero here.
    """
    p, y = len(model.fixed), known.response_sd
    contrast, mean, weight = jnp.eye(p), jnp.zeros(p), jnp.zeros(p)
    logdet = jnp.zeros(())
    unit = column_unit[np.array(model.fixed)]
    for j, (column, given) in enumerate(zip(model.fixed, model.of_fixed, strict=True)):
        natural, offset = prior_units(model, known, j)
        location, spread = given.moments() if given.normal else (0.0, math.inf)
        centre = location * natural + offset
        scale = unit[j] / y  # from units of the data to those of the problem
        if column == model.intercept and model.priors.centre:
            others = known.column_mean[np.array(model.fixed)] / unit * unit[j]
            contrast = contrast.at[j].set(others.at[j].set(1.0))
        mean = mean.at[j].set(centre * scale)
        if math.isfinite(spread):
            weight = weight.at[j].set(1 / (spread * natural * scale) ** 2)
            logdet = logdet + jnp.log(weight[j])
    precision = (contrast.T * weight) @ contrast
    at = [j for j, column in enumerate(model.fixed) if column == model.intercept]
    for j in at:  # slopes at their means, the intercept at what then makes its contrast have its mean
        mean = mean.at[j].set(mean[j] - contrast[j] @ mean.at[j].set(0.0))
    return contrast, mean, precision, logdet


def prior_units(model: Model, known: Scales, j: int) -> tuple[Array, Array | float]:
    """Unit and origin of the j-th fixed effect's prior, in the units of the data."""
    column, given = model.fixed[j], model.of_fixed[j]
    natural = known.response_sd / known.column_sd[column] if given.autoscale else jnp.asarray(1.0)
    return natural, known.response_mean if column == model.intercept and given.autoscale else 0.0


def standardised(model: Model, known: Scales, column_unit: Array, contrast: Array, shift: Array) -> Array:
    """:attr:`Problem.standard`, ``[K, P + 1]``."""
    unit, y, rows = column_unit[np.array(model.fixed)], known.response_sd, []
    for j in model.other:
        natural, offset = prior_units(model, known, j)
        own = contrast[j] * y / (unit[j] * natural)
        constant = (own * shift * unit / y).sum() - offset / natural
        rows.append(jnp.append(own, constant))
    return jnp.stack(rows) if rows else jnp.zeros((0, len(unit) + 1))


def sd_units(problem: Problem, model: Model) -> Array:
    """Units of the data in each group SD of the problem's units, ``[Q, lanes]``, then that of sigma (1 row more)."""
    z = np.array(model.random)
    unit = problem.response_unit / jnp.abs(problem.column_unit[z])
    return jnp.concatenate([unit, jnp.asarray(problem.response_unit)[None]])


def uses_units(priors: Priors) -> bool:
    """Whether a prior of a standard deviation is stated in the units of the data as they are."""
    return isinstance(priors.sd, Decov) or any(not p.autoscale for p in priors.of_scales)
