"""How far predictions of a model with several grouping factors may lie from what they predict, on NumPy.

As :mod:`jaxsim.lmm.prediction_error`, with all effects of all factors at once. Of a row ``(x, z)``, ``z`` zero but for the effects
of its own levels, with ``y = T z`` and the names of :mod:`jaxsim.crossed.deviance`::

    a = x - U_xz y,  variance / sigma^2 = a'C a + z'y - y'U y,  d variance / sigma^2 = w' dT w,  w = z - U y - h root'a

the last because the prediction is the linear one that errs least: its weights may be held while ``T`` moves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxsim.crossed.deviance import Inner, Profile
from jaxsim.crossed.model import Model
from jaxsim.lmm import prediction_error
from jaxsim.lmm.chart import directions
from jaxsim.lmm.newton import Point
from jaxsim.lmm.solution import unprofiled
from jaxsim.numerics.arrays import on_numpy

# Rows that are worked on at a time: each has as many numbers as the model has random effects.
CHUNK = 256


class Errors(NamedTuple):
    """Of each row, over the residual variance: ``a`` ``[N, P]``, the variance ``given`` the fixed effects ``[N]``, and the slopes
    of the whole along the coordinates of the chart ``[N, T]``."""

    a: np.ndarray
    given: np.ndarray
    along: np.ndarray


class Rows(NamedTuple):
    """Rows that are predicted, in the units of the problem: ``x`` ``[N, P]``; ``z`` of each factor of the model ``[N, q]``;
    ``codes`` of each ``[N]``, negative for a level without rows."""

    x: np.ndarray
    z: list[np.ndarray]
    codes: list[np.ndarray]


def errors(at: Profile, point: Point, model: Model, rows: Rows, effects: bool) -> Errors:
    """The pieces of the errors' variances; ``effects``: whether those of levels without rows are part of what is predicted."""
    moves = np.asarray(on_numpy(directions)(point.chart, model.spec.structure))
    parts = [
        _chunk(at, point, model, _some(rows, slice(begin, begin + CHUNK)), moves, effects) for begin in range(0, len(rows.x), CHUNK)
    ]
    empty = Errors(rows.x, np.zeros(0), np.zeros((0, len(moves))))
    return Errors(*(np.concatenate(piece) for piece in zip(*parts, strict=True))) if parts else empty


def degrees(point: Point, nu: float, plain: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Satterthwaite's degrees of freedom of variances that are ``plain`` ``[N]`` times that of the residual, ``along`` their slopes
    ``[N, T]``."""
    sigma = float(np.sqrt(np.asarray(point.pw) / nu))
    slopes, count = np.column_stack([sigma**2 * along, 2 * sigma * plain]).T, np.float64(nu)
    hessian = on_numpy(unprofiled)(point, count)
    return np.asarray(on_numpy(prediction_error.degrees)(sigma**2 * plain, slopes, hessian))


def _some(rows: Rows, which: slice) -> Rows:
    return Rows(rows.x[which], [z[which] for z in rows.z], [codes[which] for codes in rows.codes])


def _chunk(at: Profile, point: Point, model: Model, rows: Rows, moves: np.ndarray, effects: bool) -> Errors:
    factor = np.asarray(point.chart.factor)
    relative, n, root = factor @ factor.T, len(rows.x), np.asarray(at.root)
    blocks = [slice(begin, end) for begin, end in zip(model.ends, model.ends[1:], strict=False)]
    own, pulled, given, along = [], [], np.zeros(n), np.zeros((n, len(moves)))
    for f, block in enumerate(blocks):
        z, codes = rows.z[f], rows.codes[f]
        pull, known = z @ relative[block, block], codes >= 0
        given += np.where(known | effects, (pull * z).sum(1), 0.0)
        if effects:
            along[~known] += np.einsum("na,kab,nb->nk", z[~known], moves[:, block, block], z[~known])
        own.append(_placed(z, codes, model.counts[f]))
        pulled.append(_placed(pull, codes, model.counts[f]))
    through = times(at.u, pulled)
    h = [np.asarray(one) for one in at.h]
    a = rows.x - np.linalg.solve(root.T, sum(np.einsum("qgp,qgn->pn", one, pull) for one, pull in zip(h, pulled, strict=True))).T
    given -= np.sum([np.einsum("qgn,qgn->n", one, pull) for one, pull in zip(through, pulled, strict=True)], axis=0)
    white = a @ root
    for f, block in enumerate(blocks):
        w = own[f] - through[f] - np.einsum("qgp,np->qgn", h[f], white)
        along += np.einsum("abn,kab->nk", np.einsum("agn,bgn->abn", w, w), moves[:, block, block])
    return Errors(a, given, along)


def _placed(values: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Values ``[n, q]`` at the level of each row, ``[q, G, n]``; none of a level without rows."""
    found = np.zeros((values.shape[1], count, len(values)))
    known = np.flatnonzero(codes >= 0)
    found[:, codes[known], known] = values[known].T
    return found


def times(u: Inner, vectors: list[np.ndarray]) -> list[np.ndarray]:
    """``U`` times vectors of the effects of each factor, ``[q, G, n]`` each."""
    first, n = vectors[0], vectors[0].shape[2]
    own, across, dense = np.asarray(u.own), np.asarray(u.across), np.asarray(u.dense)
    rest = np.concatenate([vector.reshape(-1, n) for vector in vectors[1:]])
    top = np.einsum("abg,bgn->agn", own, first)
    flat, wide = first.reshape(-1, n), across.reshape(-1, across.shape[2])
    if u.through is not None:
        through = np.asarray(u.through).reshape(len(u.through), -1)
        top = top - (through.T @ (through @ flat)).reshape(top.shape)
    found, below, begin = [top + (wide @ rest).reshape(top.shape)], wide.T @ flat + dense @ rest, 0
    for vector in vectors[1:]:
        size = vector.shape[0] * vector.shape[1]
        found.append(below[begin : begin + size].reshape(vector.shape))
        begin += size
    return found
