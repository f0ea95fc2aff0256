"""Posterior means of the groups' coefficients, from the weighted draws of everything else.

Given SDs and correlations, with ``L`` the relative factor, ``A_g = I + L' K_zz L`` and ``m`` the mean of the fixed effects given
them, the effects of group g have the mean ``L A_g^-1 L' (K_zy - K_zx m)``: they are linear in the fixed effects, which are thus
integrated out, too. Averaging these means over the draws is exact given the draws, and has a smaller Monte Carlo error than drawing
group effects (Gelfand & Smith 1990: Rao-Blackwell).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.bayesian.importance import LANES
from jaxsim.bayesian.laplace import widen
from jaxsim.bayesian.parameters import unpack
from jaxsim.bayesian.problem import Model, Problem

Array = jax.Array


def group_means(problem: Problem, model: Model, weight: Array, vector: Array, mean: Array) -> Array:
    """Posterior means of the coefficients of every group, in the units of the data.

    Args:
        problem: lanes ``[datasets]``.
        model: of the datasets.
        weight: of the draws, ``[datasets, draws]``, sum one.
        vector: SDs, correlations, sigma as in :mod:`parameters`, ``[D, datasets, draws]``.
        mean: of the fixed effects given them, ``[P, datasets, draws]``.

    Returns:
        ``[datasets, G, P]``; for padding the fixed effects. A random effect of a column without a fixed one is not among them.
    """
    # What is computed here must not change how anything else is compiled: the last bits of other columns are to stay.
    weight, vector, mean = jax.lax.optimization_barrier((weight, vector, mean))
    datasets, count = weight.shape
    chunk = min(count, max(1, LANES // datasets))
    parts = -(-count // chunk)

    def split(values: Array) -> Array:
        """Parts of the draws first; those that fill the last one have weight zero."""
        padded = jnp.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, parts * chunk - count)])
        return jnp.moveaxis(padded.reshape(*values.shape[:-1], parts, chunk), -2, 0)

    def add(total: Array, part: tuple[Array, Array, Array]) -> tuple[Array, None]:
        return total + _effects(problem, model, *part), None

    shape = (problem.products.shape[0], len(model.random), datasets)
    effects, _ = jax.lax.scan(add, jnp.zeros(shape, mean.dtype), (split(weight), split(vector), split(mean)))
    return in_units(problem, model, _total(weight, mean), effects)


def _effects(problem: Problem, model: Model, weight: Array, vector: Array, mean: Array) -> Array:
    """Weighted sums over some draws of the means of every group's effects, ``[G, Q, datasets]``, in the units of the problem."""
    wide, factor = widen(problem), unpack(vector, model.structure).factor

    def add(g: Array, total: Array) -> Array:
        white = jnp.stack(_white(wide.products[g], factor, mean, model))
        white = jax.lax.optimization_barrier(white)  # or each effect computes all of it anew
        return total.at[g].set(_total(weight, (factor * white[None]).sum(1)))

    shape = (problem.products.shape[0], len(model.random), weight.shape[0])
    return jax.lax.fori_loop(0, problem.groups, add, jnp.zeros(shape, mean.dtype))


def _white(k: Array, factor: Array, mean: Array, model: Model) -> list[Array]:
    """``A^-1 L' (K_zy - K_zx m)`` of one group, ``[lanes]`` for each of Q, by symmetric elimination.

    Entry by entry, as in :func:`jaxsim.bayesian.group_sums.eliminate`: arrays of small matrices take ten times as long.
    """
    x, z = model.fixed, model.random
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


def _total(weight: Array, values: Array) -> Array:
    """Weighted sum over draws, the last axis; a weight of zero counts for nothing, whatever a density that overflows made of it."""
    return jnp.where(weight > 0, weight * values, 0.0).sum(-1)


def in_units(problem: Problem, model: Model, centre: Array, effects: Array) -> Array:
    """Coefficients ``[datasets, G, P]`` from the means of fixed ``[P, datasets]`` and of groups' effects ``[G, Q, datasets]``."""
    own = [(model.fixed.index(column), k) for k, column in enumerate(model.random) if column in model.fixed]
    coefficients = jnp.broadcast_to(centre, (len(effects), *centre.shape))
    if own:
        places, which = (jnp.array(values) for values in zip(*own, strict=True))
        coefficients = coefficients.at[:, places].add(effects[:, which])
    unit = problem.response_unit / problem.column_unit[jnp.array(model.fixed)]
    return jnp.moveaxis(problem.shift + unit * coefficients, -1, 0)
