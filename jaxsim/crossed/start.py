"""Where the search begins: a moment estimate of all variances, and others where optima are likely to be several.

MINQUE(0) (Rao 1971; Searle, Casella & McCulloch 1992, chapter 11): the quadratic forms ``y'M Z_k Z_k'M y`` with ``M`` the residual
maker of least squares have expectations that are linear in the variances and covariances; equated with what they are, these give
estimates that are REML's in balanced data. The matrix of that system is singular where the data do not tell components apart: no
criterion does then.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.crossed.curvature import block_diagonal, by_columns
from jaxsim.crossed.deviance import unrelated
from jaxsim.crossed.identification import UNIDENTIFIED, definite, traces, without_fixed
from jaxsim.crossed.level_sums import diagonal_sums, slopes
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.lmm.start import Starts, bounded, opposed
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library

Array = jax.Array

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
    """MINQUE(0), and what the traces of its system say of the criterion, REML's or ML's."""
    xp, structure, n_rows = library(problem.rest), model.spec.structure, problem.n_rows
    at = unrelated(problem, model)
    matrix, plain = traces(at, n_rows - len(model.spec.fixed), model), traces(without_fixed(at), n_rows, model)
    _, _, forms = slopes(at, by_columns(small.own(structure.basis, n_rows), model))
    # Of effects that the fixed effects account for, rounding is left, which the scale below would make a number of.
    there = (xp.diagonal(matrix) > UNIDENTIFIED * xp.diagonal(plain)).all()
    scale = xp.sqrt(xp.maximum(xp.diagonal(matrix), 1e-300))
    found, _ = small.solve_definite(matrix / xp.outer(scale, scale), xp.append(forms, at.pw) / scale)
    solvable = definite(matrix) & there
    found = found / scale
    # The response has unit variance around its least-squares fit.
    relative = xp.einsum("t,tab->ab", found[:-1], structure.basis) / xp.maximum(found[-1], 1e-4)
    relative = xp.where(xp.isfinite(relative).all() & solvable, relative, xp.eye(structure.size))
    identified = solvable if model.spec.reml else definite(plain)
    return Moments(relative, identified, alike(diagonal_sums(at, model), n_rows, model))


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
