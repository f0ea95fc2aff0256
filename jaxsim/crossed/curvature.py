"""Gradient and Hessian of the deviance with several grouping factors, and where a search may begin.

With ``e`` the columns ``[h [REML only], sqrt(w) s]`` and, along a change ``B_k`` of T, ``M_k = h'B_k h``, ``v_k = h'B_k s``,
``c_k = s'B_k s``::

    d2 dev = -tr(U B_k U B_l) + 2 sum e'B_k U B_l e - <M_k, M_l> [REML only] - 2 w v_k'v_l - (w / pw) c_k c_l + 2 Gamma's part
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxsim.crossed.deviance import Profile, profile
from jaxsim.crossed.level_sums import Pairs, diagonal_sums, own_sums, pair_sums, slopes
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.lmm.chart import chart_of, directions
from jaxsim.lmm.newton import Point
from jaxsim.numerics.arrays import library

Array = jax.Array


def by_columns(changes: Array, model: Model) -> list[Array]:
    """Symmetric changes ``[T, Q, Q]`` of T by factor, ``[T, q^2]`` each."""
    found = []
    for begin, end in zip(model.ends, model.ends[1:], strict=False):
        found.append(changes[:, begin:end, begin:end].reshape(changes.shape[0], -1))
    return found


def in_pairs(sums: dict[tuple[int, int], Array], flat: list[Array]) -> Array:
    """The bilinear form that these sums are coefficients of, in all pairs of changes, ``[T, T]``."""
    xp, count = library(flat[0], sums[0, 0]), flat[0].shape[0]
    total = xp.zeros((count, count))
    for (f, g), one in sums.items():
        part = flat[f] @ one @ flat[g].T
        total = total + ((part + part.T) / 2 if f == g else part + part.T)
    return total


def block_diagonal(blocks: list[Array]) -> Array:
    """One matrix of the blocks ``[q, q]`` of all factors, ``[Q, Q]``."""
    if library(*blocks) is not np:
        return jax.scipy.linalg.block_diag(*blocks)
    from scipy import linalg  # noqa: PLC0415 - slow to import, and batches do without it

    made: Any = linalg
    return made.block_diag(*blocks)


def error_scale(at: Profile, reml: bool) -> Array:
    """What ``[h, s]`` is multiplied by to be ``e``, ``[P + 1]``."""
    xp = library(at.root)
    h = xp.ones(at.beta.shape[0]) if reml else xp.zeros(at.beta.shape[0])
    return xp.append(h, xp.sqrt(at.weight))


def evaluate(problem: Problem, relative: Array, model: Model) -> Point:
    """The deviance with gradient and Hessian in the chart around ``T``, as :func:`jaxsim.lmm.newton.evaluate`."""
    xp, spec = library(problem.rest), model.spec
    chart = chart_of(relative, spec.structure)
    at = profile(problem, chart.factor, model)
    scale, totals = error_scale(at, spec.reml), diagonal_sums(at, model)
    gamma = block_diagonal([total - square for total, square in zip(totals, own_sums(at, scale), strict=True)])
    changes = directions(chart, spec.structure)
    flat = by_columns(changes, model)
    pairs = pair_sums(at, scale, model)
    m, v, c = slopes(at, flat)
    hessian = curved(pairs, flat, at, (m, v, c), spec.reml)
    rows = spec.structure.entries[:, 0]
    turned = chart.order @ gamma @ chart.order.T
    return Point(
        chart=chart,
        deviance=at.deviance,
        gradient=xp.einsum("tab,ab->t", changes, gamma),
        hessian=hessian + 2 * turned[rows][:, rows] * spec.structure.same_column,
        beta=at.beta,
        root=at.root,
        pw=at.pw,
        gamma=gamma,
        m=m,
        c=c,
        stiffness=xp.concatenate([xp.diagonal(total) for total in totals]),
        decrement=xp.asarray(xp.inf),
        saddle=xp.asarray(True),
    )


def curved(pairs: Pairs, flat: list[Array], at: Profile, along: Any, reml: bool) -> Array:
    """The Hessian but for what the curvature of the coordinates adds, ``[T, T]``."""
    m, v, c = along
    hessian = 2 * in_pairs(pairs.forms, flat) - in_pairs(pairs.squares, flat)
    if reml:
        own = m.reshape(m.shape[0], -1)
        hessian = hessian - own @ own.T
    return hessian - 2 * at.weight * v @ v.T - (at.weight / at.pw) * library(c).outer(c, c)
