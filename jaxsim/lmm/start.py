"""Where the optimiser starts: a moment estimate of ``T``; the same with correlations of the other sign, unless the first is known
to be enough; and two more where optima are likely to be several.

With hardly more rows a group than random effects the surface has local optima, which may differ in the signs of correlations. Of
12,300 datasets with 5 to 14 groups of some 5 rows and 3 or 4 random effects, the best of 43 starts (24 of them random) is missed by
the first in 2.2%, by the first two in 0.9%, by all four in 0.1%; of 4,500 with more rows by the first in three, by the first two in
none (in two with the identity as the second). EM steps before Newton (three) were tried: they saved one evaluation of eighteen and
cost as much as two.

The first alone is enough where columns are not alike and either of two holds. Many groups can be fitted alone, and none has more
than eight times its share of the squares: of some 80,000 such datasets with 2 to 5 random effects, singular or not, groups of 5
rows and more of equal and of unequal sizes, normal and t residuals (2.5 df), the first missed the best of six or seven starts in
none. With a group that has more (an outlier) it missed it, by up to 100 deviance units, in one of 600; with 20 to 29 such groups
in one of 7,000. Or an intercept and one slope are correlated and groups have ten rows: of some 80,000 such datasets with 5 to 30
groups it missed the best of twelve in none (with 6 to 8 rows in one of 150,000; with columns far from zero as often as the first
two did, or twice as often).

Where groups differ in size what counts is how many of them have the rows, not their average: of datasets of ten groups of two rows
and two of 60 the first start missed the best of four in 1 to 4%. Of 54,000 datasets of 6 to 20 groups of lognormal sizes it missed
it in none in which seven in ten groups or more had ten rows. The first two missed it in 15 of 72,000 with two or four effects: in 8
of the 70,000 in which half of the groups or more had three rows an effect; in none of 45,000 more in which half had 60 rows and the
others two or three; in 38 of 60,000 of 6 or 12 groups with a coefficient of variation of 2 or 3, which mostly had two starts.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.problem import Problem
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library, over_groups, with_room
from jaxsim.numerics.least_squares import solve

Array = jax.Array

# Variances of the start relative to the residual variance (columns have unit mean square): positive, because a zero is
# a stationary point in theta, and bounded, because groups with hardly more rows than columns give wild moments.
SMALLEST, LARGEST = 1e-2, 1e4
# Cosine of two columns with correlated effects up to which, and rows a group for each effect from which on, one start is enough.
UNALIKE, MANY_ROWS = 0.5, 5
# Share of the groups that must have so many rows.
NEARLY_ALL = 0.9
# Groups with a row more than random effects from which on one start is enough, if none of all has so many times its share of the
# squares that the regression leaves.
MANY_GROUPS, SHARES = 30, 8
# Groups are small when they have fewer rows than this for each random effect; so are a dataset's where fewer than half are not.
SMALL_GROUP, HALF = 3, 0.5


def bounded(matrix: Array) -> Array:
    """A positive definite matrix near a symmetric one: variances clipped, correlations shrunk until it is well conditioned."""
    xp = library(matrix)
    variances = xp.clip(xp.diagonal(matrix), SMALLEST, LARGEST)
    scale = xp.sqrt(xp.outer(variances, variances))
    correlation = xp.clip(matrix / scale, -0.95, 0.95)
    size = matrix.shape[0]
    keep = xp.linspace(1.0, 0.0, 11)  # fractions of the correlations to keep; 0 is always positive definite
    shrunk = correlation[:, :, None] * keep + xp.eye(size)[:, :, None] * (1 - correlation[:, :, None] * keep)
    _, pivots = small.cholesky(shrunk)
    first = xp.argmax((pivots > 0.05).all(0))
    return shrunk[:, :, first] * scale


def moments(problem: Problem, spec: Spec) -> Array:
    """Moment estimate of ``T``: covariance of per-group OLS coefficients of Z, less its sampling part; ``[Q, Q]``.

    Only groups that can be fitted alone with a row to spare are used; the identity where there are fewer than two.
    """
    xp = library(problem.products)
    z = xp.array(spec.random)
    q = len(spec.random)
    index = xp.append(z, problem.products.shape[0] - 1)
    groups, sizes = solve(with_room(problem.products[index][:, index])), with_room(problem.sizes)
    # Groups hardly larger than their number of coefficients have wild estimates; their residuals still count.
    own = (sizes > q) & groups.full_rank
    b = xp.where(own, groups.beta, 0.0)
    s2 = over_groups(xp.where(own, groups.rss, 0.0)) / xp.maximum(xp.where(own, sizes - q, 0.0).sum(), 1.0)
    s2 = xp.maximum(s2, 1e-4)  # the response has unit variance around its OLS fit
    sampling = s2 * over_groups(xp.where(own, groups.bread, 0.0))
    between = (b @ b.T - sampling) / xp.maximum(own.sum(), 1) / s2
    usable = (own.sum() >= 2) & xp.isfinite(between).all()
    return xp.where(usable, between, xp.eye(q))


def opposed(matrix: Array) -> Array:
    """The variances of a positive definite matrix, with the correlations of its inverse: those left once the others are accounted
    for, each with the other sign."""
    xp = library(matrix)
    chol, _ = small.cholesky(matrix)
    whitener = small.inverse_lower(chol)
    inverse = whitener.T @ whitener
    scale = xp.sqrt(xp.diagonal(matrix) / xp.diagonal(inverse))
    return inverse * xp.outer(scale, scale)


class Starts(NamedTuple):
    """Starting values of ``T``, ``[S, Q, Q]``, and how many of them this dataset needs, ``[]``."""

    values: Array
    needed: Array


def one_is_enough(problem: Problem, spec: Spec) -> Array:
    """Whether no later start ever found a better optimum than the first, bool ``[]``: random-effects columns (of unit mean square)
    of which no two are nearly the same, and either two correlated effects with many rows in nearly all groups, or many groups that
    can be fitted alone, of which none has most of what the regression leaves."""
    xp, structure = library(problem.products), spec.structure
    z = xp.array(spec.random)
    overlap = xp.abs(over_groups(problem.products[z][:, z])) * (1 - xp.eye(structure.size))
    unalike = overlap.max() <= UNALIKE * problem.n_rows
    own = (problem.sizes > structure.size).sum()
    squares = problem.products[-1, -1]
    enough = (own >= MANY_GROUPS) & (squares.max() * problem.n_groups <= SHARES * over_groups(squares))
    if structure.size == 2 and len(structure.blocks) == 1:
        enough = enough | has(NEARLY_ALL, MANY_ROWS * structure.size, problem)
    return unalike & enough


def has(share: float, rows: int, problem: Problem) -> Array:
    """Whether such a share of the groups have so many rows, bool ``[]``."""
    return (problem.sizes >= rows).sum() >= share * problem.n_groups


def starts(problem: Problem, spec: Spec, flat: Array) -> Starts:
    """The moment estimate; unless :func:`one_is_enough`, its :func:`opposed` (the identity where there are no correlations); for
    small groups all of these, a complement of the first (variances inverted), and 10 I.

    A dataset that cannot be fitted, such as the empty ones that fill a batch or one on which the criterion is flat, needs none: its
    search ends with its first step.

    Args:
        problem, spec: dataset and model.
        flat: whether the criterion is, as :func:`jaxsim.lmm.problem.unidentified` has it, bool ``[]``.
    """
    xp = library(problem.products)
    mask, size = spec.structure.mask, spec.structure.size
    moment = bounded(moments(problem, spec) * mask) * mask
    second = opposed(moment) if max(map(len, spec.structure.blocks)) > 1 else xp.eye(size)
    complement = xp.diag(1 / xp.diagonal(moment))
    values = xp.stack([moment, second, complement, 10 * xp.eye(size)])
    needed = xp.where(one_is_enough(problem, spec), 1, xp.where(has(HALF, SMALL_GROUP * size, problem), 2, 4))
    return Starts(values, xp.where((problem.n_groups < 2) | flat, 0, needed))
