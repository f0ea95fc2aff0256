"""Traces of products of the matrices that V is a combination of: what they say of which variances the data tell apart.

The likelihood sees ``V = sigma^2 (I + sum_k t_k Z_k Z_k')``, the restricted likelihood ``M V M`` with the residual maker ``M`` of
the fixed effects: where these matrices, the identity (or ``M``) among them, depend on each other linearly, either is the same along
a line of parameters, and the matrix of the traces of their products two by two is singular.
"""

from __future__ import annotations

import jax
import numpy as np

from jaxsim.crossed.deviance import Profile
from jaxsim.crossed.kenward_roger import informations
from jaxsim.crossed.model import Model
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library

Array = jax.Array

# What is left of a matrix once the others are accounted for, relative to its square. Of components that can hardly be told apart,
# such as slopes that differ in one row of a hundred, 1e-4 is left; rounding leaves 1e-14.
UNIDENTIFIED = 1e-10


def traces(at: Profile, n_rows: Array, model: Model) -> Array:
    """Of the products of the matrices of ``M V M``, in the order of T's entries and the residual variance last, ``[T + 1, T + 1]``.

    Args:
        at: :func:`jaxsim.crossed.deviance.unrelated`; those of V :func:`without_fixed`.
        n_rows: of the dataset, less what the fixed effects take.
        model: the model.
    """
    xp = library(at.root)
    _, information, border = informations(at, small.own(model.spec.structure.basis, n_rows), model, observed=False)
    return xp.block([[information, border[:, None]], [border[None], xp.reshape(n_rows, (1, 1))]])


def without_fixed(at: Profile) -> Profile:
    """The same as if the fixed effects were known: no part of the responses is left to them."""
    xp, p = library(at.root), len(at.beta)
    errors = np.arange(p + 1) == p  # of the columns [h, s], s alone
    free = tuple(one._replace(columns=one.columns * errors[:, None, None] * errors) for one in at.free)
    return at._replace(h=tuple(xp.zeros_like(one) for one in at.h), free=free)


def definite(matrix: Array) -> Array:
    """Whether the matrices with these :func:`traces` are independent, bool ``[]``."""
    xp = library(matrix)
    scale = xp.sqrt(xp.maximum(xp.diagonal(matrix), 1e-300))
    _, pivots = small.cholesky(matrix / xp.outer(scale, scale))
    return (pivots > UNIDENTIFIED).all()
