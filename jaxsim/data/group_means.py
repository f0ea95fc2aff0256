"""Group means from cross-products: the row of the column of ones holds every group's sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.errors import InputError
from jaxsim.numerics.least_squares import RANK_TOLERANCE, solve


def intercept_of(names: Names) -> str | None:
    """The column of ones; None if there is none."""
    return next((name for name in names.columns if name in INTERCEPTS), None)


def require_intercept(names: Names, owner: str, why: str) -> None:
    """Raise :class:`InputError` unless there is a column of ones."""
    if intercept_of(names) is None:
        raise InputError(
            f"strategy {owner!r}: {why} needs the sums of every group's rows, and so a column of ones, {INTERCEPTS[0]!r}; the "
            f"process has {', '.join(names.columns)}. Let the process have it; a formula can leave it out."
        )


def sums(data: CrossProducts) -> jax.Array:
    """Sums of each group's rows ``[x y]``, ``[G, M]``."""
    name: Any = intercept_of(data.names)
    return data.products[:, data.columns.index(name)]


def within(data: CrossProducts) -> jax.Array:
    """Cross-products of the rows less their group's means, ``[G, M, M]``."""
    total = sums(data)
    sizes = jnp.maximum(data.sizes, 1).astype(float)
    return data.products - total[:, :, None] * total[:, None, :] / sizes[:, None, None]


def add_columns(data: CrossProducts, means: tuple[str, ...], suffix: str, deviations: tuple[str, ...] = ()) -> CrossProducts:
    """The same rows with further columns: the group means of some, and the deviations of some of these from them.

    Args:
        data: one dataset.
        means: columns whose group means become columns, called by their name and ``suffix``.
        suffix: of the means' names.
        deviations: those whose deviations become columns, too; see :func:`deviation`. A column that does not vary within groups has
            deviations of zero, whatever rounding leaves of them.
    """
    total, count = sums(data), len(data.columns)
    index = data.index_of(means)
    scaled = total / jnp.maximum(data.sizes, 1).astype(float)[:, None]
    # A group's mean times its size times what sums to `total`: products with a column that is one number a group.
    beside = scaled[:, index, None] * total[:, None, :]
    corner = scaled[:, index, None] * total[:, None, index]
    joined = jnp.concatenate(
        [
            jnp.concatenate([data.products, beside], axis=1),
            jnp.concatenate([jnp.swapaxes(beside, 1, 2), corner], axis=1),
        ],
        axis=2,
    )
    # Columns, means, deviations, response last.
    place = {name: count + 1 + k for k, name in enumerate(means)}
    change = np.zeros((count + 1 + len(means), count + len(means) + len(deviations) + 1))
    change[np.arange(count), np.arange(count)] = 1.0
    change[count + 1 + np.arange(len(means)), count + np.arange(len(means))] = 1.0
    for k, name in enumerate(deviations, start=count + len(means)):
        change[data.columns.index(name), k], change[place[name], k] = 1.0, -1.0
    change[count, -1] = 1.0
    columns = (*data.columns, *(name + suffix for name in means), *map(deviation, deviations))
    products = jnp.asarray(change.T) @ joined @ change
    squares = jnp.diagonal(products.sum(0))
    first = count + len(means)
    left = squares[first:-1] > RANK_TOLERANCE * squares[data.index_of(deviations)]
    kept = jnp.ones(len(squares)).at[first:-1].set(left)
    return replace(data, products=products * kept[:, None] * kept, columns=columns)


class FromRows(NamedTuple):
    """What a row says of its group's means, by least squares: ``slopes`` ``[P, K]`` of the columns of the row, and ``covariance``
    ``[K, K]`` of what these leave."""

    slopes: jax.Array
    covariance: jax.Array


def from_rows(data: CrossProducts, given: tuple[str, ...], means: tuple[str, ...]) -> FromRows:
    """The regression of columns that hold group means on others, over all rows of one dataset.

    Args:
        data: with the means among its columns, as :func:`add_columns` gives it.
        given: the columns that are known of a row, linearly independent.
        means: those of the means.
    """
    total, x, m = data.products.sum(0), data.index_of(given), data.index_of(means)
    each = [total[np.append(x, k)[:, None], np.append(x, k)] for k in m]
    slopes = jax.vmap(lambda products: solve(products).beta, out_axes=1)(jnp.stack(each))
    pulled = slopes.T @ total[x[:, None], m]
    left = total[m[:, None], m] - pulled - pulled.T + slopes.T @ total[x[:, None], x] @ slopes
    return FromRows(slopes, left / data.n_rows)


def deviation(name: str) -> str:
    """What the deviations of a column from its group means are called."""
    return f"{name} within"
