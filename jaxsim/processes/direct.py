"""Cross-products of Gaussian rows drawn without the rows, and the rows completed afterwards.

For ``E = [1 x e]`` with independent standard normal predictors ``x`` and noise ``e``, ``E = Q R`` with ``R`` triangular:
above the diagonal standard normal, on it ``chi`` with ``n - i`` degrees of freedom (Bartlett 1933), first row the scaled means.
Given ``R``, ``Q`` is uniform on the orthonormal frames whose first column is constant. So ``R`` alone is drawn for a fit, at a
cost that does not depend on ``n``, and any dataset can be completed to rows with exactly those cross-products.

A small matrix of every group is held as a list of its entries, ``[G]`` each: XLA then works along the groups, of which there are
many, and not along the matrix.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.numerics.staging import stage
from jaxsim.processes.chi import chi, coefficients, shared_coefficients
from jaxsim.processes.normals import Normals

Array = jax.Array

# Columns of cross-products up to which all of their entries are written out; the program of more would take long to compile.
WRITTEN_OUT = 8


class Layout(NamedTuple):
    """Which columns of normal numbers a dataset is made of.

    Attributes:
        effects: group effects, P.
        size: columns of ``[1 x e]``, the predictors that vary within groups and the noise among them, L.
        between: predictors that are one number a group.
    """

    effects: int
    size: int
    between: int

    @property
    def columns(self) -> int:
        """How many of them, the spare one of :func:`chi` included."""
        return self.effects + self.size * (self.size - 1) // 2 + self.size - 1 + 1 + self.between

    def above(self, row: Any, column: Any) -> Any:
        """Of an entry of ``R`` above its diagonal, or of several."""
        return self.effects + row * self.size - row * (row + 1) // 2 + column - row - 1

    def diagonal(self, row: int) -> int:
        """Of what the diagonal entry of a row is made from, the first one's excepted, which is not random."""
        return self.effects + self.size * (self.size - 1) // 2 + row - 1

    @property
    def spare(self) -> int:
        """Of a number that helps where a diagonal entry has two degrees of freedom."""
        return self.diagonal(self.size)

    def constant(self, number: Any) -> Any:
        """Of a predictor that is one number a group, or of several."""
        return self.spare + 1 + number


def diagonals(layout: Layout, wanted: Array, normals: Normals, n_rows: Array, equal: bool, few: bool) -> Array:
    """Diagonal entries of ``R`` of every group, ``[L, G]``.

    Args:
        layout, normals: what they are made of.
        wanted: as of :func:`stage`.
        n_rows: rows of the groups, int ``[G]``, 0 for padding.
        equal: whether all groups that are not padding have as many rows.
        few: whether a group may have fewer than 8 more rows than ``R`` has columns.
    """
    size = layout.size
    proposals = jnp.stack([normals.column(layout.diagonal(row)) for row in range(1, size)])
    spare = normals.column(layout.spare)
    below = np.arange(1, size)[:, None]
    if equal:  # coefficients once a dataset
        terms = stage(wanted, lambda n: shared_coefficients(n - below[:, 0])[..., None], n_rows.max())
        rest = stage(wanted, lambda z, s, n, terms: chi(z, s, n - below, terms), proposals, spare, n_rows, terms)
    else:
        rest = stage(wanted, lambda z, s, n: chi(z, s, n - below, coefficients(n - below, few)), proposals, spare, n_rows)
    return jnp.concatenate([jnp.sqrt(n_rows.astype(rest.dtype))[None], rest])


Row = dict[int, Array]  # entries of a row of a matrix by column, [G] each; the others are zero


def upper(layout: Layout, normals: Normals, diagonal: Array, n_rows: Array) -> list[Row]:
    """The L rows of ``R`` of ``[1 x e]``, the predictors that are one number a group before ``e`` as multiples of the ones. Rows
    ``n_rows`` and beyond are zero (a group smaller than L)."""
    noise, rows = layout.size - 1, list[Row]()
    for i in range(layout.size):
        above = {j: jnp.where(n_rows > i, normals.column(layout.above(i, j)), 0.0) for j in range(i + 1, layout.size)}
        row = {i: diagonal[i], **above}
        rows.append({j + layout.between * (j == noise): entry for j, entry in row.items()})
    rows[0] |= {noise + k: diagonal[0] * normals.column(layout.constant(k)) for k in range(layout.between)}
    return rows


def matrices(layout: Layout, normals: Normals, diagonal: Array, n_rows: Array) -> Array:
    """What :func:`upper` gives as matrices, ``[L, P + 1, G]``."""
    table, noise = jnp.concatenate(normals), layout.size - 1
    row, column = np.triu_indices(layout.size, 1)
    place = column + layout.between * (column == noise)
    above = jnp.where(n_rows > row[:, None], table[layout.above(row, column)], 0.0)
    found = jnp.zeros((layout.size, layout.effects + 1, table.shape[1]), table.dtype).at[row, place].set(above)
    every = np.arange(layout.size)
    found = found.at[every, every + layout.between * (every == noise)].set(diagonal)
    constant = np.arange(layout.between)
    return found.at[0, noise + constant].set(diagonal[0] * table[layout.constant(constant)])


def products_of(matrices: Array, coefficients: Array, residual_sd: Array) -> Array:
    """``[x y]'[x y]`` of every group, ``[G, M, M]``, from ``R`` as :func:`matrices` and coefficients ``[P, G]``."""
    x = matrices[:, :-1]
    y = jnp.einsum("njg,jg->ng", x, coefficients) + residual_sd * matrices[:, -1]
    columns = jnp.concatenate([x, y[:, None]], axis=1)
    return jnp.einsum("nig,njg->gij", columns, columns)


def coefficients_of_groups(normals: Normals, mean: Array, root: Array) -> Array:
    """``mean + root' z`` of every group, ``[P, G]``, for the first P columns of normal numbers."""
    size = len(mean)
    if size > WRITTEN_OUT:
        return mean[:, None] + root.T @ jnp.stack([normals.column(j) for j in range(size)])
    return jnp.stack([sum((root[i, j] * normals.column(i) for i in range(size)), mean[j]) for j in range(size)])


def response(rows: list[Row], coefficients: Array, residual_sd: Array) -> Array:
    """The last column of ``[x y]`` in the basis of ``R``, ``[L, G]``, of every group's coefficients ``[P, G]``."""
    noise = len(coefficients)
    found = []
    for row in rows:
        terms = (coefficients[j] * row[j] for j in sorted(row) if j < noise)
        found.append(sum(terms, residual_sd * row[noise]))
    return jnp.stack(found)


def cross_products(rows: list[Row], response: Array) -> Array:
    """``[x y]'[x y]`` of every group: different entries ``[M (M + 1) / 2, G]``, by rows of the upper triangle.

    Args:
        rows: of ``R``; its last column is not looked at.
        response: what :func:`response` gave.
    """
    last = max(rows[0])
    full = [{**row, last: y} for row, y in zip(rows, response, strict=True)]
    return jnp.stack([sum(row[i] * row[j] for row in full if i in row and j in row) for i, j in _pairs(last + 1)])


def symmetric(entries: Array, size: int) -> Array:
    """Matrices ``[G, size, size]`` of the entries of their upper triangles."""
    place = np.zeros((size, size), int)
    for k, (i, j) in enumerate(_pairs(size)):
        place[i, j] = place[j, i] = k
    return entries.T[:, place]


def _pairs(size: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(size) for j in range(i, size)]


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
