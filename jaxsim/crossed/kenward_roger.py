"""Kenward-Roger inference with several grouping factors: :mod:`jaxsim.lmm.kenward_roger`, whose sums over groups are here those of
:mod:`jaxsim.crossed.level_sums`.
"""

from __future__ import annotations

import jax

from jaxsim.crossed.curvature import block_diagonal, by_columns, in_pairs
from jaxsim.crossed.deviance import Profile, profile
from jaxsim.crossed.level_sums import diagonal_sums, pair_sums, slopes
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.lmm.kenward_roger import BASIS_RIDGE, LEAST_OBSERVED, UNINFORMATIVE, Adjustment
from jaxsim.lmm.newton import Point
from jaxsim.numerics import small
from jaxsim.numerics.arrays import einsum, library

Array = jax.Array


def kenward_roger(problem: Problem, point: Point, model: Model, observed: bool) -> Adjustment:
    """As :func:`jaxsim.lmm.kenward_roger.kenward_roger`."""
    xp, structure = library(problem.rest), model.spec.structure
    at = profile(problem, point.chart.factor, model)
    nu, fewest = problem.n_rows - len(model.spec.fixed), problem.levels.min()
    turn = turning(at, model)
    basis = xp.einsum("ai,tab,bj->tij", turn, small.own(structure.basis, problem.n_rows), turn)
    m, information, border = informations(at, basis, model, observed)
    factor, pivots = small.semidefinite_cholesky(information - xp.outer(border, border) / nu, UNINFORMATIVE / fewest)
    kept = (xp.diagonal(factor) > 0).astype(factor.dtype)
    both = xp.outer(kept, kept)
    inverse = small.inverse_lower(factor * both + xp.diag(1 - kept)) * both
    left_out = xp.diag(1 - kept) - (1 - kept)[:, None] * (factor @ inverse)
    through = xp.einsum("kr,rxy->kxy", inverse, m)
    return Adjustment(
        vcov=xp.eye(len(model.spec.fixed))
        + 4 * (inflation(at, xp.einsum("kr,rab->kab", inverse, basis), model) - xp.einsum("kxz,kzy->xy", through, through)),
        m=m,
        share=border / nu,
        inverse=inverse,
        left_out=left_out,
        nu=nu,
        definite=(pivots > -UNINFORMATIVE / fewest).all(),
        least=LEAST_OBSERVED if observed else 0.0,
    )


def turning(at: Profile, model: Model) -> Array:
    """Combinations of the random effects, within blocks, for which each factor's ``sum U_gg`` is the identity: ``[Q, Q]``."""
    xp, structure = library(at.root), model.spec.structure
    total = block_diagonal(diagonal_sums(at, model)) * structure.mask
    lengths = xp.sqrt(xp.maximum(xp.diagonal(total), 1e-300))
    chol, _ = small.cholesky(total / xp.outer(lengths, lengths) + BASIS_RIDGE * xp.eye(structure.size))
    return small.inverse_lower(chol) / lengths


def informations(at: Profile, basis: Array, model: Model, observed: bool) -> tuple[Array, Array, Array]:
    """``M_r`` ``[T, P, P]``, the information ``[T, T]`` on the random effects' parameters, its border with the scale ``[T]``."""
    xp = library(basis)
    flat = by_columns(basis, model)
    m, v, c = slopes(at, flat)
    sums, p = diagonal_sums(at, model), len(at.beta)
    traces = sum(part @ total.ravel() for part, total in zip(flat, sums, strict=True)) - xp.trace(m, axis1=1, axis2=2)
    own = m.reshape(m.shape[0], -1)
    if not observed:
        pairs = pair_sums(at, xp.append(xp.ones(p), 0.0), model)
        return m, in_pairs(pairs.squares, flat) - 2 * in_pairs(pairs.forms, flat) + own @ own.T, traces
    pairs = pair_sums(at, xp.append(xp.ones(p), xp.sqrt(at.weight)), model)
    information = 2 * in_pairs(pairs.forms, flat) - in_pairs(pairs.squares, flat) - own @ own.T - 2 * at.weight * v @ v.T
    return m, information, 2 * at.weight * c - traces


def inflation(at: Profile, changes: Array, model: Model) -> Array:
    """``sum_k (B_k h)'U(B_k h)`` ``[P, P]`` of symmetric changes ``B_k`` ``[K, Q, Q]``."""
    xp, u = library(changes), at.u
    parts = [
        xp.einsum("kab,bgx->agkx", changes[:, begin:end, begin:end], h)
        for begin, end, h in zip(model.ends, model.ends[1:], at.h, strict=False)
    ]
    count, p = changes.shape[0], at.h[0].shape[2]
    flat = [part.reshape(-1, count, p) for part in parts]
    first = xp.einsum("abg,bgkx->agkx", u.own, parts[0]).reshape(flat[0].shape)
    total = xp.einsum("nkx,nky->xy", flat[0], first)
    if u.through is not None:
        pulled = (u.through.reshape(u.through.shape[0], -1) @ flat[0].reshape(flat[0].shape[0], -1)).reshape(-1, count, p)
        total = total - xp.einsum("ikx,iky->xy", pulled, pulled)
    rest = xp.concatenate([xp.zeros((0, count, p)), *flat[1:]])
    dense = (u.dense @ rest.reshape(rest.shape[0], -1)).reshape(rest.shape)
    across = (u.across.reshape(-1, rest.shape[0]) @ rest.reshape(rest.shape[0], -1)).reshape(flat[0].shape)
    beside = xp.einsum("nkx,nky->xy", flat[0], across)
    total = total + beside + beside.T + xp.einsum("nkx,nky->xy", rest, dense)
    for begin, end, one in zip(model.ends, model.ends[1:], at.free, strict=False):
        change = changes[:, begin:end, begin:end]
        inner = einsum("kab,ac,kcd->bd", change, one.u, change)
        total = total + xp.einsum("bd,bxdy->xy", inner, one.columns[:, :p, :, :p])
    return total
