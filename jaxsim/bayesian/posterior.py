"""The whole posterior of one dataset: draws of every parameter, the group effects among them, in the units of the data."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bayesian import engine, parameters
from jaxsim.bayesian.attempts import explore_one
from jaxsim.bayesian.problem import Model, pose
from jaxsim.data.cross_products import CrossProducts

# Draws made of an importance sample: as many as it is worth, times a few, in rows that ArviZ can call chains.
RESAMPLED = (4, 500)


class Posterior(NamedTuple):
    """Draws as ``[chains, draws, ...]``: ``beta`` ``[.., P]``, ``sd`` ``[.., Q]``, ``correlation`` ``[.., Q, Q]``, ``sigma``
    ``[..]``, ``effects`` ``[.., G, Q]``; ``found``: status, diagnostics, summary of the dataset (see
    :class:`jaxsim.bayesian.engine.Found`)."""

    beta: np.ndarray
    sd: np.ndarray
    correlation: np.ndarray
    sigma: np.ndarray
    effects: np.ndarray
    found: engine.Found


def posterior(
    data: CrossProducts, key: jax.Array, kind: str, method: engine.Method, level: float
) -> tuple[engine.Found, Posterior | None]:
    """Everything about one dataset; no draws where its status says that there is no posterior.

    Args:
        data: one dataset.
        key: of its analysis.
        kind: ``auto``, ``fast`` or ``nuts``.
        method: model and interval.
        level: of the interval.
    """
    found, explored, are_chains = explore_one(data, key, kind, method, level)
    found = jax.tree.map(lambda leaf: np.asarray(leaf[0]), found)
    if explored is None:
        return found, None
    rng = np.random.default_rng(np.asarray(jax.random.key_data(jax.random.fold_in(key, 2**31))).tolist())
    model = method.model
    vector = np.asarray(explored.vector[:, 0])
    mean, root = np.asarray(explored.given.mean[:, 0]), np.asarray(explored.given.root[:, :, 0])
    shape = (engine.CHAINS, engine.KEPT) if are_chains else RESAMPLED
    if not are_chains:
        weight = np.asarray(explored.weight[0])
        chosen = rng.permutation(systematic(weight, shape[0] * shape[1], rng))
        vector, mean, root = vector[:, chosen], mean[:, chosen], root[:, :, chosen]
    problem = jax.tree.map(np.asarray, jax.jit(pose, static_argnums=1)(data, model))
    x, z = list(model.fixed), list(model.random)
    unit = problem.response_unit / problem.column_unit
    white = rng.normal(size=mean.shape)
    beta = problem.shift[:, None] + unit[x][:, None] * (mean + (root * white[None]).sum(1))
    hyper = jax.tree.map(np.asarray, parameters.unpack(jnp.asarray(vector), model.structure))
    sign = np.sign(unit[z])
    sd, sigma = hyper.sd * np.abs(unit[z])[:, None], hyper.sigma * problem.response_unit
    correlation = np.asarray(hyper.correlation) * np.outer(sign, sign)[:, :, None]
    factor = (sd * sign[:, None])[:, None] * hyper.root  # one of the square roots of the covariance
    effects = group_effects(data, model, beta, factor, sigma, rng)

    def shaped(draws: np.ndarray) -> np.ndarray:
        """Draws with the shape of what they are of last."""
        return np.moveaxis(draws, -1, 0).reshape(*shape, *draws.shape[:-1])

    return found, Posterior(shaped(beta), shaped(sd), shaped(correlation), shaped(sigma), shaped(effects), found)


def systematic(weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Places of ``count`` draws, each as often as its weight says, up to one (systematic resampling, Kitagawa 1996)."""
    positions = (rng.uniform() + np.arange(count)) / count
    return np.minimum(np.searchsorted(np.cumsum(weight), positions), len(weight) - 1)


def group_effects(
    data: CrossProducts, model: Model, beta: np.ndarray, factor: np.ndarray, sigma: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A draw of every group's effects for each draw of the rest, ``[G, Q, draws]``.

    Given the rest, with ``L`` = factor / sigma and ``A = I + L'K_zz L``: normal with mean ``L A^-1 L'(K_zy - K_zx beta)`` and
    covariance ``sigma^2 L A^-1 L'``; a group without rows has the prior.
    """
    products, z, x = np.asarray(data.products), list(model.random), list(model.fixed)
    relative = np.moveaxis(factor / sigma, -1, 0)  # [draws, Q, Q]
    draws, q = relative.shape[:2]
    out = np.empty((len(products), q, draws))
    for g, k in enumerate(products):
        a = np.eye(q) + np.swapaxes(relative, 1, 2) @ k[np.ix_(z, z)] @ relative
        score = k[z, -1][:, None] - k[np.ix_(z, x)] @ beta  # [Q, draws]
        pulled = np.einsum("sab,as->sb", relative, score)
        chol = np.linalg.cholesky(a)
        noise = sigma[:, None] * rng.normal(size=(draws, q))
        white = np.linalg.solve(np.swapaxes(chol, 1, 2), noise[..., None])[..., 0]
        inner = np.linalg.solve(a, pulled[..., None])[..., 0] + white
        out[g] = np.einsum("sab,sb->as", relative, inner)
    return out
