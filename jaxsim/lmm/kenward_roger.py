"""Kenward-Roger inference: standard errors and degrees of freedom that allow for the estimated variances.

Kenward & Roger (1997), *Biometrics* 53, 983-997, for one contrast at a time; REML only. With ``V`` linear in its parameters
``gamma`` and ``V_i`` the derivatives, ``Phi = (X'V^-1 X)^-1``, ``P = V^-1 - V^-1 X Phi X'V^-1``::

    P_i = -X'V^-1 V_i V^-1 X,   Q_ij = X'V^-1 V_i V^-1 V_j V^-1 X
    I_ij = tr(P V_i P V_j) = tr(V^-1 V_i V^-1 V_j) - 2 tr(Phi Q_ij) + tr(Phi P_i Phi P_j)
    W = 2 I^-1 (expected) or [-I / 2 + (y'P V_i P V_j P y)_ij]^-1 (observed)
    Phi_A = Phi + 2 Phi [sum_ij W_ij (Q_ij - P_i Phi P_j)] Phi
    df of l'beta = 2 (l' Phi l)^2 / (g'W g),  g_i = l' Phi P_i Phi l;  the F statistic's scale, lambda, is 1 for one contrast

All of it is invariant to linear changes of ``gamma``, and two of them make it short. Instead of the residual variance at fixed
random effects, the last parameter is the scale of all of ``V``, whose ``V_i`` is ``V / sigma^2``: then ``P_i``, ``Q_ij``, ``I_ij``
need no power of ``V`` but the first, its terms in ``Phi_A`` vanish, and one subtraction profiles it out of ``I``. And the random
effects are turned (within their blocks) so that ``sum U_g`` is the identity: ``I`` is then as well conditioned as the data allow.

With U_g, h_g, s_g of :class:`~jaxsim.lmm.deviance.Profile`, ``E_r`` the symmetric unit matrices of the structure and
``sigma = 1`` (everything is a sum over groups)::

    M_r = sum h'E_r h,  v_r = sum h'E_r s,  c_r = sum s'E_r s
    I_rs = sum tr(E_r U E_s (U - 2 h h')) + tr(M_r M_s),  b_r = sum tr(U E_r) - tr(M_r),  nu = N - P
    observed, in place of them: sum tr(E_r U E_s (2 h h' + 2 w s s' - U)) - tr(M_r M_s) - 2 w v_r'v_s,  2 w c_r - b_r
    J = I - b b' / nu,  Phi_A = root [1 + 4 sum_rs J^-1_rs (sum h'E_r U E_s h - M_r M_s)] root'
    df = (k'k)^2 / (d'J^-1 d + (k'k)^2 / nu),  k = root'l,  d_r = k'M_r k - b_r k'k / nu
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.data.random_effects import Structure
from jaxsim.lmm.deviance import Profile, Spec, pair_sums, profile, slope_sums, square_sums
from jaxsim.lmm.newton import Point
from jaxsim.lmm.problem import Problem
from jaxsim.numerics import small
from jaxsim.numerics.arrays import einsum, library, over_groups

Array = jax.Array

# Lifts the unit diagonal of sum U_g before it is turned into the identity: any basis will do, so this changes no result.
BASIS_RIDGE = 1e-8
# In that basis an informative variance parameter has a pivot of J near 1 / G. Rounding leaves 1e-15 of one without information
# (1e-11 where between-group SDs are 100 times the residual one).
UNINFORMATIVE = 1e-10
# What may be left of a variance's slope along a parameter without information, relative to the variance: rounding.
IRRELEVANT = 1e-7
# The observed information can be so nearly indefinite that hardly any degrees of freedom are left (.001 and less), which is as
# little an answer as none. A variance estimated by squares of normal errors has at least one: those of sum lambda_i z_i^2 are
# (sum lambda_i)^2 / sum lambda_i^2 >= 1 (Satterthwaite 1946). Two balanced groups have exactly one: hence the rounding.
LEAST_OBSERVED = 1 - 1e-6


class Adjustment(NamedTuple):
    """What the inference on any contrast needs, in units of the residual variance.

    ``vcov`` = root^-1 Phi_A root'^-1 ``[P, P]``; ``m`` = M_r ``[T, P, P]``; ``share`` = b_r / nu ``[T]``; ``inverse`` of the lower
    factor of ``J`` ``[T, T]``, with zeros for parameters that are left out; ``left_out`` ``[T, T]`` gives what is left of their
    slopes once the others are accounted for; ``nu`` ``[]``; ``definite`` bool ``[]``: ``J`` has no negative curvature; ``least``
    ``[]``: fewer degrees of freedom are none.
    """

    vcov: Array
    m: Array
    share: Array
    inverse: Array
    left_out: Array
    nu: Array
    definite: Array
    least: float


def kenward_roger(problem: Problem, point: Point, spec: Spec, observed: bool) -> Adjustment:
    """The adjustment at the optimum of one dataset (standardised units), by the expected or the observed information.

    A variance parameter about which the data say nothing is left out, as a generalised inverse does. Whether it is does not
    depend on units, unlike in pbkrtest, whose generalised inverse starts at an eigenvalue of 1e-10 in the data's own units (lme4's
    sleepstudy with Days divided by 1000: 4245 df instead of 17).
    """
    xp = library(problem.products)
    at = turned(profile(problem.products, problem.n_rows, point.chart.factor, spec, problem.between), spec.structure)
    nu = problem.n_rows - len(spec.fixed)
    basis = small.own(spec.structure.basis.reshape(len(spec.structure.entries), -1), problem.n_rows)
    m, information, border = informations(at, basis, observed)
    factor, pivots = small.semidefinite_cholesky(information - xp.outer(border, border) / nu, UNINFORMATIVE / problem.n_groups)
    kept = (xp.diagonal(factor) > 0).astype(factor.dtype)
    both = xp.outer(kept, kept)
    inverse = small.inverse_lower(factor * both + xp.diag(1 - kept)) * both
    left_out = xp.diag(1 - kept) - (1 - kept)[:, None] * (factor @ inverse)
    return Adjustment(
        vcov=xp.eye(len(spec.fixed)) + 4 * inflation(at, basis, m, inverse.T @ inverse),
        m=m,
        share=border / nu,
        inverse=inverse,
        left_out=left_out,
        nu=nu,
        definite=(pivots > -UNINFORMATIVE / problem.n_groups).all(),
        least=LEAST_OBSERVED if observed else 0.0,
    )


def turned(at: Profile, structure: Structure) -> Profile:
    """``u``, ``slopes`` and their sums for other random effects, combinations within blocks, whose ``sum U_g`` is the identity."""
    xp = library(at.u)
    total = at.stiffness * structure.mask
    lengths = xp.sqrt(xp.maximum(xp.diagonal(total), 1e-300))
    chol, _ = small.cholesky(total / xp.outer(lengths, lengths) + BASIS_RIDGE * xp.eye(structure.size))
    turn = small.inverse_lower(chol) / lengths
    u = einsum("ia,abg,jb->ijg", turn, at.u, turn)
    slopes = xp.einsum("ia,xag->xig", turn, at.slopes)
    return at._replace(u=u, stiffness=over_groups(u), slopes=slopes, squares=square_sums(slopes))


def informations(at: Profile, basis: Array, observed: bool) -> tuple[Array, Array, Array]:
    """``M_r`` ``[T, P, P]``, the information ``[T, T]`` on the random effects' parameters, its border with the scale ``[T]``."""
    xp = library(at.u)
    mv, c = slope_sums(at, basis)
    m, v = mv[:, :, :-1], mv[:, :, -1]
    hh = xp.einsum("xag,xbg->abg", at.h, at.h)
    traces = basis @ at.stiffness.ravel() - xp.trace(m, axis1=1, axis2=2)
    flat = m.reshape(len(m), -1)
    if not observed:
        return m, pair_sums(at.u, at.u - 2 * hh, basis) + flat @ flat.T, traces
    squares = 2 * hh - at.u + 2 * at.weight * at.s[:, None] * at.s[None]
    information = pair_sums(at.u, squares, basis) - flat @ flat.T - 2 * at.weight * v @ v.T
    return m, information, 2 * at.weight * c - traces


