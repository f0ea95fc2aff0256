"""Small datasets with several grouping factors, and the same model with N x N matrices, which shares nothing with jaxsim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from crossed_rows import Crossed

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.rows import Rows

COLUMNS = ("Intercept", "x", "w")
FACTORS = ("subject", "item", "lab")


def crossed(seed: int, counts: tuple[int, ...], sds: Any = (1.0, 0.5, 0.3), share: float = 1.0, repeats: int = 1) -> Crossed:
    """All levels of all factors meet ``repeats`` times, of which a share is kept; all coefficients vary by every factor."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(np.indices(counts).reshape(len(counts), -1).T, repeats, axis=0)
    levels = levels[rng.random(len(levels)) < share]
    x = np.column_stack([np.ones(len(levels)), rng.normal(0.5, 1, len(levels)), rng.normal(size=len(levels))])
    y = x @ [2.0, 0.5, -0.3] + rng.normal(size=len(levels))
    for f, count in enumerate(counts):
        y = y + (x * (rng.normal(size=(count, 3)) * np.broadcast_to(sds, 3))[levels[:, f]]).sum(1)
    return Crossed(x, y, levels, COLUMNS, FACTORS[: len(counts)], counts)


def rows_of(table: Crossed, extra: int = 0) -> Rows:
    """As a process would draw them, with so many rows that are missing at the end."""
    n, f = len(table.y) + extra, len(table.counts)

    def longer(values: np.ndarray) -> jax.Array:
        return jnp.asarray(np.concatenate([values, np.zeros((extra, *values.shape[1:]), values.dtype)]))

    levels = longer(table.levels.astype(np.int32))
    weight = jnp.asarray((np.arange(n) < len(table.y)).astype(float))
    return Rows(longer(table.x), longer(table.y), levels, weight, COLUMNS, COLUMNS, table.counts, FACTORS[:f])


def cells_of(table: Crossed, cells: int = 0, counts: tuple[int, ...] | None = None) -> CrossProducts:
    """Cross-products of the cells of the joint grouping, on NumPy's arrays, with so many cells and levels if there are fewer."""
    counts = counts or table.counts
    there = len(np.unique(table.levels, axis=0))
    return table.but(counts=counts, factors=FACTORS[: len(counts)]).cells(max(cells, there))


@dataclass(frozen=True)
class Dense:
    """``y ~ N(X beta, sigma^2 V)``, ``V = I + sum Z_f T_f Z_f'`` where two rows share a level of factor f.

    ``random`` has of each factor its place among ``levels`` and the columns with random effects, ``units`` the free entries of the
    covariances: a factor and a matrix of zeros and ones.
    """

    x: np.ndarray
    y: np.ndarray
    levels: np.ndarray
    random: tuple[tuple[int, tuple[int, ...]], ...]
    units: tuple[tuple[int, np.ndarray], ...] = ()
    reml: bool = True

    def part(self, f: int, t: Any) -> Any:
        """``Z_f T_f Z_f'``."""
        place, columns = self.random[f]
        code, z = self.levels[:, place], self.x[:, list(columns)]
        return np.where(code[:, None] == code, 1.0, 0.0) * (z @ t @ z.T)

    def within(self, ts: Any) -> Any:
        """``V - I``."""
        return sum(self.part(f, t) for f, t in enumerate(ts))

    def derivatives(self) -> list[np.ndarray]:
        """``V_i``: one for each free entry of the covariances, and one for the residual variance."""
        return [*(self.part(f, unit) for f, unit in self.units), np.eye(len(self.y))]

    def deviance(self, ts: Any) -> float:
        """Minus twice the profiled log-likelihood."""
        (n, p), v = self.x.shape, np.eye(len(self.y)) + self.within(ts)
        nu = n - p if self.reml else n
        pw = self.y @ self.projection(ts) @ self.y
        own = np.linalg.slogdet(v)[1] + nu * (1 + np.log(2 * np.pi * pw / nu))
        return float(own + np.linalg.slogdet(self.x.T @ np.linalg.solve(v, self.x))[1] if self.reml else own)

    def slope(self, ts: Any, changes: Any) -> Any:
        """Its derivative along changes of all T, also at complex ones, of which small imaginary parts give second derivatives."""
        change, p = self.within(changes), self.projection(ts)
        inner = p if self.reml else np.linalg.inv(np.eye(len(self.y)) + self.within(ts))
        nu = len(self.y) - self.x.shape[1] if self.reml else len(self.y)
        return (inner * change.T).sum() - nu * (self.y @ p @ change @ p @ self.y) / (self.y @ p @ self.y)

    def projection(self, ts: Any) -> Any:
        """``V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1``."""
        inverse = np.linalg.inv(np.eye(len(self.y)) + self.within(ts))
        return inverse - inverse @ self.x @ np.linalg.solve(self.x.T @ inverse @ self.x, self.x.T @ inverse)
