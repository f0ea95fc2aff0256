"""Batches of datasets as problems of one variance ratio, and their optima as the general kernel would describe them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.lmm.chart import Chart
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.newton import LADDER, PIVOT, SADDLE_TEST, Point
from jaxsim.lmm.one_variance import Groups, bends, groups_of
from jaxsim.lmm.one_variance_search import Found, search
from jaxsim.lmm.problem import Problem
from jaxsim.numerics import least_squares, small
from jaxsim.numerics.arrays import library

Array = jax.Array


class Posed(NamedTuple):
    """``L`` datasets, standardised as by :func:`jaxsim.lmm.problem.pose`: every array of ``problem`` has them first.

    ``finite`` ``[L]``: whether all numbers are.
    """

    problem: Problem
    groups: Groups
    finite: Array


def one_variance(spec: Spec) -> bool:
    """Whether a model has a single random effect."""
    return spec.structure.size == 1


def pose(data: CrossProducts, spec: Spec) -> Posed:
    """Standardise ``L`` datasets, of the products of each group only the column of the random effect.

    The problems have no ``products`` (``[L, M, M, 0]``): what is reported of an optimum does not need them, except Kenward and
    Roger's adjustment.
    """
    count, groups, m, _ = data.products.shape
    index, (z,) = np.append(spec.fixed, m - 1), spec.random
    sizes = data.sizes.astype(float)
    present = (sizes > 0).astype(float)
    # A matrix product of each dataset's own: the sums over groups have the same bits wherever it stands.
    total = (present[:, None] @ data.products.reshape(count, groups, m * m)).reshape(count, m, m).transpose(1, 2, 0)
    own = total[index][:, index]
    ls = least_squares.solve(own)
    n_rows = sizes.sum(-1)
    scale = jnp.sqrt(jnp.stack([total[i, i] for i in range(m - 1)]) / n_rows)
    scale = jnp.where(scale > 0, scale, 1.0)
    usable = ls.full_rank & ~ls.exact
    response_scale = jnp.where(usable, jnp.sqrt(ls.rss / n_rows), 1.0)

    unit = jnp.concatenate([1 / scale[index[:-1]], 1 / response_scale[None]])
    rest = own[:-1, -1] - (own[:-1, :-1] * ls.beta).sum(1)
    last = own[-1, -1] - (ls.beta * (own[:-1, -1] + rest)).sum(0)
    corner = jnp.concatenate([rest, last[None]])
    shifted = jnp.concatenate([jnp.concatenate([own[:-1, :-1], rest[:, None]], 1), corner[None]], 0)
    row = data.products[:, :, z]
    loads = [row[..., i] for i in index]
    loads[-1] = loads[-1] - sum(loads[i] * ls.beta[i][:, None] for i in range(len(spec.fixed)))
    loads = [load * (unit[i] / scale[z])[:, None] for i, load in enumerate(loads)]
    squares = row[..., z] / (scale[z] ** 2)[:, None]

    nu = n_rows - len(spec.fixed) if spec.reml else n_rows
    reduced = groups_of(shifted * unit[:, None] * unit[None], tuple(loads), squares, present.sum(-1), nu)
    none = jnp.zeros((count, m, m, 0))
    problem = Problem(none, present, sizes, scale.T, response_scale, ls.beta.T, ls.full_rank, ls.exact)
    return Posed(problem, reduced, jnp.isfinite(total).all((0, 1)))


def of_problems(problem: Problem, spec: Spec) -> Groups:
    """From ``L`` problems that are posed already, with all their products ``[L, M, M, G]``."""
    index, (z,) = np.append(spec.fixed, problem.products.shape[1] - 1), spec.random
    total = problem.products[:, index][:, :, index].sum(-1).transpose(1, 2, 0)
    row = problem.products[:, z]
    n_rows = problem.sizes.sum(-1)
    nu = n_rows - len(spec.fixed) if spec.reml else n_rows
    return groups_of(total, tuple(row[:, i] for i in index), row[:, z], problem.present.sum(-1), nu)


def optima(problem: Problem, groups: Groups, spec: Spec) -> tuple[Point, Found]:
    """The optimum of each of ``L`` problems (first axis), and how it was found."""
    usable = problem.full_rank & ~problem.exact & (problem.present.sum(-1) >= 2)
    found = search(groups, usable, spec.reml)
    return point(groups, found.ratio, spec.reml), found


def optimum(problem: Problem, spec: Spec) -> tuple[Point, Found]:
    """Of one problem."""
    several = jax.tree.map(lambda leaf: leaf[None], problem)
    return jax.tree.map(lambda leaf: leaf[0], optima(several, of_problems(several, spec), spec))


def point(data: Groups, ratio: Array, reml: bool) -> Point:
    """What the general kernel keeps of an evaluation at ``T = [[ratio]]``, the datasets first.

    Its coordinate is ``theta = sqrt T``, in which ``df = 2 theta f'`` and the second derivative is ``4 T f'' + 2 f'``.
    """
    xp = library(ratio)
    at = bends(data, ratio, reml)
    assert at.bend is not None
    theta = xp.sqrt(ratio)
    gradient, hessian = 2 * theta * at.slope, 4 * ratio * at.bend + 2 * at.slope
    chol, _ = small.cholesky(at.total[:-1, :-1])
    whitener = small.inverse_lower(chol)
    beta = (whitener * (whitener * at.total[:-1, -1][None]).sum(1)[:, None]).sum(0)
    pulled = _product(_product(whitener, at.pull[:-1, :-1]), xp.swapaxes(whitener, 0, 1))
    decrement, saddle = judged(gradient, hessian)
    one = xp.ones_like(ratio)
    found = Point(
        chart=Chart(theta[None, None], one[None, None]),
        deviance=at.value,
        gradient=gradient[None],
        hessian=hessian[None, None],
        beta=beta,
        root=xp.swapaxes(whitener, 0, 1),
        pw=at.pw,
        gamma=at.slope[None, None],
        m=2 * theta * pulled[None],
        c=(-2 * theta * at.steep * at.pw)[None],
        stiffness=at.stiffness[None],
        decrement=decrement,
        saddle=saddle,
    )
    return jax.tree.map(lambda leaf: xp.moveaxis(leaf, -1, 0), found)


def judged(gradient: Array, hessian: Array) -> tuple[Array, Array]:
    """Newton's decrement and whether there is negative curvature, by the shifts of :func:`jaxsim.lmm.newton.propose`."""
    xp = library(hessian)
    size = xp.maximum(xp.abs(hessian), 1e-8)
    lifted = hessian + LADDER[SADDLE_TEST] * size
    curvature = xp.where(hessian > PIVOT * size, hessian, lifted)
    saddle = ~(lifted > PIVOT * size)
    return xp.where(saddle, xp.inf, 0.5 * gradient**2 / xp.where(saddle, 1.0, curvature)), saddle


def _product(left: Array, right: Array) -> Array:
    """Matrix product over the first two axes, elementwise over the others."""
    return (left[:, :, None] * right[None]).sum(1)
