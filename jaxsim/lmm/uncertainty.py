"""How well a mixed model's variances are known, and the degrees of freedom that follow for any combinations of coefficients.

With ``Phi = root root'`` the covariance of the coefficients (in units of the residual variance) and ``r = l'root``, a combination
``l`` has the variance ``|r|^2``. Satterthwaite's and Kenward and Roger's methods need no more than the derivatives ``r'S_k r`` of
this variance in some parameters, and the covariance ``W`` of the estimates of these parameters::

    df of one combination = 2 |r|^4 / (g'W g),  g_k = r'S_k r

Several combinations ``R`` ``[q, P]`` at once:

- Satterthwaite (lmerTest): along the eigenvectors of their covariance the combinations are uncorrelated, ``F`` is a mean of squares
  of t with ``nu_m`` degrees of freedom, and ``2 E / (E - q)``, ``E = sum nu_m / (nu_m - 2)``, gives F this expectation; 2 if any
  ``nu_m`` is not above 2.
- Kenward & Roger (1997, *Biometrics* 53, 983-997, section 2 and appendix): with ``Theta = (R R')^-1``, ``D_k = R S_k R'``,
  ``A1 = sum W_kl tr(Theta D_k) tr(Theta D_l)`` and ``A2 = sum W_kl tr(Theta D_k Theta D_l)``, see :func:`kenward_roger_scale`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxsim.lmm.kenward_roger import IRRELEVANT, Adjustment
from jaxsim.lmm.newton import Point
from jaxsim.lmm.solution import HESSIAN_RIDGE

# Degrees of freedom this close to each other are the same (lmerTest's rule); the mean is then their common value.
SAME_DF = 1e-8
# pbkrtest's rules for quotients of rounding errors: a V0 this small is zero, and a scale with m this close to 2 is one.
NO_V0, NO_SCALE = 1e-10, 1e-2


class Uncertainty(NamedTuple):
    """``slopes`` S_k ``[K, P, P]``; ``spread`` W ``[K, K]``; ``hidden`` ``[H, P, P]``: slopes along parameters about which the data
    say nothing, which a combination must not have; ``least`` degrees of freedom, fewer of which are none."""

    slopes: np.ndarray
    spread: np.ndarray
    hidden: np.ndarray
    least: float


def satterthwaite_uncertainty(point: Point, nu: float) -> Uncertainty:
    """Of (theta, sigma) by the Hessian of the unprofiled deviance, as :func:`jaxsim.lmm.solution.satterthwaite`."""
    m, c, pw = np.asarray(point.m), np.asarray(point.c), float(point.pw)
    sigma = np.sqrt(pw / nu)
    cross = 2 * c[:, None] / sigma**3
    hessian = np.block(
        [[np.asarray(point.hessian) + nu / pw**2 * np.outer(c, c), cross], [cross.T, np.array([[4 * nu / sigma**2]])]]
    )
    scale = np.sqrt(np.maximum(np.diagonal(hessian), 1e-300))
    scaled = hessian / np.outer(scale, scale) + HESSIAN_RIDGE * np.eye(len(scale))
    slopes = np.concatenate([m, 2 / sigma * np.eye(m.shape[1])[None]])
    return Uncertainty(slopes, 2 * np.linalg.inv(scaled) / np.outer(scale, scale), np.zeros((0, *m.shape[1:])), 0.0)


def kenward_roger_uncertainty(adjustment: Adjustment) -> Uncertainty:
    """Of the variances of the random effects at a fixed scale, and of that scale; see :mod:`jaxsim.lmm.kenward_roger`."""
    m, inverse, nu = np.asarray(adjustment.m), np.asarray(adjustment.inverse), float(adjustment.nu)
    eye = np.eye(m.shape[1])
    free = m - np.asarray(adjustment.share)[:, None, None] * eye
    count = len(m)
    spread = np.zeros((count + 1, count + 1))
    spread[:count, :count] = 2 * inverse.T @ inverse
    spread[count, count] = 2 / nu
    hidden = np.einsum("hk,kxy->hxy", np.asarray(adjustment.left_out), free)
    least = float(adjustment.least) if adjustment.definite else np.inf
    return Uncertainty(np.concatenate([free, eye[None]]), spread, hidden, least)


def degrees_of_freedom(known: Uncertainty, rows: np.ndarray) -> np.ndarray:
    """Of each of the combinations ``rows`` ``[K, P]`` by itself, ``[K]``; NaN where there are none."""
    size = (rows**2).sum(1)
    slope = np.einsum("jx,kxy,jy->kj", rows, known.slopes, rows)
    spread = np.einsum("kj,kl,lj->j", slope, known.spread, slope)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = 2 * size**2 / spread
    hidden = np.abs(np.einsum("jx,hxy,jy->hj", rows, known.hidden, rows))
    return np.where((hidden <= IRRELEVANT * size).all(0) & (df >= known.least), df, np.nan)


def pooled_degrees(df: np.ndarray) -> float:
    """Denominator of a mean of squares of independent t variables with these degrees of freedom (lmerTest's)."""
    if np.ptp(df) <= SAME_DF:
        return float(df.mean())
    if (df <= 2).any():
        return 2.0
    expected = float((df / (df - 2)).sum())
    return 2 * expected / (expected - len(df))


def kenward_roger_scale(known: Uncertainty, rows: np.ndarray) -> tuple[float, float]:
    """``(m, lambda)`` of independent combinations ``[q, P]``: ``lambda`` times the Wald statistic over q is F with q, m."""
    q = len(rows)
    white = np.linalg.solve(np.linalg.cholesky(rows @ rows.T), rows)
    d = np.einsum("jx,kxy,ly->kjl", white, known.slopes, white)
    traces = np.trace(d, axis1=1, axis2=2)
    first = float(traces @ known.spread @ traces)
    second = float(np.einsum("kjl,kn,njl->", d, known.spread, d))
    b = (first + 6 * second) / (2 * q)
    g = ((q + 1) * first - (q + 4) * second) / ((q + 2) * second)
    below = 3 * q + 2 * (1 - g)
    v0, v1, v2 = 1 + g / below * b, 1 - (q - g) / below * b, 1 - (q + 2 - g) / below * b
    v0 = 0.0 if abs(v0) < NO_V0 else v0
    rho = ((1 - second / q) / v1) ** 2 * v0 / v2 / q
    m = 4 + (q + 2) / (q * rho - 1)
    return m, 1.0 if abs(m - 2) < NO_SCALE else m * (1 - second / q) / (m - 2)
