"""How a dataset of the Gaussian process is drawn: its cross-products, which do not need the rows, or row by row."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw, Truth
from jaxsim.data.names import GROUP
from jaxsim.data.rows import Rows
from jaxsim.numerics.counters import uniforms
from jaxsim.numerics.staging import stage
from jaxsim.processes import direct
from jaxsim.processes.distributions import GroupSizes, Normal, Uniform
from jaxsim.processes.messy import befall
from jaxsim.processes.messy.parts import holding
from jaxsim.processes.messy.situation import Situation
from jaxsim.processes.normals import Normals, kept_by_group, standard_normals
from jaxsim.seeding import Stream, group_keys, stream_key

Array = jax.Array
# Folded into a group's key for the predictors that are constant in it, where rows are drawn.
BETWEEN = 2**32 - 1


def by_cross_products(process: Any, key: Array, parameters: Any, padded_groups: int) -> Draw:
    """Cross-products of one dataset, at a cost that does not depend on its rows, by stages (:mod:`jaxsim.numerics.staging`)."""
    wanted = parameters["n_groups"] > 0
    beta, sizes = fixed_effects(process, key, parameters), rows_of_groups(process, key, parameters, padded_groups)
    layout, normals, diagonal = triangles(process, key, parameters, sizes)

    def vary(first: Array, second: Array, mean: Array, root: Array) -> Array:
        """Coefficients of the groups."""
        return direct.coefficients_of_groups(Normals(first, second), mean, root)

    coefficients = stage(wanted, vary, *normals, beta, parameters["root"])
    multiply = written_out if layout.effects < direct.WRITTEN_OUT else as_matrices
    products = multiply(layout, wanted, *normals, diagonal, sizes, coefficients, parameters["residual_sd"])
    data = CrossProducts(products, sizes, process.terms, process.terms, constant=process.names.constant)
    return Draw(truth(process, parameters, beta, coefficients.T), data)


def written_out(layout: direct.Layout, wanted: Array, *given: Array) -> Array:
    """Cross-products ``[G, M, M]`` entry by entry, of normal numbers, diagonals, sizes, coefficients and residual SD."""
    *common, coefficients, residual_sd = given

    def rows(first: Array, second: Array, diagonal: Array, sizes: Array) -> list[direct.Row]:
        """Triangles, row by row."""
        return direct.upper(layout, Normals(first, second), diagonal, sizes)

    def respond(*given: Array) -> Array:
        """The response's coordinates."""
        return direct.response(rows(*given[:4]), *given[4:])

    def multiply(*given: Array) -> Array:
        """The distinct entries of the cross-products."""
        return direct.cross_products(rows(*given[:4]), given[4])

    response = stage(wanted, respond, *common, coefficients, residual_sd)
    entries = stage(wanted, multiply, *common, response)
    return stage(wanted, lambda e: direct.symmetric(e, layout.effects + 1), entries)


def as_matrices(layout: direct.Layout, wanted: Array, *given: Array) -> Array:
    """The same by products of matrices, for many columns."""

    def matrices(first: Array, second: Array, diagonal: Array, sizes: Array) -> Array:
        """Triangles as matrices."""
        return direct.matrices(layout, Normals(first, second), diagonal, sizes)

    return direct.products_of(stage(wanted, matrices, *given[:4]), *given[4:])


def by_rows(process: Any, key: Array, parameters: Any, padded_groups: int) -> Draw:
    """The rows of one dataset, in a block for each group."""
    world, keys = holding(process.world, parameters), befall.keys_of(stream_key(key, Stream.WORLD))
    beta, sizes = fixed_effects(process, key, parameters), rows_of_groups(process, key, parameters, padded_groups)
    effects, standard = standard_rows(process, key, sizes)
    factor = befall.sd_factor(keys, world["sd_noise"])
    coefficients = beta + befall.shape(world["group_effects"])(effects) @ (factor * parameters["root"])
    present = jnp.arange(process.max_rows) < sizes[:, None]
    x, noise = standard[..., :-1], standard[..., -1]
    response, there = responses(process, parameters["residual_sd"], world, keys, x, coefficients, noise, present)
    levels = jnp.repeat(jnp.arange(padded_groups, dtype=jnp.int32), process.max_rows)[:, None]
    data = Rows(
        x.reshape(response.size, -1), response, levels, there.astype(x.dtype), process.terms, process.terms, (padded_groups,),
        constant=process.names.constant, block=process.max_rows,
    )  # fmt: skip
    return Draw(truth(process, {**parameters, "covariance": factor**2 * parameters["covariance"]}, beta, coefficients), data)


