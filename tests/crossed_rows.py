"""Datasets of subjects crossed with items, and a process that draws such."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracle

from jaxsim import F1F2, Context, CrossProducts, Estimator, Fit, MinF, MultiwayCluster, RowProcess

# The strategies that need several factors.
CROSSED: dict[str, tuple[Estimator, ...]] = {
    "MinF": (MinF(),),
    "F1F2": (F1F2(by=("item", "subject")), F1F2()),
    "MultiwayCluster": (MultiwayCluster("CR2"), MultiwayCluster("CR1", groups="min", df="normal"), MultiwayCluster()),
}
# Padded cells of every dataset here, so that one compiled program serves many tests.
CELLS = 128


@dataclass(frozen=True)
class Crossed:
    """One dataset: ``x`` ``[N, P]`` (the intercept first), ``y`` ``[N]``, ``levels`` ``[N, F]`` of ``factors``."""

    x: np.ndarray
    y: np.ndarray
    levels: np.ndarray
    columns: tuple[str, ...]
    factors: tuple[str, ...] = ("subject", "item")
    counts: tuple[int, ...] = (16, 16)

    def but(self, **changes: Any) -> Crossed:
        return replace(self, **changes)

    def taken(self, rows: Any) -> Crossed:
        """Some of the rows."""
        return self.but(x=self.x[rows], y=self.y[rows], levels=self.levels[rows])

    def cells(self, cells: int = CELLS) -> CrossProducts:
        """As jaxsim reads it: the cross-products of each cell of the joint grouping, with padding."""
        found, codes = np.unique(self.levels, axis=0, return_inverse=True)
        rows = np.column_stack([self.x, self.y])
        products = np.zeros((cells, rows.shape[1], rows.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):  # some datasets are there to overflow
            np.add.at(products, codes.reshape(-1), rows[:, :, None] * rows[:, None, :])
        sizes, levels = np.zeros(cells, np.int32), np.zeros((cells, len(self.factors)), np.int32)
        sizes[: len(found)], levels[: len(found)] = np.bincount(codes.reshape(-1)), found
        own: Any = (products, sizes, self.columns, self.columns, levels, self.factors)
        return CrossProducts(*own, counts=self.counts)

    def by(self, *factors: str) -> oracle.Rows:
        """For the dense computations: the rows, grouped by one factor or by the combinations of several."""
        places = [self.factors.index(factor) for factor in factors]
        _, codes = np.unique(self.levels[:, places], axis=0, return_inverse=True)
        return oracle.Rows(self.x, self.y, codes.reshape(-1))


def crossed(
    seed: int, subjects: int = 9, items: int = 7, sd: float = 1.0, missing: float = 0.0, repeats: int = 1, lists: bool = False
) -> Crossed:
    """Subjects with both conditions of ``within``, items in one arm each of ``between``; all effects vary by both, by ``sd``.

    With ``lists`` a subject sees every item in one condition, as in a Latin square, else in both; ``missing`` is the share of rows
    that are not there.
    """
    rng = np.random.default_rng(seed)
    pairs = np.stack(np.meshgrid(np.arange(subjects), np.arange(items), indexing="ij"), -1).reshape(-1, 2)
    conditions = ((pairs.sum(1) % 2)[:, None] if lists else np.tile([0, 1], (len(pairs), 1))) - 0.5
    levels = np.repeat(pairs, conditions.shape[1] * repeats, axis=0)
    within = np.repeat(conditions, repeats, axis=1).ravel()
    between = levels[:, 1] % 2 - 0.5
    x = np.column_stack([np.ones(len(levels)), within, between])
    own = rng.normal(0, sd, (subjects, 3))[levels[:, 0]] + rng.normal(0, sd, (items, 3))[levels[:, 1]]
    y = (x * (np.array([3.0, 0.5, 0.0]) + own)).sum(1) + rng.normal(size=len(x))
    there = rng.uniform(size=len(x)) >= missing
    return Crossed(x[there], y[there], levels[there], ("Intercept", "within", "between"))


def stacked(datasets: list[Crossed], cells: int = CELLS, multiple: int = 8) -> CrossProducts:
    """A batch, filled with its first dataset up to a multiple of so many, so that one compiled program serves many tests."""
    made = [one.cells(cells) for one in datasets]
    made += made[:1] * (-len(made) % multiple)
    return jax.tree.map(lambda *leaves: np.stack(leaves), *made)


def fits(strategy: Estimator, datasets: list[Crossed], context: Context | None = None, cells: int = CELLS) -> list[Fit]:
    """The fit of each dataset."""
    made = jax.device_get(strategy.fit_batch(stacked(datasets, cells), context))
    return [jax.tree.map(lambda leaf, k=k: leaf[k], made) for k in range(len(datasets))]


@dataclass(frozen=True)
class Experiment(RowProcess):
    """Subjects crossed with items: ``within`` varies within both, ``between`` is of the item. Subjects are told."""

    n_subjects: int = 12
    n_items: int = 8
    effects: tuple[float, float] = (0.0, 0.0)
    subject_sd: float = 0.5
    item_sd: float = 0.5

    factors = ("subject", "item")

    @property
    def max_levels(self) -> tuple[int, ...]:
        return self.n_subjects, self.n_items

    def simulate(self, key: jax.Array) -> Any:
        """Both conditions of every pair."""
        by_subject, by_item, noise = jax.random.split(key, 3)
        shape = (self.n_subjects, self.n_items, 2)
        subject, item, condition = (places.ravel() for places in jnp.indices(shape))
        within, between = condition - 0.5, item % 2 - 0.5
        beta = jnp.array([0.0, *self.effects])
        a = beta + self.subject_sd * jax.random.normal(by_subject, (self.n_subjects, 3))
        b = self.item_sd * jax.random.normal(by_item, (self.n_items, 3)).at[:, 2].set(0.0)
        x = jnp.stack([jnp.ones(len(item)), within, between], axis=1)
        y = (x * (a[subject] + b[item])).sum(1) + jax.random.normal(noise, subject.shape)
        names = ("Intercept", "within", "between")
        truth = dict(zip(names, beta, strict=True)) | {"subject": dict(zip(names, a.T, strict=True))}
        return truth, {"subject": subject, "item": item, "within": within, "between": between, "DV": y}