def inflation(at: Profile, basis: Array, m: Array, weights: Array) -> Array:
    """``sum_rs weights_rs (sum_g h'E_r U_g E_s h - M_r M_s)``, ``[P, P]``."""
    _, q, groups = at.h.shape
    pairs = (basis.T @ weights @ basis).reshape(q, q, q, q).transpose(0, 3, 1, 2).reshape(q * q, q * q)  # [(a, d), (b, c)]
    middle = (pairs @ at.u.reshape(q * q, groups)).reshape(q, q, groups)
    own = einsum("xag,adg,ydg->xy", at.h, middle, at.h)
    return own - einsum("rxz,rs,szy->xy", m, weights, m)


def degrees_of_freedom(adjustment: Adjustment, contrasts: Array) -> Array:
    """Denominator degrees of freedom of each contrast, ``[K]``, from the rows ``l' root`` ``[K, P]``.

    Zero, which is no degrees of freedom, where the observed information is not positive definite or nearly so (it can happen at a
    singular fit; see :data:`LEAST_OBSERVED`), and where the variance of the contrast depends on a variance parameter about which
    the data say nothing. With the expected information there is no least value: pbkrtest reports fractions of one, as does this.
    """
    xp = library(adjustment.m, contrasts)
    size = (contrasts**2).sum(1)
    slope = einsum("jx,txy,jy->tj", contrasts, adjustment.m, contrasts) - adjustment.share[:, None] * size
    spread = ((adjustment.inverse @ slope) ** 2).sum(0) + size**2 / adjustment.nu
    known = adjustment.definite & (xp.abs(adjustment.left_out @ slope) <= IRRELEVANT * size).all(0)
    df = size**2 / spread
    return xp.where(known & (df >= adjustment.least), df, 0.0)
