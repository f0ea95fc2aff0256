"""Rows of one dataset as arrays: what strategies read that need more than cross-products."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts, pad_groups
from jaxsim.data.names import CARRIED, GROUP, RESPONSE, Coded, Names
from jaxsim.errors import InputError

# Columns of rows in blocks whose cross-products are summed one by one; of more, a product of matrices is faster to compile.
MOST_PAIRED = 12


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["x", "y", "levels", "weight"],
    meta_fields=["columns", "fixed", "counts", "block", "cell", *CARRIED],
)
@dataclass(frozen=True)
class Rows:
    """One dataset (or a batch of them, with a leading axis ``B`` on every array) row by row.

    Attributes:
        x: predictors, ``[N, M - 1]``, in the order of ``columns``.
        y: response, ``[N]``.
        levels: level of each grouping factor, from 0, ``[N, F]`` int32.
        weight: 1 where there is a row, 0 for padding and for a row that is missing, ``[N]``.
        columns: names of the predictor columns.
        fixed: those that have a fixed effect.
        counts: padded number of levels of each factor.
        factors, response, constant: as of :class:`CrossProducts`.
        constant_by, coded, maximal, maximal_by, nested, planned: as of :class:`jaxsim.data.names.Names`.
        block: of one factor, if the rows come in consecutive blocks of so many, block ``g`` with those of group ``g``; else 0.
        cell: if the rows come in consecutive blocks of so many with the same level of every factor; else 0. No two blocks with rows
            have all levels in common.
    """

    x: jax.Array
    y: jax.Array
    levels: jax.Array
    weight: jax.Array
    columns: tuple[str, ...]
    fixed: tuple[str, ...]
    counts: tuple[int, ...]
    factors: tuple[str, ...] = (GROUP,)
    response: str = RESPONSE
    constant: tuple[str, ...] = ()
    block: int = 0
    coded: tuple[Coded, ...] = ()
    maximal: tuple[str, ...] = ()
    constant_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    maximal_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    nested: tuple[tuple[str, tuple[str, ...]], ...] = ()
    planned: tuple[str, ...] = ()
    cell: int = 0

    @property
    def names(self) -> Names:
        """Of its columns and factors."""
        return Names(self.fixed, self.columns, **{name: getattr(self, name) for name in CARRIED})

    @property
    def present(self) -> jax.Array:
        """Where there is a row, bool ``[N]``."""
        return self.weight > 0

    def index_of(self, names: tuple[str, ...]) -> np.ndarray:
        """Positions of the named columns; raises :class:`InputError` for a name that is not a column."""
        unknown = [name for name in names if name not in self.columns]
        if unknown:
            raise InputError(f"unknown column {unknown[0]!r}; this dataset has {', '.join(self.columns)}.")
        return np.array([self.columns.index(name) for name in names], dtype=int)

    def select(self, response: str, fixed: tuple[str, ...]) -> Rows:
        """As :meth:`CrossProducts.select`."""
        if response == self.response:
            self.index_of(fixed)
            return self if fixed == self.fixed else replace(self, fixed=fixed)
        place = int(self.index_of((response,))[0])
        columns = (*self.columns[:place], *self.columns[place + 1 :], self.response)
        x = jnp.concatenate([self.x[..., :place], self.x[..., place + 1 :], self.y[..., None]], axis=-1)
        moved = replace(self, x=x, y=self.x[..., place], columns=columns, fixed=(), response=response)
        moved.index_of(fixed)
        return replace(moved, fixed=fixed)

    def grouped(self, factor: str | None = None) -> Rows:
        """The same rows with one grouping factor (the first when None)."""
        if len(self.factors) == 1 and factor in (None, self.factors[0]):
            return self
        place = self.factors.index(factor or self.factors[0])
        levels = self.levels[..., place : place + 1]
        return replace(self, levels=levels, counts=(self.counts[place],), **self.names.grouped(self.factors[place]).carried())

    def reduce(self, cells: int) -> CrossProducts:
        """Cross-products of the cells of the grouping, unbatched; of one factor its levels.

        A level outside of ``0 .. count - 1``, or more combinations of levels than ``cells``, makes every number NaN: no row is
        left out without a word.

        Args:
            cells: padded number of cells; of one factor ``counts[0]``.
        """
        names: Any = self.names.carried()
        if self.block:
            return pad_groups(CrossProducts(*self._of_blocks(self.block), self.columns, self.fixed, **names), cells)
        if self.cell and len(self.counts) > 1:
            return self._by_blocks_of_cells(cells)
        block = jnp.where(self.present[:, None], jnp.column_stack([self.x, self.y]), 0.0)
        code, levels, right = self._cells(cells)
        products = _by_cell(block, code, cells)
        products = jnp.where(right, products, jnp.nan)
        sizes = jax.ops.segment_sum(self.present.astype(jnp.int32), code, cells)
        if levels is None:
            return CrossProducts(products, sizes, self.columns, self.fixed, **names)
        return CrossProducts(products, sizes, self.columns, self.fixed, levels, **names, counts=self.counts)

    def _of_blocks(self, size: int) -> tuple[jax.Array, jax.Array]:
        """Cross-products and numbers of the rows of consecutive blocks of so many."""
        columns = [jnp.where(self.present, column, 0.0) for column in (*self.x.T, self.y)]
        return _by_block(columns, size), self.present.reshape(-1, size).sum(1).astype(jnp.int32)

    def _by_blocks_of_cells(self, cells: int) -> CrossProducts:
        """As :meth:`reduce`, of several factors, where the rows of a cell are a block."""
        products, sizes = self._of_blocks(self.cell)
        levels = jnp.where(sizes[:, None] > 0, self.levels[:: self.cell], 0)
        names: Any = self.names.carried()
        found = CrossProducts(products, sizes, self.columns, self.fixed, levels, **names, counts=self.counts)
        return pad_groups(found, cells)

    def _cells(self, cells: int) -> tuple[jax.Array, jax.Array | None, jax.Array]:
        """Cell of each row ``[N]``, levels of the cells ``[C, F]`` (None of one factor), and whether every row has one."""
        counts = jnp.array(self.counts)
        inside = ((self.levels >= 0) & (self.levels < counts)).all(1) | ~self.present
        if len(self.counts) == 1:
            return jnp.clip(self.levels[:, 0], 0, cells - 1), None, inside.all() & (cells >= self.counts[0])
        steps = np.cumprod([1, *self.counts[:0:-1]])[::-1].copy()
        nowhere = int(np.prod(self.counts))
        joint = jnp.where(self.present, (self.levels * steps).sum(1), nowhere)
        found = jnp.unique(joint, size=cells + 1, fill_value=nowhere)[:cells]
        code = jnp.searchsorted(found, joint)
        complete = (found[jnp.clip(code, 0, cells - 1)] == joint) | ~self.present
        levels = jnp.where(found[:, None] < nowhere, found[:, None] // steps % counts, 0).astype(jnp.int32)
        return jnp.clip(code, 0, cells - 1), levels, (inside & complete).all()


def _by_block(columns: list[jax.Array], size: int) -> jax.Array:
    """Cross-products of consecutive blocks of so many rows, ``[G, M, M]``.

    Of few columns each product is a sum of its own: the compiler then makes it together with the rows, which are never stored.
    """
    m, blocks = len(columns), [column.reshape(-1, size) for column in columns]
    if m > MOST_PAIRED:
        own = jnp.stack(blocks, axis=2)
        return jnp.einsum("gni,gnj->gij", own, own)
    sums = jnp.stack([(blocks[i] * blocks[j]).sum(1) for i in range(m) for j in range(i + 1)], axis=1)
    lower = np.zeros((m, m), int)
    lower[np.tril_indices(m)] = np.arange(m * (m + 1) // 2)
    return sums[:, np.maximum(lower, lower.T)]


def _by_cell(rows: jax.Array, code: jax.Array, cells: int) -> jax.Array:
    """Sums of the rows' outer products by cell, ``[C, M, M]``: the same whatever the order in which a device adds.

    A GPU adds scattered numbers in any order, so there :func:`sums_by_cell` multiplies by indicators of the cells.
    """
    return sums_by_cell(rows[:, :, None] * rows[:, None, :], code, cells)


def sums_by_cell(matrices: jax.Array, code: jax.Array, cells: int) -> jax.Array:
    """Sums of the rows' matrices ``[N, I, J]`` by cell ``[C, I, J]``; a code of ``C`` or more is in none."""
    if jax.default_backend() == "cpu":
        return jax.ops.segment_sum(matrices, code, cells)
    indicator = (code[None] == jnp.arange(cells)[:, None]).astype(matrices.dtype)
    return jnp.einsum("cn,nij->cij", indicator, matrices)
