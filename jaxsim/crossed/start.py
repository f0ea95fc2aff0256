"""Where the search begins: a moment estimate of all variances, and others where optima are likely to be several.

MINQUE(0) (Rao 1971; Searle, Casella & McCulloch 1992, chapter 11): the quadratic forms ``y'M Z_k Z_k'M y`` with ``M`` the residual
maker of least squares have expectations that are linear in the variances and covariances; equated with what they are, these give
estimates that are REML's in balanced data. The matrix of that system is singular where the data do not tell components apart: no
criterion does then.
"""

from __future__ import annotations

import functools
import operator
from typing import NamedTuple

import jax

from jaxsim.crossed.curvature import block_diagonal, by_columns, in_pairs
from jaxsim.crossed.deviance import unrelated
from jaxsim.crossed.level_sums import diagonal_sums, pair_sums, slopes
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.lmm.start import Starts, bounded, opposed
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library

Array = jax.Array

# What is left of a component of the covariance once the others are accounted for, relative to its square. Of components that can be
# told apart hardly, such as a pair of slopes that differ in one row of a hundred, 1e-4 is left; rounding leaves 1e-14.
UNIDENTIFIED = 1e-10
# Datasets with fewer rows than this for each random effect get four starts. Of 1,664 datasets with two rows an effect none needed
# more than the first; of 512 with 40 rows and 36 effects nine did, and three more than the second, none more than the third. Of
# 1,000 random designs one with 2.4 rows an effect was missed by .24 of the deviance.
ROWS_PER_EFFECT = 3.0
# So do models with independent effects of columns that are nearly the same, as of the intercept and of a predictor far from zero:
# of some sixty datasets with (x || s) and x about 5 the first start missed 15 to 89 units of the deviance in five, the third none.
ALIKE = 0.5


class Moments(NamedTuple):
    """``relative`` T ``[Q, Q]``, as it comes out; whether the data tell the components apart, and whether columns with independent
    effects are nearly :func:`alike`, bool ``[]``."""

    relative: Array
    identified: Array
    alike: Array


def moments(problem: Problem, model: Model) -> Moments:
    """MINQUE(0), and what traces of products say of the criterion: of the residual maker's for REML, of V's own for ML."""
    xp, spec = library(problem.rest), model.spec
    at = unrelated(problem, model)
    flat = by_columns(small.own(spec.structure.basis, problem.n_rows), model)
    m, _, c = slopes(at, flat)
    pairs = pair_sums(at, xp.append(xp.ones(len(spec.fixed)), 0.0), model)
    own = m.reshape(m.shape[0], -1)
    squares = in_pairs(pairs.squares, flat)
    matrix = squares - 2 * in_pairs(pairs.forms, flat) + own @ own.T
    # Of effects that the fixed effects account for, rounding is left, which the scale below would make a number of.
    there = (xp.diagonal(matrix) > UNIDENTIFIED * xp.diagonal(squares)).all()
    sums = diagonal_sums(at, model)
    traces = sum(part @ total.ravel() for part, total in zip(flat, sums, strict=True)) - xp.trace(m, axis1=1, axis2=2)
    nu = problem.n_rows - len(spec.fixed)
    matrix = xp.block([[matrix, traces[:, None]], [traces[None], xp.reshape(nu, (1, 1))]])
    scale = xp.sqrt(xp.maximum(xp.diagonal(matrix), 1e-300))
    right = xp.append(c, at.pw) / scale
    found, pivots = small.solve_definite(matrix / xp.outer(scale, scale), right)
    solvable = (pivots > UNIDENTIFIED).all() & there
    found = found / scale
    # The response has unit variance around its least-squares fit.
    relative = xp.einsum("t,tab->ab", found[:-1], spec.structure.basis) / xp.maximum(found[-1], 1e-4)
    usable = xp.isfinite(relative).all() & solvable
    relative = xp.where(usable, relative, xp.eye(spec.structure.size))
    identified = solvable if spec.reml else told_apart(squares, sums, flat, problem.n_rows)
    return Moments(relative, identified, alike(sums, problem.n_rows, model))


def told_apart(squares: Array, sums: list[Array], flat: list[Array], n_rows: Array) -> Array:
    """Whether the matrices that V is a combination of are independent, bool ``[]``.

    Args:
        squares: traces of their products, ``[T, T]``.
        sums: cross-products of the columns of each factor over all rows, ``[q, q]``.
        flat: of each factor the entries of T, ``[T, q^2]``.
        n_rows: of the dataset.
    """
    xp = library(squares)
    traces = functools.reduce(operator.add, (part @ total.ravel() for part, total in zip(flat, sums, strict=True)))
    matrix = xp.block([[squares, traces[:, None]], [traces[None], xp.reshape(n_rows, (1, 1))]])
    scale = xp.sqrt(xp.maximum(xp.diagonal(matrix), 1e-300))
    _, pivots = small.cholesky(matrix / xp.outer(scale, scale))
    return (pivots > UNIDENTIFIED).all()


def starts(problem: Problem, moment: Moments, model: Model) -> Starts:
    """The moment estimate, its :func:`jaxsim.lmm.start.opposed` (the identity where there are no correlations), a complement of the
    first (variances inverted), and 10 I.

    A dataset that cannot be fitted needs none: its search ends with its first step.
    """
    xp, structure = library(problem.rest), model.spec.structure
    first = bounded(moment.relative * structure.mask) * structure.mask
    second = opposed(first) if max(map(len, structure.blocks)) > 1 else xp.eye(structure.size)
    complement = xp.diag(1 / xp.diagonal(first))
    values = xp.stack([first, second, complement, 10 * xp.eye(structure.size)])
    effects = (problem.levels * xp.array(model.widths)).sum()
    needed = xp.where((problem.n_rows < ROWS_PER_EFFECT * effects) | moment.alike, 4, 1)
    unusable = (problem.levels < 2).any() | ~moment.identified
    return Starts(values, xp.where(unusable, 0, needed))


def alike(sums: list[Array], n_rows: Array, model: Model) -> Array:
    """Whether columns with independent effects by one factor are nearly the same, bool ``[]``; they have unit mean square.

    Args:
        sums: cross-products of the columns of each factor over all rows, ``[q, q]``.
        n_rows: of the dataset.
        model: the model.
    """
    products = block_diagonal(sums) * (1 - model.spec.structure.mask)
    return (library(products).abs(products) > ALIKE * n_rows).any()
