"""Posterior means of the groups' coefficients, from the weighted draws of everything else.

Given SDs and correlations, with ``L`` the relative factor, ``A_g = I + L' K_zz L`` and ``m`` the mean of the fixed effects given
them, the effects of group g have the mean ``L A_g^-1 L' (K_zy - K_zx m)``: they are linear in the fixed effects, which are thus
integrated out, too. Averaging these means over the draws is exact given the draws, and has a smaller Monte Carlo error than drawing
group effects (Gelfand & Smith 1990: Rao-Blackwell).
"""

from __future__ import annotations

import operator
from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.bayesian.group_effects import weighted
from jaxsim.bayesian.importance import LANES
from jaxsim.bayesian.parameters import unpack
from jaxsim.bayesian.problem import Model, Problem

Array = jax.Array
Tree = Any


def group_means(problem: Problem, model: Model, weight: Array, vector: Array, mean: Array) -> Array:
    """Posterior means of the coefficients of every group, in the units of the data.

    Args:
        problem: lanes ``[datasets]``.
        model: of the datasets.
        weight: of the draws, ``[datasets, draws]``, sum one.
        vector: SDs, correlations, sigma as in :mod:`parameters`, ``[D, datasets, draws]``.
        mean: of the fixed effects given them, ``[P, datasets, draws]``.

    Returns:
        ``[datasets, ..]`` as :meth:`Model.in_units` has them.
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

    def of_part(weight: Array, vector: Array, mean: Array) -> Tree:
        """Weighted sums of the effects of some draws."""
        return model.effects(problem, weight, unpack(vector, model.structure).factor, mean)

    def add(total: Tree, part: tuple[Array, Array, Array]) -> tuple[Tree, None]:
        """The sums with those of one more part of the draws."""
        return jax.tree.map(operator.add, total, of_part(*part)), None

    draws = split(weight), split(vector), split(mean)
    shapes = jax.eval_shape(of_part, *(leaf[0] for leaf in draws))
    effects, _ = jax.lax.scan(add, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes), draws)
    return model.in_units(problem, weighted(weight, mean), effects)
