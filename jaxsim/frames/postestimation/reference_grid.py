"""The reference grid of a model: every combination of the levels of its factors, numbers at their means, as R's emmeans has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from jaxsim.errors import InputError, advised, brief, finite, several
from jaxsim.formula.columns import as_column
from jaxsim.formula.parse import column_names
from jaxsim.formula.variable import Variable
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.row_terms import offset_of
from jaxsim.frames.regression import Regression

MOST_ROWS = 100_000


@dataclass(frozen=True, eq=False)
class Axis:
    """One column of the grid.

    Attributes:
        name: of the column in the data.
        values: that it takes, of the column's own dtype.
        factor: whether means are taken over its levels; a number that has one value stays there.
    """

    name: str
    values: pd.Series
    factor: bool

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers."""
        return is_number(self.values)


@dataclass(frozen=True, eq=False)
class ReferenceGrid:
    """A dimension for each of ``axes``: ``x`` are all columns of the model, aliased ones too, ``[n_1, .., n_A, R]``; ``offset`` is
    what is added to what they explain, ``[n_1, .., n_A]``."""

    axes: tuple[Axis, ...]
    x: np.ndarray
    offset: np.ndarray

    @property
    def names(self) -> list[str]:
        """Of the axes."""
        return [axis.name for axis in self.axes]

    def over(self, names: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        """Combinations of the values of some axes, the first varying fastest, and the means over all others of ``x``, ``[K, R]``,
        and of the offset, ``[K]``."""
        places = [self.names.index(name) for name in names]
        others = tuple(i for i in range(len(self.axes)) if i not in places)
        kept = sorted(places)
        order = [kept.index(place) for place in reversed(places)]
        rows = self.x.mean(axis=others).transpose(*order, len(kept)).reshape(-1, self.x.shape[-1])
        offset = self.offset.mean(axis=others).transpose(order).reshape(-1)
        counts = [len(self.axes[place].values) for place in reversed(places)]
        codes = np.indices(counts).reshape(len(counts), -1)[::-1]
        levels = {name: self.axes[p].values.iloc[at].to_numpy() for name, p, at in zip(names, places, codes, strict=True)}
        return pd.DataFrame(levels), rows, offset


def reference_grid(model: MixedModel | Regression, at: Mapping[str, Any] | None = None) -> ReferenceGrid:
    """The grid of the columns that have fixed effects.

    A column of text, categories or truth values, one inside of ``factor()`` or ``C()``, and a number that has two values only is a
    factor; any other number is at its mean over the fitted rows. So is the offset, unless a column that it is made of is one of
    these factors or has values in ``at``; then it is computed, its other columns at their means.

    Args:
        model: that was fitted.
        at: values of some columns, those of the offset among them, instead of these: numbers, or some of a factor's levels.

    Raises:
        InputError: for a name that is no predictor, a level that is not there, and a grid of more than ``MOST_ROWS`` rows.
    """
    frame, names = model.rows.frame, predictors(model)
    given = _given(at, list(dict.fromkeys([*names, *offset_columns(model)])))
    names += [name for name in given if name not in names]
    variables = model.x.recipe.variables
    axes = tuple(_axis(frame[name], name, variables, given.get(name)) for name in names)
    shape = [len(axis.values) for axis in axes]
    if math.prod(shape) > MOST_ROWS:
        raise InputError(
            f"the combinations of the levels of {', '.join(names)} are {math.prod(shape):,}, more than {MOST_ROWS:,}; give some "
            "of the levels with at={..}."
        )
    codes = np.indices(shape).reshape(len(shape), -1)
    n_rows = math.prod(shape)
    columns = {axis.name: axis.values.iloc[code].reset_index(drop=True) for axis, code in zip(axes, codes, strict=True)}
    grid = pd.DataFrame(columns, index=pd.RangeIndex(n_rows))
    offset = offset_at(model, grid, [axis.name for axis in axes if axis.factor])
    for name in columns_of(model):
        if name not in grid:  # it was taken out of the formula (x * f - f - x:f), which reads it all the same
            grid[name] = _axis(frame[name], name, variables, None).values.iloc[[0] * n_rows].to_numpy()
    return ReferenceGrid(axes, model.x.recipe.full_on(grid).reshape(*shape, -1), offset.reshape(shape))


def offset_at(model: MixedModel | Regression, grid: pd.DataFrame, factors: Sequence[str]) -> np.ndarray:
    """The offset of the rows of a grid: the mean of the fitted rows unless one of the ``factors`` has a part in it."""
    recipe, columns = model.offset_recipe, offset_columns(model)
    if recipe is None or not set(columns) & set(factors):
        return np.full(len(grid), offset_of(model).mean())
    held = {name: float(model.rows.frame[name].mean()) for name in columns if name not in grid}
    return recipe.on(grid.assign(**held))


def predictors(model: MixedModel | Regression) -> list[str]:
    """The columns of the data that have fixed effects: those of the variables that are left in some term."""
    recipe = model.x.recipe
    used = {i for member in recipe.terms.members for i in member}
    variables = [variable for i, variable in enumerate(recipe.variables) if i in used]
    return list(dict.fromkeys(name for variable in variables for name in column_names(variable.tokens)))


def columns_of(model: MixedModel | Regression) -> list[str]:
    """The columns of the data that the fixed part of the formula names, with effects or without."""
    return list(dict.fromkeys(name for variable in model.x.recipe.variables for name in column_names(variable.tokens)))


def offset_columns(model: MixedModel | Regression) -> tuple[str, ...]:
    """The columns of the data that the offset is made of."""
    return () if model.offset_recipe is None or model.offset_recipe.loose else model.offset_recipe.names


def _given(at: Mapping[str, Any] | None, names: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """The values of ``at``, as tuples."""
    if at is None:
        return {}
    if not isinstance(at, Mapping):
        raise InputError(f"at={brief(at)} must be a dictionary of values by column, such as {{'day': [0, 9]}}.")
    found = {}
    for name, values in at.items():
        known_predictor(name, names)
        listed = (values,) if isinstance(values, str) or np.ndim(values) == 0 else several(values, MOST_ROWS)
        if not listed or len(set(listed)) < len(listed):
            raise InputError(f"at={{{name!r}: {brief(values)}}} must give one or several different values.")
        found[name] = listed
    return found


def known_predictor(name: Any, names: Sequence[str]) -> None:
    """Raise :class:`InputError` unless it is one of the columns that have fixed effects."""
    if name not in names:
        there = f"these are {', '.join(names) or 'none'}"
        raise InputError(advised(f"{brief(name)} is not a column with fixed effects", name, names, there))


def _axis(series: pd.Series, name: str, variables: Sequence[Variable], given: tuple[Any, ...] | None) -> Axis:
    numeric = is_number(series)
    coded = any(name in column_names(variable.tokens) and _makes_levels(variable) for variable in variables)
    if not numeric or coded:
        return Axis(name, _levels(series, name, given), True)
    if given is not None:
        wrong = next((value for value in given if not finite(_plain(value))), None)
        if wrong is not None:
            raise InputError(f"at={{{name!r}: ..}} has {brief(wrong)}, which is not a number; the fitted rows hold numbers.")
        whole = types.is_integer_dtype(series) and all(float(value).is_integer() for value in given)
        return Axis(name, pd.Series([int(value) if whole else float(value) for value in given]), True)
    values = series.drop_duplicates().sort_values(ignore_index=True)
    if len(values) == 2:
        return Axis(name, values, True)
    return Axis(name, pd.Series([float(series.mean())]), False)


def is_number(series: pd.Series) -> bool:
    """Whether a column holds numbers (truth values and categories of numbers are none)."""
    categorical = isinstance(series.dtype, pd.CategoricalDtype)
    return not categorical and types.is_numeric_dtype(series) and not types.is_bool_dtype(series)


def _plain(value: Any) -> Any:
    """A NumPy number as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _makes_levels(variable: Variable) -> bool:
    return variable.levels is not None and not variable.logical


def _levels(series: pd.Series, name: str, given: tuple[Any, ...] | None) -> pd.Series:
    """One row of each level, in order, or of those that are given."""
    column = as_column(series, name)
    _, first = np.unique(column.values, return_index=True)
    levels = series.iloc[first].reset_index(drop=True)
    if given is None:
        return levels
    known = levels.tolist()
    wrong = next((value for value in given if value not in known), None)
    if wrong is not None:
        shown = ", ".join(map(repr, known[:10])) + (", .." if len(known) > 10 else "")
        raise InputError(f"at={{{name!r}: ..}} has {brief(wrong)}, which is no level; there are {shown}.")
    return levels.iloc[[known.index(value) for value in given]].reset_index(drop=True)
