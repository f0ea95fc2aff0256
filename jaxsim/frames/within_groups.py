"""A mixed model whose groups differ by much more than its residuals do, posed so that the residuals keep their digits.

Cross-products of a group's rows hold what its random effects explain and what they do not in one sum: with a ratio r of the two
standard deviations 2 log10 r of the 16 digits of the second are gone. Here every group's rows are split at its random-effects
columns first, the response is freed of the regression within groups, and all is put in units in which variances are near 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.problem import Problem
from jaxsim.lmm.start import Starts
from jaxsim.numerics.row_basis import RANK_TOLERANCE, ZERO_RESIDUAL, Basis

# From this ratio of variances on, residual to all, cross-products of the rows are no longer good enough: four digits are gone.
TINY = 1e-4
# Squares of columns of unit length that are combinations of others but for rounding.
DEPENDENT = 1e-12
NO_RESIDUAL = (
    "the response does not differ within the {n} groups of {group} beyond what the predictors explain, or so little that rounding "
    "hides it: there is no residual variance to be estimated. If it was measured once a group, analyse one row a group with ols"
)


class Split(NamedTuple):
    """Rows of ``[X Z y]`` in parts: ``within`` ``[N, M]``, orthogonal to the columns ``Z_g`` of the row's group, and coordinates
    ``between`` ``[G, Q, M]`` of the rest in an orthonormal basis of these; ``ranks`` ``[G]`` of them."""

    within: np.ndarray
    between: np.ndarray
    ranks: np.ndarray


def residual_share(data: CrossProducts, p: int) -> float:
    """Sum of squares of the residuals within groups relative to that of the response, from cross-products of ``[X Z y]``.

    1 where the groups leave no degrees of freedom. It has an error of about 1e-15.
    """
    products, n_rows = np.asarray(data.products), int(data.n_rows)
    z = slice(p, products.shape[1] - 1)
    scale = np.sqrt(np.maximum(np.diagonal(products.sum(0)), 1e-300))
    unit = products / np.outer(scale, scale)
    inverse = np.linalg.pinv(unit[:, z, z], rcond=DEPENDENT, hermitian=True)
    ranks = np.linalg.matrix_rank(unit[:, z, z], rtol=DEPENDENT, hermitian=True)
    rest = (unit - unit[:, :, z] @ inverse @ unit[:, z, :]).sum(0)
    x = list(range(p))
    values, vectors = np.linalg.eigh(rest[np.ix_(x, x)])
    vary = values > DEPENDENT
    if n_rows <= ranks.sum() + vary.sum():
        return 1.0
    along = vectors.T[vary] @ rest[x, -1] / np.sqrt(values[vary])
    return float(max(rest[-1, -1] - along @ along, 0.0))


def split(x: np.ndarray, z: np.ndarray, y: np.ndarray, codes: np.ndarray) -> Split:
    """The rows of every group split at its random-effects columns; projected twice, so the parts are orthogonal."""
    rows = np.column_stack([x, z, y])
    n_groups, q = int(codes.max()) + 1, z.shape[1]
    within, between = rows.copy(), np.zeros((n_groups, q, rows.shape[1]))
    ranks = np.zeros(n_groups, int)
    for g in range(n_groups):
        own = codes == g
        left, values, _ = np.linalg.svd(z[own], full_matrices=False)
        left = left[:, values > RANK_TOLERANCE * values[0]]
        ranks[g] = left.shape[1]
        for _ in range(2):
            part = left.T @ within[own]
            between[g, : ranks[g]] += part
            within[own] -= left @ part
    within[:, x.shape[1] : -1] = 0.0
    return Split(within, between, ranks)


class Within(NamedTuple):
    """A problem with its ``starts``; ``basis`` of the fixed effects, ``shift`` ``[P]`` that was subtracted from the response, in
    coefficients of the columns themselves; ``residual``: whether any residual variance is left."""

    problem: Problem
    starts: Starts
    basis: Basis
    shift: np.ndarray
    residual: bool


def pose(basis: Basis, z: np.ndarray, y: np.ndarray, codes: np.ndarray, spec: Spec) -> Within:
    """Pose the model of ``y`` ``[N]`` on the fixed effects' ``basis`` and columns ``z`` ``[N, Q]``.

    The basis is turned so that its columns vary within groups as little as possible, the first of them not at all where there are
    any such; the response then loses its regression within groups on the others, and then that on the first.
    """
    p = basis.q.shape[1]
    inside = split(basis.q, z, y, codes).within[:, :p]
    _, sizes, turn = np.linalg.svd(inside, full_matrices=False)
    sizes, turn = sizes[::-1], turn[::-1].T
    varies = sizes > RANK_TOLERANCE
    turned = Basis(basis.q @ turn, turn.T @ basis.r, basis.inverse @ turn)
    parts = split(turned.q, z, y, codes)
    parts.within[:, :p][:, ~varies] = 0.0
    own = np.zeros(p)
    own[varies] = np.linalg.lstsq(parts.within[:, :p][:, varies], parts.within[:, -1], rcond=None)[0]
    first = turned.q[:, ~varies]
    own[~varies] = first.T @ (y - turned.q @ own)
    rest = split(turned.q, z, y - turned.q @ own, codes)
    rest.within[:, :p][:, ~varies] = 0.0
    df = max(len(y) - int(rest.ranks.sum()) - int(varies.sum()), 1)
    variance = float(rest.within[:, -1] @ rest.within[:, -1]) / df
    residual = np.sqrt(variance * df) > ZERO_RESIDUAL * np.linalg.norm(y)
    problem, starts = in_units(rest, codes, variance, spec)
    return Within(problem, starts, turned, turned.inverse @ own, residual)


def in_units(parts: Split, codes: np.ndarray, variance: float, spec: Spec) -> tuple[Problem, Starts]:
    """The problem in units of the residuals, and of the spread of every random effect between the groups."""
    p, q = len(spec.fixed), len(spec.random)
    ratios = spreads(parts, p) / max(variance, 1e-300)
    scale = np.ones(p + q + 1)
    scale[p:-1] = 1 / np.sqrt(ratios)
    scale[-1] = np.sqrt(variance) or 1.0
    n_groups = len(parts.ranks)
    within, between = np.zeros((p + q + 1, p + q + 1, n_groups)), np.zeros((q, p + q + 1, n_groups))
    rows = parts.within / scale
    for g in range(n_groups):
        within[:, :, g] = rows[codes == g].T @ rows[codes == g]
        between[:, :, g] = parts.between[g] / scale
    sums: dict[str, Any] = dict(products=within, present=np.ones(n_groups), sizes=np.bincount(codes).astype(float), between=between)
    units: dict[str, Any] = dict(column_scale=scale[:-1], response_scale=scale[-1], shift=np.zeros(p))
    verdicts: dict[str, Any] = dict(full_rank=np.True_, exact=np.False_)
    eye = np.eye(q)
    begin: Any = np.stack([eye, eye / 100, eye * 100]), np.int32(3)
    return Problem(**sums, **units, **verdicts), Starts(*begin)


def spreads(parts: Split, p: int) -> np.ndarray:
    """Mean square of the groups' own random effects, ``[Q]``, of the groups that have all of them."""
    z = slice(p, parts.between.shape[2] - 1)
    whole = parts.ranks == parts.between.shape[1]
    if whole.sum() < 2:
        return np.full(z.stop - p, float((parts.between[:, :, -1] ** 2).sum()))
    own = np.linalg.solve(parts.between[whole][:, :, z], parts.between[whole][:, :, -1:])[:, :, 0]
    return np.square(own).mean(0)
