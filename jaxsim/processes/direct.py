"""Cross-products of Gaussian rows drawn without the rows, and the rows completed afterwards.

For ``E = [1 x e]`` with independent standard normal predictors ``x`` and noise ``e``, ``E = Q R`` with ``R`` triangular:
above the diagonal standard normal, on it ``chi`` with ``n - i`` degrees of freedom (Bartlett 1933), first row the scaled means.
Given ``R``, ``Q`` is uniform on the orthonormal frames whose first column is constant. So ``R`` alone is drawn for a fit, at a
cost that does not depend on ``n``, and any dataset can be completed to rows with exactly those cross-products.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.processes.chi import chi


def normals_needed(size: int) -> int:
    """Standard normal numbers that a triangular factor ``[size, size]`` is made from."""
    return size * (size - 1) // 2 + size - 1


def triangular_factor(size: int, normal: jax.Array, chi_key: jax.Array, n_rows: jax.Array) -> jax.Array:
    """``R`` of one group's ``[1 x e]``, ``[size, size]``; rows ``n_rows`` and beyond are zero (a group smaller than ``size``).

    Args:
        size: columns.
        normal: standard normal numbers, ``[normals_needed(size)]``.
        chi_key: key of what else the numbers on the diagonal need.
        n_rows: rows of the group.
    """
    above, proposals = jnp.split(normal, [size * (size - 1) // 2])
    df = n_rows - jnp.arange(size)
    diagonal = jnp.concatenate([jnp.sqrt(n_rows.astype(normal.dtype))[None], chi(proposals, chi_key, df[1:])])
    cuts = [i * size - i * (i + 1) // 2 for i in range(1, size)]  # where row i begins in what is above the diagonal
    parts = enumerate(jnp.split(above, cuts))
    rows = [jnp.concatenate([jnp.zeros(i, normal.dtype), diagonal[i : i + 1], part]) for i, part in parts]
    return jnp.where((df > 0)[:, None], jnp.stack(rows), 0.0)


def complete(factor: np.ndarray, gaussian: np.ndarray) -> np.ndarray:
    """Rows ``[1 x e]`` of one group, ``[n, size]``, with the given triangular factor.

    Args:
        factor: ``R``, ``[size, size]``.
        gaussian: standard normal numbers, ``[n, size - 1]``; they decide which of the frames ``Q`` is taken.
    """
    n = gaussian.shape[0]
    basis = np.column_stack([np.ones(n), gaussian])[:, : min(n, factor.shape[0])]
    frame, upper = np.linalg.qr(basis)
    frame = frame * np.where(np.diagonal(upper) < 0, -1.0, 1.0)
    rows = frame @ factor[: frame.shape[1]]
    rows[:, 0] = 1.0  # it is, up to rounding
    return rows
