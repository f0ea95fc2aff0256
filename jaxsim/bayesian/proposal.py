"""What importance sampling draws from: a multivariate t distribution, and parts that reach along the group SDs and correlations.

Below some value the data no longer tell a group SD from zero: its posterior has a left tail that leaves the ellipsoid of the rest,
even where it is made short (:mod:`bend`). A single t distribution fitted to the whole puts few draws there. So of the draws x of a
round, a fixed number comes for each SD k from the same distribution moved and widened along that coordinate e_k (a defensive
mixture, Hesterberg 1995)::

    x ~ t(m - c_k e_k,  V + w^2 e_k e_k')        c_k = SHIFT + sqrt(V_kk),  w = WIDTH

and fewer for each coordinate of a correlation, whose tails on both sides are as those of the prior where an SD is small, with
``c_k = 0``.

With ``V = L L'``, ``h = L^-1 e_k``, ``z = L^-1 (x - m)`` and ``a = h'z + c_k h'h`` (Sherman & Morrison 1950)::

    |V + w^2 e_k e_k'| = |V| (1 + w^2 h'h)
    squared distance   = z'z + c_k (h'z + a) - w^2 a^2 / (1 + w^2 h'h)

so the density of every part costs one inner product more. Coordinates are as in :mod:`parameters`: log SDs, correlations, others.
Arrays end with ``D`` (datasets) and ``S`` (draws).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from jaxsim.bayesian.parameters import pairs
from jaxsim.data.random_effects import Structure
from jaxsim.numerics import small

Array = jax.Array

# Degrees of freedom, an even number: tails heavier than those of log SDs and correlations, which are exponential.
DF = 10
# Shares of a round's draws that go towards zero SDs, and (at most) along correlations, all of them together.
TOWARDS_ZERO, ALONG_CORRELATIONS = 1 / 8, 3 / 32
# How far, in units of bent log SD, in which the tail spreads over one or two. Any numbers are right.
SHIFT, WIDTH = 1.0, 1.0


class Proposal(NamedTuple):
    """One for each dataset: ``mean`` ``[D, datasets]``, ``root`` ``[D, D, datasets]``, and its ``inverse``."""

    mean: Array
    root: Array
    inverse: Array


def rounded(values: Array) -> Array:
    """To the digits of float32: any proposal is right, and one that rounding errors do not reach draws the same numbers every
    time."""
    return values.astype(jnp.float32).astype(values.dtype)


def proposal(mean: Array, root: Array) -> Proposal:
    """With a lower triangular factor of ``root root'``."""
    d = mean.shape[0]
    square = (root[:, None] * root[None]).sum(2)
    size = jnp.stack([square[i, i] for i in range(d)])
    floor = 1e-12 * size.max(0)
    factor, _ = small.cholesky(square + floor * jnp.eye(d)[:, :, None])
    mean, factor = rounded(mean), rounded(factor)
    return Proposal(mean, factor, small.inverse_lower(factor))


def reaching(count: int, structure: Structure, d: int) -> np.ndarray:
    """How many of ``count`` draws reach along each of ``d`` coordinates: SDs, correlations (at most half as many), others
    (none)."""
    sds, correlations = structure.size, len(pairs(structure))
    each = max(1, int(TOWARDS_ZERO * count / sds))
    fewer = min(each // 2, max(1, int(ALONG_CORRELATIONS * count / max(correlations, 1))))
    return np.repeat([each, fewer, 0], [sds, correlations, d - sds - correlations])


def shifts(at: Proposal, structure: Structure) -> Array:
    """``c``, ``[D, datasets]``."""
    towards = np.arange(at.mean.shape[0]) < structure.size
    return jnp.where(towards[:, None], SHIFT + jnp.sqrt((at.root**2).sum(1)), 0.0)


def draw(keys: Array, at: Proposal, count: int, structure: Structure) -> Array:
    """Draws of every dataset, ``[D, datasets, count]``, each from its own key; those that reach along a coordinate are the first
    ones."""
    d = at.mean.shape[0]
    along = np.repeat(np.arange(d), reaching(count, structure, d))
    first = np.arange(len(along))

    def raw(key: Array) -> tuple[Array, Array, Array]:
        """Random numbers of one draw."""
        own = jax.random.split(key, 3)
        # A chi-squared variable of DF degrees is -2 log of a product of DF / 2 uniform ones.
        square = -2 * jnp.log(jax.random.uniform(own[1], (DF // 2, count)).prod(0))
        return jax.random.normal(own[0], (d, count)), jnp.sqrt(DF / square), jax.random.normal(own[2], first.shape)

    normal, stretch, wider = jax.vmap(raw)(keys)  # [datasets, ..]
    step = jnp.einsum("ijk,kjs->iks", at.root, normal) * stretch
    away = WIDTH * wider * stretch[:, first] - shifts(at, structure)[along].T
    return at.mean[..., None] + step.at[along, :, first].add(away.T)


def log_density(vector: Array, at: Proposal, count: int, structure: Structure) -> Array:
    """Log density ``[datasets, draws]`` of what :func:`draw` draws, but for :func:`log_constant`."""
    d = vector.shape[0]
    counts = reaching(count, structure, d)
    some = np.flatnonzero(counts)
    white = jnp.einsum("ijk,jks->iks", at.inverse, vector - at.mean[..., None])
    axes, shift = at.inverse[:, some], shifts(at, structure)[some][..., None]
    along = jnp.einsum("jck,jks->cks", axes, white)
    size = (axes**2).sum(0)[..., None]
    wider = 1 + WIDTH**2 * size
    near = (white**2).sum(0)
    away = along + shift * size
    far = near + shift * (along + away) - WIDTH**2 / wider * away**2
    # Densities of the parts relative to that of the t distribution itself.
    ratio = power((DF + near) / (DF + far), DF + d) / jnp.sqrt(wider)
    logdet = jnp.asarray(sum(jnp.log(at.inverse[i, i]) for i in range(d)))[:, None]
    share = (counts[some] / count)[:, None, None]
    return logdet - 0.5 * (DF + d) * jnp.log1p(near / DF) + jnp.log(1 - share.sum() + (share * ratio).sum(0))


def power(values: Array, halves: int) -> Array:
    """``values ** (halves / 2)``, by multiplications."""
    whole = values ** (halves // 2)
    return whole * jnp.sqrt(values) if halves % 2 else whole


def log_constant(d: int) -> float:
    """Of a t density in ``d`` dimensions."""
    return float(special.gammaln((DF + d) / 2) - special.gammaln(DF / 2) - d / 2 * math.log(DF * math.pi))
