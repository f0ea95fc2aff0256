"""A regression of a DataFrame made ready: formula, model matrix, groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.data.context import Context
from jaxsim.data.names import GROUP
from jaxsim.errors import InputError, brief, check_probability
from jaxsim.formula.coding import DEFAULT, Coding
from jaxsim.formula.columns import Rows, collect, require
from jaxsim.formula.expression import response
from jaxsim.formula.grouping import Grouping, grouping, two_groups
from jaxsim.formula.model_matrix import ModelMatrix, model_matrix
from jaxsim.formula.offset import OffsetRecipe
from jaxsim.formula.parse import Formula, parse
from jaxsim.formula.tables import as_frame, as_name, is_column, with_column
from jaxsim.formula.text_numbers import check_text
from jaxsim.frames.row_values import NO_VALUES, RowValues
from jaxsim.seeding import analysis_key


@dataclass(frozen=True, eq=False)
class Regression:
    """A regression ready to be fitted.

    Attributes:
        formula: taken apart.
        y: response ``[N]``.
        x: model matrix.
        rows: that are used.
        ways: every grouping factor; none without groups.
        weights: of the rows ``[N]``, whose residual variances are ``sigma^2 / weights``; None where all are 1.
        offset: what is added to the linear predictor of each row ``[N]``; None where nothing is.
        offset_recipe: how to make that of other rows.
    """

    formula: Formula
    y: np.ndarray
    x: ModelMatrix
    rows: Rows
    ways: tuple[Grouping, ...] = ()
    weights: np.ndarray | None = None
    offset: np.ndarray | None = None
    offset_recipe: OffsetRecipe | None = None

    @property
    def groups(self) -> Grouping | None:
        """The grouping factor with the fewest groups; None without any."""
        return min(self.ways, key=lambda way: len(way.labels), default=None)

    @property
    def codes(self) -> np.ndarray | None:
        """Group of each row ``[N]``; None without groups."""
        return None if self.groups is None else self.groups.codes

    @property
    def labels(self) -> pd.Index | None:
        """Of the groups ``[G]``; None without groups."""
        return None if self.groups is None else self.groups.labels

    @property
    def messages(self) -> tuple[str, ...]:
        """What a user should know about the rows, the columns and their coding."""
        return self.rows.messages + self.x.messages + self.x.recipe.notes


def prepare(
    text: str,
    data: Any,
    group: Any,
    conf_level: float,
    argument: str = "",
    coding: Coding = DEFAULT,
    values: RowValues = NO_VALUES,
) -> Regression:
    """Check the input and build the model matrix.

    Args:
        text, data, conf_level, coding, values: as they come.
        group: a column by its name or itself, several of them in a tuple, which are kept apart, or None.
        argument: what the group is called there.
    """
    check_probability("conf_level", conf_level)
    formula = parse(text)
    if formula.random:
        raise InputError(f"the formula {text!r} has random effects; fit it with lmer, or leave them out.")
    given = values.beside(as_frame(data))
    data, factors = factor_columns(given.frame, group, argument)
    rows = given.repeated(collect(data, tuple(dict.fromkeys((*formula.names, *factors, *given.names.values()))), text))
    check_text(formula, rows)
    y, x = response(formula.response, rows.frame), model_matrix(formula.fixed, rows.frame, coding)
    if not x.names:
        raise InputError(f"the formula {text!r} has no coefficients; write 'y ~ 1' for an intercept.")
    x = x.without_aliased() if coding.aliased == "drop" else x
    ways = tuple(grouping(rows.frame, [name]) for name in factors)
    for way in ways:
        two_groups(way)
    return Regression(formula, y, x, rows, ways, given.weights(rows), *given.offset(rows, formula))


def factor_columns(data: pd.DataFrame, group: Any, argument: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The data with the columns of the groups, and their names."""
    names = []
    for factor in () if group is None else group if isinstance(group, tuple) else (group,):
        if isinstance(factor, str):
            default = " (the default; ols has no groups)" if factor == GROUP else ""
            require(data, [factor], f"{argument}={brief(factor)}{default} names the column of the groups, so there must be")
            names.append(factor)
        else:
            data, name = with_column(data, argument, factor)
            names.append(name)
    return data, tuple(names)


def column_argument(argument: str, value: Any) -> Any:
    """``value`` if it can be a column or the name of one, which is then text, else :class:`InputError`."""
    name = as_name(value)
    if isinstance(name, str):
        return name
    if not is_column(value):
        raise InputError(f"{argument}={brief(value)} must be the name of the column that holds the groups, or the column itself.")
    return value


def seeded(seed: int, conf_level: float) -> Context:
    """What a method that resamples needs, from the user's seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed={brief(seed)} must be an integer from 0 to 2**32 - 1.")
    return Context(analysis_key(seed), conf_level)
