"""The named conditions of the parity suite: a model and the rows it is fitted to, made from a fixed seed.

Every number is a multiple of 2^-16, so that a sum on another machine, whose last bit may differ, makes the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study

MAIN = "DV ~ IV1 + IV2 + (IV1 | Group)"  # one random slope of two
INTERCEPT = "DV ~ IV1 + IV2 + (1 | Group)"
SLOPE = "DV ~ IV1 + IV2 + (0 + IV1 | Group)"
INDEPENDENT = "DV ~ IV1 + IV2 + (IV1 || Group)"
BLOCKS = "DV ~ IV1 + IV2 + (1 | Group) + (0 + IV1 + IV2 | Group)"
CROSS_LEVEL = "DV ~ IV1 * IV2 + (IV1 | Group)"
SIX = "DV ~ IV1 + IV2 + IV3 + IV4 + IV5 + IV6 + (IV1 + IV2 | Group)"
MAXIMAL = "DV ~ IV1 + IV2 + IV3 + (IV1 + IV2 + IV3 | Group)"

Make = Callable[[], pd.DataFrame]


@dataclass(frozen=True)
class Condition:
    """A model of some rows.

    Attributes:
        name: of the condition.
        formula: lme4's; its fixed effects are also the regression that cluster-robust variances are compared for.
        make: the rows: ``Group``, ``DV``, ``IV1``, ...
        method: ``REML``, ``ML``, or ``none`` where only the regression is compared.
        effort: of lme4's search; ``best`` starts it in several places.
        kenward_roger: whether pbkrtest is asked, which works with matrices of rows x rows.
        twin: name of a condition of which this one is a change of units, given by ``units`` and ``shift``.
        units: IV1 is that many times the twin's.
        shift: what is added to the twin's response.
    """

    name: str
    formula: str
    make: Make
    method: str = "REML"
    effort: str = "best"
    kenward_roger: bool = True
    twin: str = ""
    units: float = 1.0
    shift: float = 0.0

    @property
    def fixed(self) -> str:
        """The formula without its random effects."""
        return self.formula.split(" + (")[0]

    def frame(self) -> pd.DataFrame:
        """The rows."""
        return _frame(self.make)

    def for_r(self, **changes: str) -> pd.DataFrame:
        """The rows with what ``fit_conditions.R`` is asked to do with them."""
        adjusted = int(self.adjusted and not self.twin)
        asked = dict(formula=self.formula, method=self.method, effort=self.effort, kenward_roger=adjusted)
        return self.frame().assign(**(asked | changes))

    @property
    def adjusted(self) -> bool:
        """Whether there is Kenward-Roger inference to compare."""
        return self.kenward_roger and self.method == "REML"

    def checksum(self) -> str:
        """Of model and rows."""
        text = f"{self.formula} {self.method}\n" + self.frame().to_csv(index=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _frame(make: Make) -> pd.DataFrame:
    return make()


def dyadic(values: np.ndarray) -> np.ndarray:
    """The nearest multiples of 2^-16."""
    return np.round(np.asarray(values) * 2**16) / 2**16


@dataclass(frozen=True)
class Simulated:
    """Rows of one or more normal predictors; the intercept and the slopes of the first ones vary between groups.

    ``sd`` of the varying coefficients (intercept first), ``correlation`` of every pair of them. ``sizes`` are the groups' rows;
    a pair of numbers and ``groups`` draws them between the two. ``change`` turns the predictors ``[N, K]`` into others, given
    the groups ``[N]`` and a generator.
    """

    seed: int
    groups: int
    sizes: tuple[int, ...]
    sd: tuple[float, ...] = (1.0, 0.7)
    correlation: float = 0.3
    predictors: int = 2
    change: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray] | None = None

    def __call__(self) -> pd.DataFrame:
        draw = np.random.default_rng(self.seed)
        sizes = self.sizes if len(self.sizes) == self.groups else draw.integers(self.sizes[0], self.sizes[-1] + 1, self.groups)
        group = np.repeat(np.arange(self.groups), sizes)
        x = draw.normal(size=(len(group), self.predictors))
        if self.change is not None:
            x = self.change(x, group, draw)
        x = dyadic(x)
        own = draw.normal(size=(self.groups, len(self.sd))) @ self.root().T
        design = np.column_stack([np.ones(len(group)), x])
        y = design @ np.linspace(1.0, 0.2, design.shape[1]) + (design[:, : len(self.sd)] * own[group]).sum(1)
        columns = {f"IV{j + 1}": x[:, j] for j in range(x.shape[1])}
        labels = [f"g{g:02d}" for g in group]
        return pd.DataFrame({"Group": labels, "DV": dyadic(y + draw.normal(size=len(y))), **columns})

    def root(self) -> np.ndarray:
        """A square root of the covariance of the varying coefficients."""
        size = len(self.sd)
        correlations = np.full((size, size), self.correlation) + (1 - self.correlation) * np.eye(size)
        return np.array(self.sd)[:, None] * np.linalg.cholesky(correlations)


def binary(x: np.ndarray, group: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """IV1 becomes 0 or 1."""
    return np.column_stack([x[:, 0] > 0, x[:, 1:]]).astype(float)


def between(x: np.ndarray, group: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """IV2 becomes constant within groups."""
    return np.column_stack([x[:, :1], draw.normal(size=group.max() + 1)[group], x[:, 2:]])


def treated(count: int) -> Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]:
    """IV2 becomes 1 in the first ``count`` groups, else 0."""
    return lambda x, group, draw: np.column_stack([x[:, :1], (group < count) * 1.0, x[:, 2:]])


def in_one_group(x: np.ndarray, group: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """IV2 becomes zero outside of the third group."""
    return np.column_stack([x[:, :1], np.where(group == 2, x[:, 1], 0.0), x[:, 2:]])


@dataclass(frozen=True)
class Rescaled:
    """The rows of ``base`` with IV1 in other units and a response moved by a constant."""

    base: Make
    units: float = 1.0
    shift: float = 0.0

    def __call__(self) -> pd.DataFrame:
        rows = self.base()
        return rows.assign(IV1=rows["IV1"] * self.units, DV=rows["DV"] + self.shift)


@dataclass(frozen=True)
class Corner:
    """The first dataset of a cell of the 2019 study (rounded)."""

    n_groups: int
    n_obs: int
    group_sd: float

    def __call__(self) -> pd.DataFrame:
        process = GaussianMultilevel(n_groups=self.n_groups, n_obs=self.n_obs, group_sd=self.group_sd)
        rows = Study(process, Grid(), PooledOLS(), 1, seed=0).dataset(0, 0)
        values = rows.drop(columns="Group").apply(dyadic)
        return pd.DataFrame({"Group": [f"g{g:03d}" for g in rows["Group"]], **values})


PLAIN = Simulated(1, 12, (6, 16))
UNBALANCED = Simulated(2, 20, (2, 40, 3, 2, 37, 5, 12, 25, 2, 18, 30, 4, 9, 2, 14, 7, 22, 3, 40, 11))
TINY_SLOPES = Simulated(3, 20, (8, 12), sd=(1.0, 0.02))


def rescaled(name: str, units: float = 1.0, shift: float = 0.0) -> Condition:
    """The plain condition in other units."""
    return Condition(name, MAIN, Rescaled(PLAIN, units, shift), effort="tight", twin="plain", units=units, shift=shift)


EVERY: Sequence[Condition] = (
    Condition("plain", MAIN, PLAIN),
    Condition("unbalanced", MAIN, UNBALANCED),
    Condition("slopes of SD .02", MAIN, TINY_SLOPES),
    Condition("slopes of SD .02, interior", MAIN, replace(TINY_SLOPES, seed=42)),
    Condition("correlation .98", MAIN, Simulated(5, 24, (6, 20), correlation=0.98)),
    Condition("correlation -.98", MAIN, Simulated(6, 24, (6, 20), correlation=-0.98)),
    Condition("correlation .98, singular", MAIN, Simulated(7, 12, (4, 6), correlation=0.98)),
    Condition("binary predictor", MAIN, Simulated(8, 16, (4, 20), change=binary)),
    Condition("between-group predictor", MAIN, Simulated(9, 16, (4, 20), change=between)),
    rescaled("predictor x 1e4", units=1e4),
    rescaled("predictor x 1e-4", units=1e-4),
    rescaled("response + 1e6", shift=1e6),
    Condition("3 groups", MAIN, Simulated(33, 3, (8, 15))),
    Condition("3 groups, singular", MAIN, Simulated(10, 3, (8, 15))),
    Condition("5 groups", MAIN, Simulated(11, 5, (4, 12))),
    Condition("8 groups", MAIN, Simulated(12, 8, (3, 14))),
    Condition("5 groups, between-group predictor", MAIN, Simulated(13, 5, (6, 12), change=between)),
    Condition("plain, ML", MAIN, PLAIN, method="ML"),
    Condition("unbalanced, ML", MAIN, UNBALANCED, method="ML"),
    Condition("slopes of SD .02, ML", MAIN, TINY_SLOPES, method="ML"),
    Condition("random intercepts", INTERCEPT, UNBALANCED),
    Condition("random intercepts of SD 0", INTERCEPT, Simulated(14, 10, (5, 9), sd=(0.0, 0.0))),
    Condition("random slopes only", SLOPE, UNBALANCED),
    Condition("independent effects", INDEPENDENT, UNBALANCED),
    Condition("independent effects, SD .02", INDEPENDENT, TINY_SLOPES),
    Condition("two blocks", BLOCKS, Simulated(15, 18, (4, 24), sd=(1.0, 0.7, 0.5))),
    Condition("two blocks, correlation .98", BLOCKS, Simulated(16, 18, (4, 14), sd=(1.0, 0.7, 0.5), correlation=0.98)),
    Condition("cross-level interaction", CROSS_LEVEL, Simulated(17, 16, (4, 24), change=between)),
    Condition("6 predictors", SIX, Simulated(30, 24, (4, 16), sd=(1.0, 0.7, 0.5), predictors=6)),
    Condition("6 predictors, singular", SIX, Simulated(18, 24, (4, 16), sd=(1.0, 0.7, 0.5), predictors=6)),
    Condition("10 groups x 5, SD .1", MAXIMAL, Corner(10, 5, 0.1)),
    Condition("10 groups x 5, SD 4", MAXIMAL, Corner(10, 5, 4.0)),
    Condition("10 groups x 100, SD .1", MAXIMAL, Corner(10, 100, 0.1), kenward_roger=False),
    Condition("10 groups x 100, SD 4", MAXIMAL, Corner(10, 100, 4.0), kenward_roger=False),
    Condition("100 groups x 5, SD .1", MAXIMAL, Corner(100, 5, 0.1)),
    Condition("100 groups x 5, SD 4", MAXIMAL, Corner(100, 5, 4.0)),
    Condition("treatment in one group", MAIN, Simulated(19, 12, (4, 16), change=treated(1)), method="none"),
    Condition("treatment in three groups", MAIN, Simulated(20, 12, (4, 16), change=treated(3)), method="none"),
    Condition("a column in one group", MAIN, Simulated(21, 12, (4, 16), change=in_one_group), method="none"),
)
CONDITIONS = {condition.name: condition for condition in EVERY}
MIXED = [name for name, condition in CONDITIONS.items() if condition.method != "none"]
