"""Whether rows can tell residual variances that depend on columns from each other and from those of random effects."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxsim.data.random_effects import Structure
from jaxsim.data.rows import sums_by_cell
from jaxsim.numerics import small

Array = jax.Array

# What the fixed effects leave of a row that they determine, relative to the row; and what other variances leave of the derivative
# of one that is a combination of theirs. Rounding leaves 1e-13, one row in N that differs about 1 / N.
NOTHING = 1e-10


def determined(x: Array, present: Array) -> Array:
    """Rows of ``x`` ``[N, P]`` that the fixed effects reproduce whatever the response, bool ``[N]``.

    Their leverage is 1: every error contrast leaves them out, so REML has nothing to say of their variance, and the likelihood only
    that the smaller the better. ``present`` ``[N]``; meaningless unless the columns are independent.
    """
    x = jnp.where(present[:, None], x, 0.0)
    chol, _ = small.cholesky(x.T @ x)
    half = x @ small.inverse_lower(chol).T
    return present & (1 - (half**2).sum(1) <= NOTHING)


def confounded(by: Array, z: Array, code: Array, present: Array, groups: int, structure: Structure) -> Array:
    """Whether changes of the residual variances along ``by`` are those of variances of random effects, bool ``[]``.

    With ``V_g = Z_g T Z_g' + D_g``, the derivatives of ``V`` in the entries of T, in the residual variance and along each column of
    ``by`` must be independent matrices. Their inner products ``sum_g tr(A_g B_g)``, where all residual variances are alike, say
    whether they are: of a random effect of a column of 0 and 1 with a single 1 a group, ``Z T Z'`` is a diagonal matrix too.

    Args:
        by: ``[N, K]``, zero where there is no row.
        z: columns with random effects ``[N, Q]``; ``code`` of the group ``[N]``, ``present`` bool ``[N]``.
        groups: their number, with padding.
        structure: of T.
    """
    z = jnp.where(present[:, None], z, 0.0)
    rows, columns = structure.entries.T
    unit = jnp.eye(structure.size)
    along = unit[rows][:, :, None] * unit[columns][:, None, :]
    along = along + jnp.swapaxes(along, 1, 2)
    zz = sums_by_cell(z[:, :, None] * z[:, None, :], code, groups)
    own = jnp.column_stack([present.astype(float), by])
    diagonal = jnp.einsum("na,tab,nb->nt", z, along, z)
    random = jnp.einsum("tab,gbc,ucd,gda->tu", along, zz, along, zz)
    products = jnp.block([[random, diagonal.T @ own], [own.T @ diagonal, own.T @ own]])
    scale = jnp.sqrt(jnp.maximum(jnp.diagonal(products), 1e-300))
    _, pivots = small.semidefinite_cholesky(products / jnp.outer(scale, scale), NOTHING)
    return (pivots[-by.shape[1] :] <= NOTHING).any()
