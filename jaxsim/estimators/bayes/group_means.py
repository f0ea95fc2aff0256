"""Posterior means of the groups' coefficients, from the weighted draws of everything else.

Given SDs and correlations, with ``L`` the relative factor, ``A_g = I + L' K_zz L`` and ``m`` the mean of the fixed effects given
them, the effects of group g have the mean ``L A_g^-1 L' (K_zy - K_zx m)``: they are linear in the fixed effects, which are thus
integrated out, too. Averaging these means over the draws is exact given the draws, and has a smaller Monte Carlo error than drawing
group effects (Gelfand & Smith 1990, section 2.3: Rao-Blackwell).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxsim import small
from jaxsim.estimators.bayes.importance import LANES
from jaxsim.estimators.bayes.laplace import widen
from jaxsim.estimators.bayes.parameters import unpack
from jaxsim.estimators.bayes.problem import Model, Problem

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
    return _in_units(problem, model, _total(weight, mean), effects)


def _effects(problem: Problem, model: Model, weight: Array, vector: Array, mean: Array) -> Array:
    """Weighted sums over some draws of the means of every group's effects, ``[G, Q, datasets]``, in the units of the problem."""
    x, z, q = jnp.array(model.fixed), jnp.array(model.random), len(model.random)
    wide, factor = widen(problem), unpack(vector, model.structure).factor
    eye = jnp.eye(q).reshape(q, q, 1, 1)

    def add(g: Array, total: Array) -> Array:
        k_z = wide.products[g][z]
        score = k_z[:, -1] - (k_z[:, x] * mean[None]).sum(1)
        half = (factor[:, :, None] * k_z[:, z][:, None]).sum(0)  # L' K_zz
        root = small.inverse_lower(small.cholesky(eye + (half[:, :, None] * factor[None]).sum(1))[0])
        white = (root * (factor * score[:, None]).sum(0)[None]).sum(1)
        solved = (root * white[:, None]).sum(0)
        return total.at[g].set(_total(weight, (factor * solved[None]).sum(1)))

    shape = (problem.products.shape[0], q, weight.shape[0])
    return jax.lax.fori_loop(0, problem.groups, add, jnp.zeros(shape, mean.dtype))


def _total(weight: Array, values: Array) -> Array:
    """Weighted sum over draws, the last axis; a weight of zero counts for nothing, whatever a density that overflows made of it."""
    return jnp.where(weight > 0, weight * values, 0.0).sum(-1)


def _in_units(problem: Problem, model: Model, centre: Array, effects: Array) -> Array:
    """Coefficients ``[datasets, G, P]`` from the means of fixed ``[P, datasets]`` and of groups' effects ``[G, Q, datasets]``."""
    own = [(model.fixed.index(column), k) for k, column in enumerate(model.random) if column in model.fixed]
    coefficients = jnp.broadcast_to(centre, (len(effects), *centre.shape))
    if own:
        places, which = (jnp.array(values) for values in zip(*own, strict=True))
        coefficients = coefficients.at[:, places].add(effects[:, which])
    unit = problem.response_unit / problem.column_unit[jnp.array(model.fixed)]
    return jnp.moveaxis(problem.shift + unit * coefficients, -1, 0)
