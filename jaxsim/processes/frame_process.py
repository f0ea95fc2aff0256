"""An own process from a NumPy or pandas generator: slow, in worker processes, and any code that people have."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from pandas.api import types

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw, Truth
from jaxsim.data.names import INTERCEPT, Names
from jaxsim.data.padding import Bounds
from jaxsim.errors import InputError, meant
from jaxsim.processes.of_function import OfFunction
from jaxsim.processes.told import SIGMA, hashable

Generator = Callable[..., tuple[Mapping[str, float], pd.DataFrame]]
# Seed of the dataset that names are learnt from, before anything is computed.
EXAMPLE = (0, 0)


@dataclass(frozen=True, init=False)
class FrameProcess(OfFunction):
    """A process from a function ``f(rng, **fields) -> (truth, DataFrame)``, run in worker processes, a dataset at a time.

    ``rng`` is a NumPy generator seeded by the dataset's key. ``truth`` has numbers by name: a fixed effect has the name of a column
    (or ``Intercept``), anything else is an estimand. The DataFrame has the response, groups (labels of any kind) and predictors;
    columns that are not numbers are there for strategies that read DataFrames. A row with a missing value in any column, numbers or
    not, is missing for every strategy.

    Args:
        function: of one dataset.
        factors, response, between: as of :class:`jaxsim.FunctionProcess`.
        most: the largest number of groups a dataset can have; the argument ``n_groups`` of the function when None.
        fields: values of the function's arguments; those with defaults may be left out.

    Raises:
        InputError: for something that is no such function, or does not return this.
    """

    function: Generator

    batched: ClassVar[bool] = False

    def __init__(self, function: Generator, fields: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(function, fields, **options)
        if len(self.factors) != 1:
            raise InputError(f"factors={self.factors!r}: a process of DataFrames groups rows by one column; give its name.")

    @property
    def names(self) -> Names:
        """Learnt from one dataset with these values of the fields, drawn here."""
        key = (self.identity, hashable(self.fields))
        if key not in _NAMES:
            truth, frame = checked(self, self.function(np.random.default_rng(EXAMPLE), **self.fields))
            _NAMES[key] = self._named(truth, frame)
        return _NAMES[key]

    def _named(self, truth: Mapping[str, float], frame: pd.DataFrame) -> Names:
        columns = [str(c) for c in frame.columns if c not in (self.response, *self.factors) and types.is_numeric_dtype(frame[c])]
        every = (INTERCEPT, *(c for c in columns if c != INTERCEPT))
        fixed = tuple(name for name in truth if name in every)
        if not fixed:
            raise InputError(
                f"{self.kind} tells no true fixed effect; its truth names {', '.join(truth)}, its columns: {', '.join(every)}."
            )
        groups = frame.groupby(self.factors[0])
        constant = self.between
        if constant is None:
            constant = tuple(c for c in columns if (groups[c].nunique() <= 1).all()) if groups.size().max() > 1 else ()
        estimands = tuple(name for name in truth if name not in every and name != SIGMA)
        return Names(fixed, every, self.factors, self.response, constant, estimands=estimands)

    @property
    def terms(self) -> tuple[str, ...]:
        return self.names.fixed

    def program(self, bounds: Bounds) -> Hashable:
        return (self.identity, hashable(self.fields), bounds)

    def parameters(self, bounds: Bounds) -> dict[str, np.ndarray]:
        return {}

    def draw(self, key: jax.Array, parameters: Any, bounds: Bounds) -> Draw:
        """What a dataset looks like as arrays, all zero: worker processes draw the numbers."""
        names = self.names
        m = len(names.columns) + 1
        data = CrossProducts(
            jnp.zeros((bounds.groups, m, m)), jnp.zeros(bounds.groups, jnp.int32), names.columns, names.fixed,
            factors=names.factors, response=names.response, constant=names.constant,
        )  # fmt: skip
        return Draw(Truth(jnp.zeros(len(names.fixed)), estimands={name: jnp.zeros(()) for name in names.estimands}), data)

    def rows(self, key: jax.Array) -> pd.DataFrame:
        """The dataset of this key, drawn here; rows with a missing value are left out."""
        words = tuple(int(word) for word in jax.random.key_data(key))
        truth, frame = checked(self, self.function(np.random.default_rng(words), **self.fields))
        rows = complete(frame)
        rows.attrs["truth"] = {"fixed_effects": {name: float(truth[name]) for name in self.names.fixed}}
        return rows


_NAMES: dict[Hashable, Names] = {}


def checked(process: FrameProcess, returned: Any) -> tuple[dict[str, float], pd.DataFrame]:
    """What a generator returned, in either order; :class:`InputError` says what is wrong with it."""
    parts = list(returned) if isinstance(returned, tuple) else [returned]
    frames, truths = ([p for p in parts if isinstance(p, kind)] for kind in (pd.DataFrame, Mapping))
    if len(frames) != 1 or len(truths) != 1:
        raise InputError(
            f"{process.kind} returned {', '.join(type(p).__name__ for p in parts)}; return (truth, DataFrame), a dictionary first."
        )
    truth: Any = truths[0]
    frame: Any = frames[0]
    for name in (process.response, *process.factors):
        if name not in frame.columns:
            near = meant(name, map(str, frame.columns))
            hint = f" Is it {near!r}?" if near else ""
            raise InputError(f"{process.kind} returned no column {name!r}.{hint} It returned {', '.join(map(str, frame.columns))}.")
    if not types.is_numeric_dtype(frame[process.response]):
        raise InputError(f"{process.kind}: the response {process.response!r} holds {frame[process.response].dtype}; give numbers.")
    groups = frame[process.factors[0]].nunique()
    if groups > process.max_groups:
        raise InputError(f"{process.kind} returned {groups} groups, and said that there are {process.max_groups} at most.")
    try:
        return {str(name): float(value) for name, value in truth.items()}, frame
    except (TypeError, ValueError):
        raise InputError(f"{process.kind}: the truth {dict(truth)!r} must have numbers by name.") from None


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows without a missing value in any column: those that every strategy analyses, whichever columns it reads."""
    return frame.dropna().reset_index(drop=True)


def reduced(frame: pd.DataFrame, names: Names, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Cross-products ``[G, M, M]`` and sizes ``[G]`` of a dataset, padded to so many groups, in the order of their labels."""
    columns = [c for c in names.columns if c != INTERCEPT or INTERCEPT in frame]
    there = complete(frame)
    codes, _ = pd.factorize(there[names.factors[0]], sort=True)
    at = {c: there[c].to_numpy(float) for c in columns}
    block = np.column_stack([at.get(c, np.ones(len(there))) for c in names.columns] + [there[names.response].to_numpy(float)])
    products, sizes = np.zeros((groups, block.shape[1], block.shape[1])), np.bincount(codes, minlength=groups)
    order = np.argsort(codes, kind="stable")
    for g, rows in enumerate(np.split(block[order], np.cumsum(sizes)[:-1])):
        products[g] = rows.T @ rows
    return products, sizes.astype(np.int32)