def responses(
    process: Any,
    residual_sd: Array,
    world: befall.World,
    keys: befall.Keys,
    x: Array,
    coefficients: Array,
    normal: Array,
    present: Array,
) -> tuple[Array, Array]:
    """Responses of rows, 0 where there is none, and which rows are there, ``[G * N]`` each.

    Args:
        process: that they are of.
        residual_sd: ``[]``.
        world, keys: as of :func:`jaxsim.processes.messy.befall.respond`.
        x: columns, ``[G, N, P]``.
        coefficients: of the groups, ``[G, P]``.
        normal: what residuals are made of, ``[G, N]``.
        present: where the process has a row, or how much it counts, ``[G, N]``.
    """
    mean, planned = jnp.einsum("gnp,gp->gn", x, coefficients).reshape(-1), present.reshape(-1)
    columns = {term: x[..., j].reshape(-1) for j, term in enumerate(process.terms)}
    situation = Situation(columns, mean, mean, planned, x.shape[0], (("", x.shape[1]),), residual_sd)
    response, there = befall.respond(keys, world, normal.reshape(-1), situation, columns)
    return jnp.where(planned > 0, response, 0.0), there


def truth(process: Any, parameters: Any, beta: Array, coefficients: Array) -> Truth:
    """What a dataset with these fixed effects ``[P]`` and group coefficients ``[G, P]`` was made with."""
    covariance = {GROUP: parameters["covariance"]}
    return Truth(beta, {GROUP: coefficients}, covariance, parameters["residual_sd"], random=process.names.random)


def fixed_effects(process: Any, key: Array, parameters: Any) -> Array:
    """Of one dataset, ``[P]``."""
    key, size, given = stream_key(key, Stream.TRUTH), len(process.terms), parameters["effects"]
    if isinstance(process.fixed_effects, Uniform):
        return given[0] + (given[1] - given[0]) * uniforms(key, size, 1)[:, 0]
    if isinstance(process.fixed_effects, Normal):
        normals = standard_normals(parameters["n_groups"] > 0, key, size, 1)
        return given[0] + given[1] * jnp.concatenate(normals)[:size, 0]
    return given


def rows_of_groups(process: Any, key: Array, parameters: Any, padded_groups: int) -> Array:
    """Rows per group, int ``[G]``, 0 for padding."""
    sizes = parameters["sizes"]
    if isinstance(process.n_obs, GroupSizes):
        draw = process.n_obs.draw
        sizes = jax.vmap(lambda k: draw(k, parameters["sizes"]))(group_keys(stream_key(key, Stream.SIZES), padded_groups))
    present = jnp.arange(padded_groups) < parameters["n_groups"]
    return jnp.where(present, sizes, 0).astype(jnp.int32)


def triangles(process: Any, key: Array, parameters: Any, sizes: Array) -> tuple[direct.Layout, Normals, Array]:
    """What group effects and triangular factors of one dataset are made of: normal numbers and the diagonals ``[L, G]``."""
    layout = direct.Layout(len(process.terms), process.n_varying + 1, process.n_between)
    wanted = parameters["n_groups"] > 0
    normals = standard_normals(wanted, stream_key(key, Stream.GROUPS), layout.columns, sizes.shape[0])
    return layout, normals, direct.diagonals(layout, wanted, normals, sizes, process.equal_sizes, process.few_rows)


def standard_factors(process: Any, key: Array, parameters: Any, sizes: Array) -> tuple[Array, Array]:
    """Standard normal group effects ``[G, P]`` and the triangular factors of ``[1 x e]``, ``[G, L, P + 1]``, of one dataset."""
    layout, normals, diagonal = triangles(process, key, parameters, sizes)
    factors = direct.matrices(layout, normals, diagonal, sizes)
    return jnp.stack([normals.column(j) for j in range(layout.effects)], axis=-1), factors.transpose(2, 0, 1)


def standard_rows(process: Any, key: Array, sizes: Array) -> tuple[Array, Array]:
    """Standard normal effects ``[G, P]`` and rows ``[1 x e]``, ``[G, N, P + 1]``, of the groups of one dataset; zeros fill up."""
    p, columns, most = len(process.terms), process.n_varying, process.max_rows
    keys = group_keys(stream_key(key, Stream.GROUPS), sizes.shape[0])
    normal = kept_by_group(keys, (p + most * columns,))
    noise = normal[:, p:].reshape(-1, most, columns)
    rows = jnp.concatenate([jnp.ones((*noise.shape[:2], 1)), noise], axis=2)
    block = jnp.where((jnp.arange(most) < sizes[:, None])[..., None], rows, 0.0)
    if process.n_between:
        own = group_keys(stream_key(key, Stream.PREDICTORS), sizes.shape[0])
        values = jax.vmap(lambda k: jax.random.normal(jax.random.fold_in(k, jnp.uint32(BETWEEN)), (process.n_between,)))(own)
        block = jnp.concatenate([block[..., :-1], block[..., :1] * values[:, None], block[..., -1:]], axis=-1)
    return normal[:, :p], block
