"""How far predictions of a fitted mixed model may lie from what they predict, with the formulas of
:mod:`jaxsim.lmm.prediction_error` and the names of :mod:`jaxsim.frames.postestimation.surface`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxsim.frames.fitted import Fitted
from jaxsim.frames.postestimation import crossed_posed
from jaxsim.frames.postestimation.fit_components import is_reml
from jaxsim.frames.postestimation.posed import posed
from jaxsim.frames.postestimation.surface import Place, derivatives
from jaxsim.lmm import prediction_error
from jaxsim.numerics.arrays import on_numpy


class Spread(NamedTuple):
    """``variance`` of each row's error and the degrees of freedom with which it is known, ``[N]`` each."""

    variance: np.ndarray
    df: np.ndarray


class Design(NamedTuple):
    """Rows that are predicted: ``x`` ``[N, P]``, ``z`` ``[N, Q]``, ``codes`` ``[N]`` of the groups (-1 for one without rows), or
    ``[N, F]`` of several factors."""

    x: np.ndarray
    z: np.ndarray
    codes: np.ndarray


def spread(fit: Fitted, rows: Design, *, effects: bool, noise: bool) -> Spread:
    """Of the errors of predictions of a mixed model.

    Args:
        fit: the model.
        rows: that are predicted, by the modes of groups that are known and by fixed effects alone elsewhere.
        effects: whether the random effects of rows without a known group are part of what is predicted.
        noise: whether the residual (of a row of weight 1) is.
    """
    if fit.factors:
        return Spread(*crossed_posed.variances(fit, *rows, effects=effects, noise=noise))
    at = posed(fit)
    on = at.surface(is_reml(fit))
    place, rows = on.at(at.relative), rows._replace(z=rows.z @ at.back)
    pull = _pull(place, rows, effects)
    a = rows.x @ on.basis.inverse
    known = rows.codes >= 0
    a[known] = prediction_error.through_fixed(a[known], pull[known], on.zx[rows.codes[known]])
    vcov = on.basis.r @ fit.vcov.to_numpy() @ on.basis.r.T
    relative = np.einsum("nq,nq->n", pull, rows.z) + noise
    # Of the variance without an adjustment, and over that of the residual: its value, and its slopes in T and along the residual's.
    plain = np.einsum("np,pr,nr->n", a, place.c, a) + relative
    slope = _slopes(place, rows, a, effects)
    along = np.einsum("nab,kab->nk", slope, at.directions)
    along = np.column_stack([along, plain - np.einsum("nab,ab->n", slope, place.relative)])
    _, _, hessian = derivatives(on, at.factor, 0.0)
    degrees = on_numpy(prediction_error.degrees)
    return Spread(prediction_error.variance(a, vcov, at.unit**2 * relative), degrees(plain, along.T, hessian))


def conditional_deviations(fit: Fitted) -> list[np.ndarray]:
    """Conditional standard deviations of each factor's effects given the responses (lme4's ``condVar``), ``[G, q]``."""
    if fit.factors:
        return crossed_posed.conditional_deviations(fit)
    at = posed(fit)
    place = at.surface(is_reml(fit)).at(at.relative)
    variances = np.einsum("qa,gab,qb->gq", at.back, place.relative @ place.r, at.back)
    return [at.unit * np.sqrt(np.maximum(variances, 0.0))]


def _pull(place: Place, rows: Design, effects: bool) -> np.ndarray:
    """``K_g z`` of each row, ``[N, Q]``."""
    known = rows.codes >= 0
    pull = np.zeros_like(rows.z)
    pull[known] = np.einsum("ab,nbc,nc->na", place.relative, place.r[rows.codes[known]], rows.z[known])
    if effects:
        pull[~known] = rows.z[~known] @ place.relative
    return pull


def _slopes(place: Place, rows: Design, a: np.ndarray, effects: bool) -> np.ndarray:
    """Derivative of each row's variance, over that of the residual, in ``T``: symmetric, ``[N, Q, Q]``."""
    known = rows.codes >= 0
    codes = rows.codes[known]
    c = a @ place.c
    found = np.einsum("abxy,nx,ny->nab", place.slopes, c, c)
    own = np.einsum("nab,nb->na", place.r[codes], rows.z[known])
    through = np.einsum("nap,np->na", place.h[codes], c[known])
    found[known] += prediction_error.slope(own, through)
    if effects:
        found[~known] += rows.z[~known][:, :, None] * rows.z[~known][:, None, :]
    return found
