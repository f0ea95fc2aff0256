"""``log|V|`` and ``S = [X y]'V^-1 [X y]`` at many relative factors at once, with their derivatives in closed form.

What :mod:`jaxsim.bayesian.group_sums` computes with one grouping factor, with the names of :mod:`jaxsim.crossed.deviance`. With
``W = Z'V^-1 [X y]``, along a change dT::

    d log|V| = tr(U dT)       dS = -W'dT W

so a cotangent ``(a, M)`` of the two, with M symmetric, pulls back to ``2 Gamma_f L_f``, lower part, with
``Gamma_f = sum over the levels of factor f (a U_gg - W_g M W_g')``.

Arrays have their matrix axes first and *lanes* last, as in the engine of posteriors. Inside, lanes come first: what is computed of
each is products of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.bayesian.group_sums import GroupSums
from jaxsim.crossed.deviance import Profile, by_factor, by_factors, eliminate_first, eliminated
from jaxsim.crossed.free import eliminate, profiled
from jaxsim.crossed.level_sums import diagonal_sums, product_sums
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.numerics.arrays import library
from jaxsim.numerics.lanes import in_parts
from jaxsim.numerics.schur import schur

Array = jax.Array
Tree = Any

# Bytes of what is kept of all lanes that are worked on at a time, and arrays of the size of a dataset's cross-products in it.
LANE_BYTES = {"cpu": 2**22, "gpu": 2**30}
ARRAYS = 4


def lanes(model: Model) -> int:
    """Lanes that are worked on at a time."""
    where = "cpu" if jax.default_backend() == "cpu" else "gpu"
    first = model.widths[0] * model.counts[0]
    numbers = (first + model.dense) * (model.dense + len(model.spec.fixed) + 1)
    return max(4, LANE_BYTES[where] // (8 * ARRAYS * numbers))


class Slopes(NamedTuple):
    """What the pull-back needs, of each factor: ``sum_g U_gg`` ``[q, q]`` and sums of products of entries of ``W_g``,
    ``[q^2, J^2]``, with lanes last."""

    own: tuple[Array, ...]
    products: tuple[Array, ...]


def of_lane(problem: Problem, factor: Array, model: Model) -> GroupSums:
    """Of one lane: ``log|V|`` ``[]`` and ``S`` ``[J, J]``, J = P + 1."""
    xp, r2 = library(problem.rest), model.dense
    logdet, _, _, rest = eliminate_first(problem, factor[: model.widths[0], : model.widths[0]])
    half = by_factors(rest[:r2], factor, model)
    inner = xp.eye(r2) + by_factors(half[:, :r2].T, factor, model)
    rows = [inner, half[:, r2:]], [half[:, r2:].T, rest[r2:, r2:]]
    bordered = xp.concatenate([xp.concatenate(row, axis=1) for row in rows])
    logdet_dense, products = schur(bordered, r2)
    logdet = logdet + logdet_dense
    for begin, end, one in zip(model.ends, model.ends[1:], problem.free, strict=False):
        had = eliminate(one, factor[begin:end, begin:end])
        logdet, products = logdet + had.logdet, products - had.taken
    return GroupSums(logdet, products)


def with_slopes(problem: Problem, factor: Array, model: Model) -> tuple[GroupSums, Slopes]:
    """Of one lane the sums, and what their derivatives are made of."""
    xp, at, p = library(problem.rest), eliminated(problem, factor, model), len(model.spec.fixed)
    w = [at.own, *by_factor(at.rest[: model.dense], model)]
    nothing, beta, root = xp.zeros(()), xp.zeros(p), xp.eye(p)  # so that h and s are columns of W
    free = tuple(profiled(one, had.left, beta, root) for one, had in zip(problem.free, at.free, strict=True))
    h, s = tuple(one[..., :p] for one in w), tuple(one[..., p] for one in w)
    whole = Profile(nothing, beta, root, nothing, nothing, at.u, h, s, free)
    found = GroupSums(at.logdet, at.rest[model.dense :] - sum(one.taken for one in at.free))
    return found, Slopes(tuple(diagonal_sums(whole, model)), tuple(product_sums(whole)))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def weighted_sums(problem: Problem, factor: Array, model: Model) -> GroupSums:
    """``log|V|`` ``[lanes]`` and ``S`` ``[J, J, lanes]``.

    Args:
        problem: lanes last in every array, one for each of those of ``factor``, or 1 for the last axis: then they share a dataset.
        factor: ``L`` of all factors in the order of the model, ``[Q, Q, lanes]``.
        model: of the datasets.
    """
    return by_lane(lambda one, own: of_lane(one, own, model), problem, factor, lanes(model))


def _forward(problem: Problem, factor: Array, model: Model) -> tuple[GroupSums, tuple[Slopes, Array]]:
    found, slopes = by_lane(lambda one, own: with_slopes(one, own, model), problem, factor, lanes(model))
    return found, (slopes, factor)


def _backward(model: Model, saved: tuple[Slopes, Array], cotangent: GroupSums) -> tuple[None, Array]:
    (slopes, factor), (a, m) = saved, cotangent
    m = (m + jnp.swapaxes(m, 0, 1)) / 2
    pulled = jnp.zeros_like(factor)
    for k, (begin, end) in enumerate(zip(model.ends, model.ends[1:], strict=False)):
        q, place = end - begin, slice(begin, end)
        taken = (slopes.products[k] * m.reshape(1, -1, *m.shape[2:])).sum(1)
        gamma = a * slopes.own[k] - taken.reshape(q, q, *m.shape[2:])
        lower = jnp.tril(jnp.ones((q, q))).reshape((q, q) + (1,) * (factor.ndim - 2))
        pulled = pulled.at[place, place].set(2 * lower * (gamma[:, :, None] * factor[place, place][None]).sum(1))
    return None, pulled


weighted_sums.defvjp(_forward, _backward)


def by_lane(function: Callable[[Problem, Array], Tree], problem: Problem, factor: Array, most: int) -> Tree:
    """``function(problem, L)`` of every lane, each alone; what it gives has lanes last.

    Lanes are worked on in parts of always the same size, which depends on their shape alone.

    Args:
        function: of one dataset and ``[Q, Q]``.
        problem, factor: as of :func:`weighted_sums`.
        most: lanes in a part.
    """
    given, datasets, shape = problem.n_rows.ndim, problem.n_rows.size, factor.shape[2:]
    first = jax.tree.map(lambda leaf: jnp.moveaxis(leaf.reshape(*leaf.shape[: leaf.ndim - given], datasets), -1, 0), problem)
    own = jnp.moveaxis(factor.reshape(*factor.shape[:2], datasets, -1), (0, 1), (2, 3))  # [datasets, draws, Q, Q]
    draws = own.shape[1]
    some = min(draws, most)
    parts = -(-draws // some)
    own = jnp.pad(own, ((0, 0), (0, parts * some - draws), (0, 0), (0, 0)))

    def of_dataset(one: Problem, factors: Array) -> Tree:
        """Of all draws ``[draws, Q, Q]`` of one dataset."""
        split = factors.reshape(parts, some, *factors.shape[1:])
        found = jax.lax.map(jax.vmap(lambda at: function(one, at)), split)
        return jax.tree.map(lambda leaf: leaf.reshape(parts * some, *leaf.shape[2:])[:draws], found)

    few = min(datasets, max(1, most // some))
    found = in_parts(lambda part: jax.vmap(of_dataset)(*part), (first, own), few)

    def last(leaf: Array) -> Array:
        """With the lanes behind."""
        return jnp.moveaxis(leaf, (0, 1), (-2, -1)).reshape(*leaf.shape[2:], *shape)

    return jax.tree.map(last, found)
