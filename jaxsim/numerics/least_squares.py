"""Least squares from cross-products, with the rank judged once for every estimator that needs it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from jaxsim.numerics import small
from jaxsim.numerics.arrays import library

# A column whose squared length, after projecting out the columns before it, falls below this fraction of its own is
# collinear. Cross-products carry about 16 digits of squared lengths, so 1e-11 keeps five digits; R's lm cuts at a
# length ratio of 1e-7 (a squared ratio of 1e-14) because it works on rows.
RANK_TOLERANCE = 1e-11
# A residual sum of squares is the difference of cross-products of the size of y'y, which carry 16 digits: below this fraction
# of y'y fewer than six digits of it are left, and none of what is computed from it deserves to be called an answer.
ZERO_RESIDUAL_TOLERANCE = 1e-10


class LeastSquares(NamedTuple):
    """Solution of one regression, or of many: batch axes, if any, are the last ones.

    ``beta`` ``[P, ...]``; ``root`` with ``root root' = (X'X)^-1`` ``[P, P, ...]``; ``rss`` ``[...]``; ``full_rank`` and
    ``exact`` (no residual left), bool ``[...]``.
    """

    beta: jax.Array
    root: jax.Array
    rss: jax.Array
    full_rank: jax.Array
    exact: jax.Array

    @property
    def bread(self) -> jax.Array:
        """``(X'X)^-1``, ``[P, P, ...]``."""
        return library(self.root).einsum("ik...,jk...->ij...", self.root, self.root)


def solve(products: jax.Array) -> LeastSquares:
    """Regress the last column of ``[X y]'[X y]`` (``[P + 1, P + 1, ...]``) on the others.

    Columns are scaled to unit length first, so the rank does not depend on their units.
    """
    xp = library(products)
    xx, xy, yy = products[:-1, :-1], products[:-1, -1], products[-1, -1]
    length = xp.sqrt(xp.stack([xx[i, i] for i in range(xx.shape[0])]))
    length = xp.where(length > 0, length, 1.0)
    factor, pivots = small.cholesky(xx / (length[:, None] * length[None]))
    full_rank = (pivots > RANK_TOLERANCE).all(0)
    eye = xp.eye(xx.shape[0]).reshape(xx.shape[:2] + (1,) * (xx.ndim - 2))
    root = xp.swapaxes(small.inverse_lower(xp.where(full_rank, factor, eye)), 0, 1) / length[:, None]
    projected = (root * xy[:, None]).sum(0)
    rss = yy - (projected**2).sum(0)
    exact = rss <= ZERO_RESIDUAL_TOLERANCE * yy
    beta = (root * projected[None]).sum(1)
    return LeastSquares(beta, root, xp.maximum(rss, 0.0), full_rank, exact)


def gaussian_deviance(rss: jax.Array, n_rows: jax.Array) -> jax.Array:
    """Minus twice the maximised log-likelihood of a linear model with ``n_rows`` independent rows."""
    return n_rows * (1 + library(rss, n_rows).log(2 * np.pi * rss / n_rows))
