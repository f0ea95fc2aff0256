"""Means of the groups' effects given everything else, summed over draws of it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array


def sums_of_means(
    products: Array, groups: Array, factor: Array, mean: Array, weight: Array, fixed: tuple[int, ...], random: tuple[int, ...]
) -> Array:
    """Weighted sums over some draws of the means of every group's effects, ``[G, Q, datasets]``, in the units of the problem.

    Args:
        products: as of :class:`jaxsim.bayesian.problem.Problem`, ``[G, M, M, datasets, 1]``.
        groups: number of the last group with rows, plus one, ``[]``.
        factor: ``L`` of each draw, ``[Q, Q, datasets, draws]``.
        mean: of the fixed effects given it, ``[P, datasets, draws]``.
        weight: of the draws, ``[datasets, draws]``.
        fixed, random: positions of the columns.
    """

    def add(g: Array, total: Array) -> Array:
        """With the sums of one group."""
        white = jnp.stack(_white(products[g], factor, mean, fixed, random))
        white = jax.lax.optimization_barrier(white)  # or each effect computes all of it anew
        return total.at[g].set(weighted(weight, (factor * white[None]).sum(1)))

    shape = (products.shape[0], len(random), weight.shape[0])
    return jax.lax.fori_loop(0, groups, add, jnp.zeros(shape, mean.dtype))


def _white(k: Array, factor: Array, mean: Array, x: tuple[int, ...], z: tuple[int, ...]) -> list[Array]:
    """``A^-1 L' (K_zy - K_zx m)`` of one group, ``[lanes]`` for each of Q, by symmetric elimination.

    Entry by entry, as in :func:`jaxsim.bayesian.group_sums.eliminate`: arrays of small matrices take ten times as long.
    """
    q = len(z)
    score = [k[a, -1] - sum(k[a, b] * mean[i] for i, b in enumerate(x)) for a in z]
    half = [[sum(factor[a, i] * k[z[a], z[b]] for a in range(i, q)) for b in range(q)] for i in range(q)]  # L' K_zz
    border: list[list[Any]] = [
        [sum(half[i][b] * factor[b, j] for b in range(j, q)) + (i == j) for j in range(i + 1)] for i in range(q)
    ]
    white: list[Any] = [sum(factor[a, i] * score[a] for a in range(i, q)) for i in range(q)]
    for j in range(q):
        for i in range(j + 1, q):
            ratio = border[i][j] / border[j][j]
            white[i] = white[i] - ratio * white[j]
            for b in range(j + 1, i + 1):
                border[i][b] = border[i][b] - ratio * border[b][j]
    for j in reversed(range(q)):
        white[j] = (white[j] - sum(border[i][j] * white[i] for i in range(j + 1, q))) / border[j][j]
    return white


def weighted(weight: Array, values: Array) -> Array:
    """Weighted sum over draws, the last axis; a weight of zero counts for nothing, whatever a density that overflows made of it."""
    return jnp.where(weight > 0, weight * values, 0.0).sum(-1)
