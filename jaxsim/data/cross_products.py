"""Cross-products ``K_c = [X_c y_c]'[X_c y_c]`` of the rows of each cell of the grouping: all that a Gaussian estimator needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.names import CARRIED, GROUP, RESPONSE, Coded, Names
from jaxsim.errors import InputError


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["products", "sizes", "levels"],
    meta_fields=["columns", "fixed", "counts", *CARRIED],
)
@dataclass(frozen=True)
class CrossProducts:
    """One dataset (or a batch of them, with a leading axis ``B`` on every array), reduced to cross-products.

    The rows of a cell have the same level of every grouping factor. With one factor a cell is a group, ``C = G``.

    Attributes:
        products: ``K_c``, ``[C, M, M]`` float64; predictors in the order of ``columns``, the response last.
        sizes: rows of each cell, ``[C]`` int32; 0 marks padding, which contributes nothing anywhere.
        columns: names of the predictor columns, ``M - 1`` of them.
        fixed: those columns that have a fixed effect, in the order of the model matrix.
        levels: of each factor, ``[C, F]`` int32; None with one factor, where cell ``g`` is its level ``g``.
        factors: names of the ``F`` grouping factors.
        response: name of the last column.
        constant: columns that are known to be one number a group.
        counts: padded numbers of levels of the factors; empty with one factor, which has ``C``.
        constant_by, coded, maximal, maximal_by, nested, planned: as of :class:`jaxsim.data.names.Names`.
    """

    products: jax.Array
    sizes: jax.Array
    columns: tuple[str, ...]
    fixed: tuple[str, ...]
    levels: jax.Array | None = None
    factors: tuple[str, ...] = (GROUP,)
    response: str = RESPONSE
    constant: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    coded: tuple[Coded, ...] = ()
    maximal: tuple[str, ...] = ()
    constant_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    maximal_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    nested: tuple[tuple[str, tuple[str, ...]], ...] = ()
    planned: tuple[str, ...] = ()

    @property
    def names(self) -> Names:
        """Of its columns and factors."""
        return Names(self.fixed, self.columns, **{name: getattr(self, name) for name in CARRIED})

    @property
    def fixed_index(self) -> np.ndarray:
        """Positions of the fixed-effects columns among ``columns``, ``[P]``."""
        return self.index_of(self.fixed)

    def index_of(self, names: tuple[str, ...]) -> np.ndarray:
        """Positions of the named columns; raises :class:`InputError` for a name that is not a column."""
        unknown = [name for name in names if name not in self.columns]
        if unknown:
            raise InputError(f"unknown column {unknown[0]!r}; this dataset has {', '.join(self.columns)}.")
        return np.array([self.columns.index(name) for name in names], dtype=int)

    @property
    def n_rows(self) -> jax.Array:
        """Rows of the dataset, ``[]``."""
        return self.sizes.sum(-1)

    @property
    def n_groups(self) -> jax.Array:
        """Groups of the dataset, padding not counted, ``[]``."""
        return (self.sizes > 0).sum(-1)

    def regression(self) -> jax.Array:
        """Cross-products of ``[X y]`` alone, ``[G, P + 1, P + 1]``: the fixed-effects columns in order, then the response."""
        index = np.append(self.fixed_index, len(self.columns))
        return self.products[..., index[:, None], index[None, :]]

    def select(self, response: str, fixed: tuple[str, ...]) -> CrossProducts:
        """The same rows with another column as response and others as fixed effects; the old response becomes a predictor.

        Raises:
            InputError: for a name that is neither a column nor the response.
        """
        if response == self.response:
            self.index_of(fixed)
            return self if fixed == self.fixed else replace(self, fixed=fixed)
        every = (*self.columns, self.response)
        if response not in every:
            raise InputError(f"unknown column {response!r}; this dataset has {', '.join(every)}.")
        order = np.array([i for i, name in enumerate(every) if name != response] + [every.index(response)])
        columns = tuple(every[i] for i in order[:-1])
        moved = replace(
            self, products=self.products[..., order[:, None], order[None, :]], columns=columns, fixed=(), response=response
        )
        moved.index_of(fixed)
        return replace(moved, fixed=fixed)

    def grouped(self, factor: str | None = None) -> CrossProducts:
        """The same rows by the levels of one factor (the first when None), unbatched."""
        place = self.factors.index(factor or self.factors[0])
        if self.levels is None:
            return self
        codes, count = self.levels[:, place], self.counts[place]
        products = jax.ops.segment_sum(self.products, codes, count)
        sizes = jax.ops.segment_sum(self.sizes, codes, count)
        own = self.names.grouped(self.factors[place]).carried()
        return replace(self, products=products, sizes=sizes, levels=None, counts=(), **own)


def from_rows(
    x: np.ndarray, y: np.ndarray, group: np.ndarray, columns: tuple[str, ...], fixed: tuple[str, ...] | None = None
) -> CrossProducts:
    """Cross-products of rows.

    Args:
        x: predictors, ``[N, M - 1]``.
        y: response, ``[N]``.
        group: integer codes ``0 .. G - 1`` of the groups, ``[N]``, in any order.
        columns: names of the columns of ``x``.
        fixed: those with a fixed effect; all of them when None.
    """
    return jax.tree.map(jnp.asarray, of_one(x, y, group, columns, fixed))


def of_one(
    x: np.ndarray, y: np.ndarray, group: np.ndarray, columns: tuple[str, ...], fixed: tuple[str, ...] | None = None
) -> CrossProducts:
    """As :func:`from_rows`, on NumPy's arrays, of which one fit is computed without a compiler (:mod:`jaxsim.numerics.arrays`)."""
    rows = np.column_stack([x, y]).astype(float)
    order = np.argsort(group, kind="stable")
    sizes: Any = np.bincount(group).astype(np.int32)
    blocks = np.split(rows[order], np.cumsum(sizes)[:-1])
    products: Any = np.stack([block.T @ block for block in blocks])
    return CrossProducts(products, sizes, tuple(columns), tuple(fixed or columns))


def pad_groups(data: CrossProducts, n_groups: int) -> CrossProducts:
    """The same dataset with empty groups, or cells of several factors, appended up to so many (unbatched)."""
    extra = n_groups - data.sizes.shape[0]
    if extra < 0:
        raise InputError(f"cannot pad {data.sizes.shape[0]} groups to {n_groups}; give at least as many.")
    products = jnp.pad(data.products, ((0, extra), (0, 0), (0, 0)))
    levels = None if data.levels is None else jnp.pad(data.levels, ((0, extra), (0, 0)))
    return replace(data, products=products, sizes=jnp.pad(data.sizes, (0, extra)), levels=levels)
