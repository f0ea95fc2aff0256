"""Coordinates of the posterior: log SDs, correlations, log residual SD as one vector without bounds, and what else is sampled.

A correlation matrix is its Cholesky factor ``C``, row by row a unit vector whose entries are ``tanh`` of free numbers times what
the entries before leave of the length (Lewandowski, Kurowicka & Joe 2009; the same as in Stan and NumPyro).
Matrix axes come first, lanes last.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from jaxsim.data.random_effects import Structure

Array = jax.Array


class Hyper(NamedTuple):
    """``sd`` ``[Q, lanes]``, ``root`` (Cholesky factor of the correlation matrix) ``[Q, Q, lanes]``, ``sigma`` ``[lanes]``."""

    sd: Array
    root: Array
    sigma: Array

    @property
    def factor(self) -> Array:
        """Relative factor ``L`` with ``sigma^2 L L'`` the covariance of the group effects, ``[Q, Q, lanes]``."""
        return self.sd[:, None] * self.root / self.sigma

    @property
    def correlation(self) -> Array:
        """Correlation matrix, ``[Q, Q, lanes]``."""
        return (self.root[:, None] * self.root[None]).sum(2)


def pairs(structure: Structure) -> list[tuple[int, int]]:
    """Row and column of each free correlation, row by row within a block: the order of NumPyro's ``corr_cholesky``."""
    return [(i, j) for block in structure.blocks for a, i in enumerate(block) for j in block[:a]]


def size(structure: Structure) -> int:
    """How many numbers of the vector are SDs, correlations and sigma: all of them, unless fixed effects follow
    (:mod:`coefficients`)."""
    return structure.size + len(pairs(structure)) + 1


def names(structure: Structure, random: tuple[str, ...]) -> tuple[str, ...]:
    """``sd_<column>``, ``cor_<column>_<column>`` and ``sigma``, in the order of the vector."""
    correlations = tuple(f"cor_{random[j]}_{random[i]}" for i, j in pairs(structure))
    return (*(f"sd_{name}" for name in random), *correlations, "sigma")


def unpack(vector: Array, structure: Structure) -> Hyper:
    """From the vector ``[D, lanes]`` to standard deviations and correlations."""
    q, last = structure.size, size(structure) - 1
    partial = dict(zip(pairs(structure), jnp.tanh(vector[q:last]), strict=True))
    zero, one = jnp.zeros(vector.shape[1:], vector.dtype), jnp.ones(vector.shape[1:], vector.dtype)
    rows = []
    for i in range(q):
        left, row = one, [zero] * q
        for j in range(i):
            if (i, j) in partial:
                row[j] = partial[i, j] * jnp.sqrt(left)
                left = left * (1 - partial[i, j] ** 2)
        row[i] = jnp.sqrt(left)
        rows.append(jnp.stack(row))
    return Hyper(jnp.exp(vector[:q]), jnp.stack(rows), jnp.exp(vector[last]))


def reported(hyper: Hyper, structure: Structure) -> Array:
    """SDs, correlations and sigma themselves, ``[D, lanes]``, in the order of :func:`names`."""
    correlation = hyper.correlation
    return jnp.concatenate([hyper.sd, jnp.stack([*(correlation[i, j] for i, j in pairs(structure)), hyper.sigma])])


def log_lkj(free: Array, structure: Structure, concentration: float) -> Array:
    """Log density ``[lanes]`` of the free numbers ``[K, lanes]`` when the correlations have the LKJ distribution.

    The partial correlation in place ``j`` of a block of ``k`` columns is ``2 Beta(a, a) - 1`` with ``a = concentration +
    (k - 2 - j) / 2`` (Lewandowski, Kurowicka & Joe 2009, section 2.4), whose logit-like coordinate has the density below.
    """
    shapes = [concentration + (len(block) - 2 - b) / 2 for block in structure.blocks for a in range(len(block)) for b in range(a)]
    shape = np.array(shapes).reshape((-1,) + (1,) * (free.ndim - 1))
    constant = -((2 * shape - 1) * np.log(2.0) + special.betaln(shape, shape))
    # log(1 - tanh(z)^2) without cancellation.
    log_gap = 2 * (jnp.log(2.0) - jnp.abs(free) - jnp.log1p(jnp.exp(-2 * jnp.abs(free))))
    return (shape * log_gap + constant).sum(0)
