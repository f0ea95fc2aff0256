"""Minus twice the log-likelihood of a mixed model around its optimum, with gradient and Hessian, on NumPy: nothing is compiled.

The engine of :mod:`jaxsim.lmm` finds optima of the deviance in which the residual variance is profiled out. Likelihood profiles,
delta-method limits and degrees of freedom of predictions also need it at other residual variances. With ``A_g = Z'Z``,
``B_g = Z'X``, ``c_g = Z'y`` of group g (rows times the root of their weights), ``R_g = (I + A_g T)^-1``, ``w = 1 / sigma^2``::

    U_g = R_g A_g,  h_g = R_g B_g,  s_g = R_g (c_g - B_g beta),  K_g = T R_g  (lme4's conditional covariance over sigma^2)
    S_xx = X'X - sum B_g' T h_g,  C = S_xx^-1,  beta = C S_xy,  pw = S_yy - S_yx C S_xy
    deviance = sum log|I + A_g T| + log|S_xx| [REML] + nu log(2 pi sigma^2) + w pw,  nu = N - P (REML) or N (ML)
    d/dT = sum (U_g - h_g C h_g' [REML] - w s_g s_g')

and second derivatives as in :mod:`jaxsim.lmm.deviance`, without the term that profiling out the residual variance adds. A singular
``T`` is as good as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxsim.data.random_effects import Structure
from jaxsim.numerics.row_basis import Basis, orthonormal, residual


@dataclass(frozen=True, eq=False)
class Surface:
    """Sums over the rows of each group of one dataset, on an orthonormal basis of the columns of X.

    Attributes:
        zz, zx, zy: ``[G, Q, Q]``, ``[G, Q, P]``, ``[G, Q]``; the response is the residual of least squares.
        yy: its sum of squares.
        n_rows: N.
        basis: of the columns with fixed effects.
        shift: coefficients of least squares, ``[P]``.
        structure: which entries of ``T`` are free.
        reml: the criterion.
    """

    zz: np.ndarray
    zx: np.ndarray
    zy: np.ndarray
    yy: float
    n_rows: int
    basis: Basis
    shift: np.ndarray
    structure: Structure
    reml: bool

    @property
    def nu(self) -> int:
        """Rows, less the fixed effects under REML."""
        return self.n_rows - self.zx.shape[2] if self.reml else self.n_rows

    def at(self, relative: np.ndarray) -> Place:
        """The pieces at a relative covariance ``T`` ``[Q, Q]``."""
        return Place(self, relative)


def surface(x: np.ndarray, z: np.ndarray, y: np.ndarray, codes: np.ndarray, structure: Structure, reml: bool) -> Surface:
    """Of rows (times the root of their weights): ``x`` ``[N, P]``, ``z`` ``[N, Q]``, ``y`` ``[N]``, groups ``codes`` ``[N]``."""
    basis = orthonormal(x)
    shift, rest = residual(basis, y)
    order = np.argsort(codes, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(codes))[:-1]])

    def by_group(right: np.ndarray) -> np.ndarray:
        """Products with the random-effects columns, summed by group."""
        return np.add.reduceat(z[order, :, None] * right[order, None, :], first)

    sums = by_group(np.column_stack([z, basis.q, rest]))
    q = z.shape[1]
    return Surface(sums[..., :q], sums[..., q:-1], sums[..., -1], float(rest @ rest), len(y), basis, shift, structure, reml)


class Place:
    """What the deviance and its derivatives share at one ``T``; names as in the module's formulas, groups first."""

    def __init__(self, on: Surface, relative: np.ndarray) -> None:
        self.on, self.relative = on, relative
        inside = np.eye(len(relative)) + on.zz @ relative
        self.log_determinant = float(np.linalg.slogdet(inside)[1].sum())
        self.r = np.linalg.inv(inside)
        self.u = self.r @ on.zz
        self.h = self.r @ on.zx
        half = np.einsum("gqp,qr->grp", on.zx, relative)
        # The basis is orthonormal, and the response orthogonal to it.
        s_xx = np.eye(on.zx.shape[2]) - np.einsum("gqp,gqr->pr", half, self.h)
        own = np.einsum("gab,gb->ga", self.r, on.zy)
        s_xy = -np.einsum("gqp,gq->p", half, own)
        self.c = np.linalg.inv(s_xx)
        self.log_fixed = float(np.linalg.slogdet(s_xx)[1]) + on.basis.log_determinant if on.reml else 0.0
        self.beta = self.c @ s_xy
        self.pw = on.yy - float(np.einsum("gq,qr,gr->", on.zy, relative, own)) - float(s_xy @ self.beta)
        self.s = own - self.h @ self.beta

    def deviance(self, log_variance: float) -> float:
        """At a residual variance, by its logarithm."""
        nu = self.on.nu
        return self.log_determinant + self.log_fixed + nu * (np.log(2 * np.pi) + log_variance) + self.pw * np.exp(-log_variance)

    def gamma(self, weight: float) -> np.ndarray:
        """``d deviance / dT`` ``[Q, Q]`` at residual variance ``1 / weight``."""
        gamma = self.u.sum(0) - weight * self.s.T @ self.s
        return gamma - np.einsum("gax,xy,gby->ab", self.h, self.c, self.h) if self.on.reml else gamma

    @cached_property
    def slopes(self) -> np.ndarray:
        """``sum_g h_ga h_gb'`` for each pair of random-effects columns, ``[Q, Q, P, P]``: what moves ``S_xx``."""
        return np.einsum("gax,gby->abxy", self.h, self.h)

    def hessian(self, directions: np.ndarray, weight: float) -> np.ndarray:
        """Second derivatives along symmetric ``directions`` ``[K, Q, Q]``, ``[K, K]``, at residual variance ``1 / weight``."""
        n = -self.u + 2 * weight * self.s[:, :, None] * self.s[:, None, :]
        if self.on.reml:
            n = n + 2 * np.einsum("gax,xy,gby->gab", self.h, self.c, self.h)
        both = np.einsum("gbc,gda->abcd", self.u, n)
        found = np.einsum("kab,lcd,abcd->kl", directions, directions, both)
        v = np.einsum("kab,gax,gb->kx", directions, self.h, self.s)
        found = (found + found.T) / 2 - 2 * weight * v @ self.c @ v.T
        if self.on.reml:
            moved = np.einsum("kab,abxy->kxy", directions, self.slopes) @ self.c
            found = found - np.einsum("kxy,lyx->kl", moved, moved)
        return found

    def along_residual(self, directions: np.ndarray) -> np.ndarray:
        """``- d pw`` along the directions, ``[K]``."""
        return np.einsum("kab,ga,gb->k", directions, self.s, self.s)


