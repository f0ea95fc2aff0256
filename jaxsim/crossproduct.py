"""Per-group cross-products ``K_g = [X_g y_g]'[X_g y_g]``: all that a Gaussian estimator needs of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.errors import InputError


@partial(jax.tree_util.register_dataclass, data_fields=["products", "sizes"], meta_fields=["columns", "fixed"])
@dataclass(frozen=True)
class CrossProducts:
    """One dataset (or a batch of them, with a leading axis ``B`` on every array), reduced to its groups' cross-products.

    Attributes:
        products: ``K_g``, ``[G, M, M]`` float64; predictors in the order of ``columns``, the response last.
        sizes: rows of each group, ``[G]`` int32; 0 marks padding, which contributes nothing anywhere.
        columns: names of the predictor columns, ``M - 1`` of them.
        fixed: those columns that have a fixed effect, in the order of the model matrix.
    """

    products: jax.Array
    sizes: jax.Array
    columns: tuple[str, ...]
    fixed: tuple[str, ...]

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
    rows = np.column_stack([x, y]).astype(float)
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    blocks = np.split(rows[order], np.cumsum(sizes)[:-1])
    products = np.stack([block.T @ block for block in blocks])
    return CrossProducts(jnp.asarray(products), jnp.asarray(sizes, jnp.int32), tuple(columns), tuple(fixed or columns))


def pad_groups(data: CrossProducts, n_groups: int) -> CrossProducts:
    """The same dataset with empty groups appended up to ``n_groups`` (unbatched)."""
    extra = n_groups - data.sizes.shape[0]
    if extra < 0:
        raise InputError(f"cannot pad {data.sizes.shape[0]} groups to {n_groups}; give at least as many.")
    products = jnp.pad(data.products, ((0, extra), (0, 0), (0, 0)))
    return CrossProducts(products, jnp.pad(data.sizes, (0, extra)), data.columns, data.fixed)
