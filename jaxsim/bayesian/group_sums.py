"""The only part of the posterior that looks at the groups: two sums over them, with their derivative in closed form.

For group g with cross-products ``K_g`` of ``[X y]``, ``Z`` a subset of the columns, ``L`` the relative factor (``T = L L'`` is the
covariance of the group effects in units of the residual variance)::

    A_g = I + L' K_zz L          D_g = K_g - K_.z L A_g^-1 L' K_z.   (= [X y]' V_g^-1 [X y])
    log|A| = sum log|A_g|        S = sum D_g

Everything else (fixed effects integrated out, priors) is algebra of small matrices without groups. Along dT::

    d log|A| = sum tr(D_zz dT)       dS = - sum D_.z dT D_z.

so a cotangent ``(a, M)`` of the two sums, with M symmetric, pulls back to ``2 G L`` with ``G = sum (a D_zz - D_z. M D_.z)``, lower
part. Automatic differentiation of the elimination would give the same (the tests compare them) and compile for half a minute.

Arrays have their matrix axes first and *lanes* last: many parameter values, for one dataset or for many, side by side. The
groups are walked one by one, so padding behind the last group of a batch costs nothing.
"""

from __future__ import annotations

import operator
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class GroupSums(NamedTuple):
    """``log|A|`` ``[lanes]`` and ``S`` ``[M, M, lanes]``."""

    logdet: Array
    products: Array


def eliminate(products: Array, factor: Array, random: tuple[int, ...]) -> tuple[Array, Array]:
    """``|A_g|`` ``[lanes]`` and ``D_g`` ``[M, M, lanes]`` of one group, by symmetric elimination of the pivots of A.

    Args:
        products: ``K_g``, ``[M, M, lanes]`` (lanes may be 1: the same data for all).
        factor: ``L``, ``[Q, Q, lanes]``, lower triangular.
        random: positions of Z among the columns, ``Q`` of them.
    """
    q = len(random)
    k_z = products[jnp.array(random)]
    lk = [_total([factor[a, i] * k_z[a] for a in range(i, q)]) for i in range(q)]  # rows of L'K_z.
    border = [[_total([lk[i][random[a]] * factor[a, j] for a in range(j, q)]) for j in range(i + 1)] for i in range(q)]  # lower
    rest = jnp.broadcast_to(products, (*products.shape[:2], *jnp.broadcast_shapes(products.shape[2:], factor.shape[2:])))
    determinant = jnp.ones(rest.shape[2:], rest.dtype)
    for k in range(q - 1, -1, -1):
        pivot = 1.0 + border[k][k]
        determinant = determinant * pivot
        scale = 1.0 / pivot
        row = lk[k]
        rest = rest - (row * scale)[:, None] * row[None]
        for i in range(k):
            ratio = border[k][i] * scale
            lk[i] = lk[i] - ratio * row
            for j in range(i + 1):
                border[i][j] = border[i][j] - ratio * border[k][j]
    return determinant, rest


def _total(terms: list[Array]) -> Array:
    return reduce(operator.add, terms)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def group_sums(products: Array, groups: Array, factor: Array, random: tuple[int, ...]) -> GroupSums:
    """``log|A|`` and ``S``.

    Args:
        products: ``K``, ``[G, M, M, lanes]`` or ``[G, M, M, 1]``.
        groups: number of the last group with rows, plus one, ``[]``: groups from there on are not looked at.
        factor: ``L``, ``[Q, Q, lanes]``.
        random: positions of Z among the columns.
    """

    def add(g: Array, sums: GroupSums) -> GroupSums:
        """The sums with those of one more group."""
        determinant, d = eliminate(products[g], factor, random)
        return GroupSums(sums.logdet + jnp.log(determinant), sums.products + d)

    shape = jnp.broadcast_shapes(products.shape[3:], factor.shape[2:])
    zero = GroupSums(jnp.zeros(shape, factor.dtype), jnp.zeros((*products.shape[1:3], *shape), factor.dtype))
    return jax.lax.fori_loop(0, groups, add, zero)


def _forward(products: Array, groups: Array, factor: Array, random: tuple[int, ...]) -> tuple[GroupSums, tuple[Array, ...]]:
    return group_sums(products, groups, factor, random), (products, groups, factor)


def _backward(random: tuple[int, ...], saved: tuple[Array, ...], cotangent: GroupSums) -> tuple[None, None, Array]:
    products, groups, factor = saved
    a, m = cotangent
    m = (m + jnp.swapaxes(m, 0, 1)) / 2
    z = jnp.array(random)

    def add(g: Array, gamma: Array) -> Array:
        """The sums with those of one more group."""
        _, d = eliminate(products[g], factor, random)
        d_z = d[z]
        dm = (d_z[:, :, None] * m[None]).sum(1)
        return gamma + a * d_z[:, z] - (dm[:, None] * d_z[None]).sum(2)

    gamma = jax.lax.fori_loop(0, groups, add, jnp.zeros_like(factor))
    q = len(random)
    lower = jnp.tril(jnp.ones((q, q))).reshape((q, q) + (1,) * (factor.ndim - 2))
    return None, None, 2 * lower * (gamma[:, :, None] * factor[None]).sum(1)


group_sums.defvjp(_forward, _backward)
