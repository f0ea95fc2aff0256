"""How far predictions of a mixed model may lie from what they predict.

Henderson's mixed-model equations (Henderson 1975, *Biometrics* 31, 423-447) give the joint covariance of ``beta^ - beta`` and
``b^ - b``. Of a row ``(x, z)`` of group g, with the names of :mod:`jaxsim.frames.postestimation.surface`, the error is::

    x'(beta^ - beta) + z'(b^ - b) = a'(beta^ - beta) + z'(b~ - b),  a = x - B_g' K_g z

where ``b~`` is the prediction with known fixed effects: its error has covariance ``sigma^2 K_g`` (lme4's ``condVar``) and is
independent of the responses, hence of ``beta^``. So the variance is ``a' Var(beta^) a + sigma^2 z'K_g z``; of a group without rows
``K_g`` is ``T``. Variances are taken as known, as lme4's ``predict(se.fit = TRUE)`` does; that they are estimated is allowed for by
Satterthwaite's degrees of freedom ``2 v^2 / Var(v)`` of the variance ``v`` (as SAS's MIXED has for predictions).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.components import is_reml
from jaxsim.frames.postestimation.row_terms import offset_of, weights_of
from jaxsim.frames.postestimation.simulation import factor_of
from jaxsim.frames.postestimation.surface import Place, Surface, derivatives, surface
from jaxsim.lmm.solution import HESSIAN_RIDGE


class Spread(NamedTuple):
    """``variance`` of each row's error and the degrees of freedom with which it is known, ``[N]`` each."""

    variance: np.ndarray
    df: np.ndarray


class Design(NamedTuple):
    """Rows that are predicted: ``x`` ``[N, P]``, ``z`` ``[N, Q]``, ``codes`` ``[N]`` of the groups (-1 for one without rows)."""

    x: np.ndarray
    z: np.ndarray
    codes: np.ndarray


def surface_of(model: MixedModel, reml: bool) -> Surface:
    """The deviance of the model's own rows."""
    root = np.sqrt(weights_of(model))
    x, z = model.x.values * root[:, None], model.z * root[:, None]
    return surface(x, z, (model.y - offset_of(model)) * root, model.codes, model.structure, reml)


def spread(fit: Fitted, rows: Design, *, effects: bool, noise: bool) -> Spread:
    """Of the errors of predictions of a mixed model.

    Args:
        fit: the model.
        rows: that are predicted, by the modes of groups that are known and by fixed effects alone elsewhere.
        effects: whether the random effects of rows without a known group are part of what is predicted.
        noise: whether the residual (of a row of weight 1) is.
    """
    assert isinstance(fit.model, MixedModel)
    assert fit.sigma is not None
    on, factor, variance = surface_of(fit.model, is_reml(fit)), factor_of(fit), fit.sigma**2
    place = on.at(factor @ factor.T / variance)
    pull = _pull(place, rows, effects)
    a = rows.x @ on.basis.inverse
    known = rows.codes >= 0
    a[known] -= np.einsum("nq,nqp->np", pull[known], on.zx[rows.codes[known]])
    vcov = on.basis.r @ fit.vcov.to_numpy() @ on.basis.r.T
    relative = np.einsum("nq,nq->n", pull, rows.z) + noise
    # Of the variance without an adjustment, and over that of the residual: its value, and its slopes in T and along the residual's.
    plain = np.einsum("np,pr,nr->n", a, place.c, a) + relative
    slope = _slopes(place, rows, a, effects)
    along = np.einsum("nab,kab->nk", slope, _directions(on, factor, fit.sigma))
    along = np.column_stack([along, plain - np.einsum("nab,ab->n", slope, place.relative)])
    _, _, hessian = derivatives(on, factor, np.log(variance))
    return Spread(np.einsum("np,pr,nr->n", a, vcov, a) + variance * relative, _degrees(plain, along, hessian))


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
    found[known] += (
        own[:, :, None] * own[:, None, :] - through[:, :, None] * own[:, None, :] - own[:, :, None] * through[:, None, :]
    )
    if effects:
        found[~known] += rows.z[~known][:, :, None] * rows.z[~known][:, None, :]
    return found


def _directions(on: Surface, factor: np.ndarray, sigma: float) -> np.ndarray:
    """``dT`` along each free entry of the absolute factor, ``[T, Q, Q]``."""
    rows, columns = on.structure.entries.T
    half = np.eye(len(factor))[rows][:, :, None] * factor.T[columns][:, None, :] / sigma**2
    return half + np.swapaxes(half, 1, 2)


def _degrees(variance: np.ndarray, slopes: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """Satterthwaite's ``2 v^2 / g' W g`` with ``W`` twice the inverse Hessian of the deviance, ``[N]``."""
    scale = np.sqrt(np.maximum(np.diagonal(hessian), 1e-300))
    inverse = np.linalg.inv(hessian / np.outer(scale, scale) + HESSIAN_RIDGE * np.eye(len(scale)))
    slopes = slopes / scale
    return variance**2 / np.einsum("nk,kl,nl->n", slopes, inverse, slopes)