def derivatives(on: Surface, factor: np.ndarray, log_variance: float) -> tuple[float, np.ndarray, np.ndarray]:
    """The deviance, its gradient ``[T + 1]`` and Hessian in the free entries of an absolute factor and the log residual variance.

    Args:
        on: the surface.
        factor: ``F`` ``[Q, Q]`` with ``F F'`` the covariance of the random effects: lower triangular within blocks.
        log_variance: ``log sigma^2``.
    """
    weight = np.exp(-log_variance)
    place = on.at(factor @ factor.T * weight)
    rows, columns = on.structure.entries.T
    units = np.eye(len(factor))
    half = units[rows][:, :, None] * factor.T[columns][:, None, :] * weight
    directions = np.concatenate([half + np.swapaxes(half, 1, 2), -place.relative[None]])
    gamma = place.gamma(weight)
    gradient = np.einsum("kab,ab->k", directions, gamma)
    slope = gradient[-1]
    gradient[-1] += on.nu - weight * place.pw
    second = place.hessian(directions, weight)
    second[:-1, :-1] += 2 * weight * gamma[rows][:, rows] * on.structure.same_column
    moved = weight * place.along_residual(directions)
    second[-1] += moved
    second[:, -1] += moved
    second[:-1, -1] -= gradient[:-1]
    second[-1, :-1] -= gradient[:-1]
    second[-1, -1] += weight * place.pw - slope
    return place.deviance(log_variance), gradient, second
