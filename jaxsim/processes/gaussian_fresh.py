"""Rows of the Gaussian process that a dataset does not have, and what their cross-products are expected to be.

Given its group's coefficients ``b`` a fresh row ``(x, y)`` has ``E[xx'] = M``, ``E[xy] = M b`` and ``E[y^2] = b'M b + sigma^2``.
Predictors that vary within groups are N(0, 1) and independent; of a known group the intercept and the predictors that are one
number a group, together ``u``, are what they are: ``M_g = u_g u_g' + I`` on the others. Of a new group these are random, too,
``M = I``, and its coefficients are ``beta`` with covariance ``Sigma``: ``E[xy] = beta``,
``E[y^2] = beta'beta + tr(Sigma) + sigma^2``.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw
from jaxsim.data.rows import Rows
from jaxsim.processes.gaussian_draws import responses, truth
from jaxsim.processes.messy import befall
from jaxsim.processes.messy.parts import holding
from jaxsim.processes.process import Expected
from jaxsim.seeding import Stream, group_keys, stream_key

Array = jax.Array

# Fresh rows of each group: only intervals and densities are judged by them, errors by what is expected.
ROWS = 4


def of_known_groups(process: Any, drawn: Draw, parameters: Any) -> Expected:
    """Of as many further rows of each group as it has, ``[G, M, M]``."""
    coefficients, constant, sizes = _groups(process, drawn)
    varying = np.diag([0.0, *[1.0] * (process.n_varying - 1), *[0.0] * process.n_between])
    xx = constant[:, :, None] * constant[:, None, :] + varying
    return _expected(process, parameters, sizes, xx, coefficients, jnp.zeros(len(sizes)))


def of_new_groups(process: Any, drawn: Draw, parameters: Any) -> Expected:
    """Of one row of a group that the dataset does not have, ``[1, M, M]``."""
    beta, spread = drawn.truth.fixed, jnp.trace(parameters["covariance"])
    return _expected(process, parameters, jnp.ones(1, jnp.int32), jnp.eye(len(beta))[None], beta[None], spread[None])


def fresh_rows(process: Any, key: Array, drawn: Draw, parameters: Any, new_groups: bool) -> Draw:
    """:data:`ROWS` rows of each of the dataset's groups, or of as many others, in a block for each; padding has the weight 0."""
    p, within, between = len(process.terms), process.n_varying - 1, process.n_between
    coefficients, constant, sizes = _groups(process, drawn)
    groups = len(sizes)
    other = jax.random.fold_in(stream_key(key, Stream.FRESH), int(new_groups))
    keys = group_keys(other, groups)
    world = {**holding(process.world, parameters), "missing": None}
    old, new = (befall.keys_of(stream_key(k, Stream.WORLD)) for k in (key, other))
    factor = befall.sd_factor(old, world["sd_noise"])
    normal = jax.vmap(lambda k: jax.random.normal(k, (p + between + ROWS * (within + 1),)))(keys)
    own, others, rest = jnp.split(normal, [p, p + between], axis=1)
    weight = sizes.astype(normal.dtype)
    if new_groups:
        coefficients = drawn.truth.fixed + befall.shape(world["group_effects"])(own) @ (factor * parameters["root"])
        constant = jnp.concatenate([constant[:, : p - between], others], axis=1)
        weight = (sizes > 0).astype(normal.dtype)
    rest = rest.reshape(groups, ROWS, within + 1)
    x = jnp.broadcast_to(constant[:, None], (groups, ROWS, p)).at[:, :, 1 : within + 1].set(rest[..., :within])
    mess = {**new, "variance": (new if new_groups else old)["variance"]}
    every = jnp.broadcast_to(weight[:, None], (groups, ROWS))
    y, _ = responses(process, parameters["residual_sd"], world, mess, x, coefficients, rest[..., within], every)
    levels = jnp.repeat(jnp.arange(groups, dtype=jnp.int32), ROWS)[:, None]
    data = Rows(
        x.reshape(-1, p), y, levels, jnp.repeat(weight, ROWS), process.terms, process.terms, (groups,),
        constant=process.names.constant, block=ROWS,
    )  # fmt: skip
    covariance = factor**2 * parameters["covariance"]
    return Draw(truth(process, {**parameters, "covariance": covariance}, drawn.truth.fixed, coefficients), data)


def _groups(process: Any, drawn: Draw) -> tuple[Array, Array, Array]:
    """Of the dataset's groups: coefficients ``[G, P]``, columns that are one number a group ``[G, P]`` (0 for the others), rows."""
    data = drawn.data.reduce(drawn.data.counts[0]) if isinstance(drawn.data, Rows) else drawn.data
    size = jnp.where(data.sizes > 0, data.sizes, 1)
    kept = np.array([1.0, *[0.0] * (process.n_varying - 1), *[1.0] * process.n_between])
    (coefficients,) = drawn.truth.groups.values()
    return coefficients, jnp.where(kept > 0, data.products[:, 0, :-1] / size[:, None], 0.0), data.sizes


def _expected(process: Any, parameters: Any, sizes: Array, xx: Array, coefficients: Array, spread: Array) -> Expected:
    """Of ``sizes`` ``[G]`` rows of groups with ``E[xx']`` ``[G, P, P]``, coefficients ``[G, P]`` of which ``x'b`` has the further
    variance ``spread`` ``[G]``."""
    xy = (xx * coefficients[:, None]).sum(2)
    yy = (xy * coefficients).sum(1) + spread

    def products(yy: Array) -> CrossProducts:
        """With these expected squares of the response ``[G]``."""
        rows = jnp.concatenate([xy, yy[:, None]], axis=1)
        whole = jnp.concatenate([jnp.concatenate([xx, xy[:, :, None]], axis=2), rows[:, None]], axis=1)
        count = sizes.astype(whole.dtype)[:, None, None]
        return CrossProducts(count * whole, sizes, process.terms, process.terms, constant=process.names.constant)

    return Expected(products(yy + parameters["residual_sd"] ** 2), products(yy))
