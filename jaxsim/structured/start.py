"""Where the search begins: the criterion is looked at on a coarse grid, and the best places of it are started from.

A serial correlation and a random intercept explain much of the same: the criterion may have an optimum with much of one and little
of the other, and another the other way round. Of 1,200 fits of 8 to 20 groups of 5 to 10 rows, correlations of 0 to .8 and one or
two random effects, two starts missed none of the optima that nine starts find; of 600 of 5 to 10 groups of 3 to 5 rows with two
random effects two missed four and all five one.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.lmm.chart import chart_of
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.problem import Problem
from jaxsim.lmm.start import HALF, SMALL_GROUP, bounded, has, moments
from jaxsim.structured.deviance import deviance
from jaxsim.structured.residuals import Residuals

Array = jax.Array

# Multiples of the moment estimate of T (made as if residuals were independent) that are looked at with each psi.
MULTIPLES = (1.0, 0.2, 0.02, 5.0)
# Starts of datasets whose groups are not small.
NEEDED = 2


class Starts(NamedTuple):
    """Starting values ``psi`` ``[S, K]`` and ``relative`` T ``[S, Q, Q]``, the best first, and how many are needed, ``[]``."""

    psi: Array
    relative: Array
    needed: Array


def starts(problem: Problem, residuals: Residuals, candidates: Array, spec: Spec, unusable: Array) -> Starts:
    """For each candidate ``psi`` ``[S, K]`` the best multiple, the candidates in the order of the criterion there.

    Small groups (as for :mod:`jaxsim.lmm.start`) need them all, others two. A dataset that cannot be fitted (``unusable``, or with
    fewer than two groups) needs none: its search ends with its first step.
    """
    mask = spec.structure.mask
    moment = bounded(moments(problem, spec) * mask) * mask
    choices = jnp.stack([moment * multiple for multiple in MULTIPLES])

    def value(psi: Array, relative: Array) -> Array:
        """The criterion there; infinite where it has none."""
        found = deviance(residuals, psi, chart_of(relative, spec.structure).factor, problem.n_rows, spec)
        return jnp.where(jnp.isfinite(found), found, jnp.inf)

    table = jax.lax.map(lambda psi: jax.vmap(lambda relative: value(psi, relative))(choices), candidates)
    order = jnp.argsort(table.min(1))
    relative = choices[jnp.argmin(table, axis=1)]
    enough = has(HALF, SMALL_GROUP * spec.structure.size, problem)
    needed = jnp.where(enough, min(NEEDED, len(candidates)), len(candidates))
    return Starts(candidates[order], relative[order], jnp.where((problem.n_groups < 2) | unusable, 0, needed))
