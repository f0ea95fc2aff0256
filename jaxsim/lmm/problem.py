"""One mixed-model problem in the units and the layout the kernels work in."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.verdicts import saturated
from jaxsim.lmm.deviance import Spec
from jaxsim.numerics.arrays import einsum, library, put
from jaxsim.numerics.least_squares import solve

Array = jax.Array


class Problem(NamedTuple):
    """Cross-products with every predictor scaled to unit mean square and the response replaced by its scaled OLS residual.

    Mixed-model estimates are equivariant under these changes, and a badly scaled predictor then costs neither digits nor
    iterations. ``restore`` formulas are in :mod:`jaxsim.lmm.solution`.

    Attributes:
        products: ``[M, M, G]``, groups last.
        present: 1 for a group, 0 for padding, ``[G]``.
        sizes: rows of each group, ``[G]`` float.
        column_scale: root mean square of each predictor, ``[M - 1]``.
        response_scale: residual SD of the OLS fit, ``[]``.
        shift: OLS coefficients that were subtracted, ``[P]``, original units.
        full_rank, exact: verdicts of the OLS fit.
        between: ``[Q, M, G]`` where ``products`` hold only what is orthogonal to the group's random-effects columns: coordinates of
            the rest, so that ``products + between'between`` are the cross-products. Where groups differ by much more than the
            residuals do, their sum would have no digits of the residuals left. None: ``products`` are all there is.
    """

    products: Array
    present: Array
    sizes: Array
    column_scale: Array
    response_scale: Array
    shift: Array
    full_rank: Array
    exact: Array
    between: Array | None = None

    @property
    def n_rows(self) -> Array:
        """Rows of the dataset, ``[]``."""
        return self.sizes.sum()

    @property
    def n_groups(self) -> Array:
        """Groups that have any, ``[]``."""
        return self.present.sum()


class Units(NamedTuple):
    """What a dataset is standardised by, as of :class:`Problem`."""

    column_scale: Array
    response_scale: Array
    shift: Array
    full_rank: Array
    exact: Array


def units_of(regression: Array, squares: Array, n_rows: Array) -> Units:
    """The units of a dataset.

    Args:
        regression: cross-products of ``[X y]``, ``[P + 1, P + 1]``.
        squares: sums of squares of all columns, the response last, ``[M]``.
        n_rows: of the dataset.
    """
    xp, ls = library(regression), solve(regression)
    column_scale = xp.sqrt(squares[:-1] / n_rows)
    column_scale = xp.where(column_scale > 0, column_scale, 1.0)
    usable = ls.full_rank & ~ls.exact
    return Units(column_scale, xp.where(usable, xp.sqrt(ls.rss / n_rows), 1.0), ls.beta, ls.full_rank, ls.exact)


def pose(data: CrossProducts) -> Problem:
    """Standardise one dataset."""
    xp, fixed = library(data.products), data.fixed_index
    units = units_of(data.regression().sum(0), xp.diagonal(data.products.sum(0)), data.n_rows.astype(float))
    size = len(data.columns) + 1
    change = put(xp.zeros((size, size)), (np.arange(size - 1), np.arange(size - 1)), 1 / units.column_scale)
    change = put(put(change, (fixed, -1), -units.shift / units.response_scale), (-1, -1), 1 / units.response_scale)
    products = einsum("ai,gab,bj->ijg", change, data.products, change)
    sizes = data.sizes.astype(float)
    return Problem(products, (sizes > 0).astype(float), sizes, *units)


def unidentified(problem: Problem, spec: Spec) -> Array:
    """Whether REML is flat in a variance, bool ``[]``. ML is not: its optimum has a variance of zero there, whatever the data."""
    if not spec.reml:
        return library(problem.products).asarray(False)
    return saturated(problem.products, spec.fixed, spec.random, spec.structure)
