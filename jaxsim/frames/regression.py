"""A regression of a DataFrame made ready: formula, model matrix, groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.data.context import Context
from jaxsim.errors import InputError, brief, check_probability, choose
from jaxsim.formula.columns import Rows, collect, require
from jaxsim.formula.expression import response
from jaxsim.formula.grouping import Grouping, grouping, two_groups
from jaxsim.formula.model_matrix import ALIASED, ModelMatrix, model_matrix
from jaxsim.formula.parse import Formula, parse
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
    """

    formula: Formula
    y: np.ndarray
    x: ModelMatrix
    rows: Rows
    ways: tuple[Grouping, ...] = ()
    weights: np.ndarray | None = None
    offset: np.ndarray | None = None

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
        """What a user should know about the rows and columns."""
        return self.rows.messages + self.x.messages


def prepare(
    text: str,
    data: pd.DataFrame,
    group: str | tuple[str, ...] | None,
    conf_level: float,
    argument: str = "",
    aliased: str = "drop",
) -> Regression:
    """Check the input and build the model matrix; several grouping factors are kept apart. ``aliased``: see :func:`jaxsim.ols`."""
    check_probability("conf_level", conf_level)
    choose("aliased", aliased, ALIASED)
    formula = parse(text)
    if formula.random:
        raise InputError(f"the formula {text!r} has random effects; fit it with lmer, or leave them out.")
    factors = (group,) if isinstance(group, str) else group or ()
    for name in factors:
        require(data, [name], f"{argument}={brief(name)} names the column of the groups, so there must be")
    names = tuple(dict.fromkeys((*formula.names, *factors)))
    rows = collect(data, names, text)
    y, x = response(formula.response, rows.frame), model_matrix(formula.fixed, rows.frame)
    if not x.names:
        raise InputError(f"the formula {text!r} has no coefficients; write 'y ~ 1' for an intercept.")
    x = x.without_aliased() if aliased == "drop" else x
    ways = tuple(grouping(rows.frame, [name]) for name in factors)
    for way in ways:
        two_groups(way)
    return Regression(formula, y, x, rows, ways)


def column_argument(argument: str, value: str) -> str:
    """``value`` if it can be the name of a column, else :class:`InputError`."""
    if not isinstance(value, str):
        raise InputError(f"{argument}={brief(value)} must be the name of the column that holds the groups.")
    return value


def seeded(seed: int, conf_level: float) -> Context:
    """What a method that resamples needs, from the user's seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed={brief(seed)} must be an integer from 0 to 2**32 - 1.")
    return Context(analysis_key(seed), conf_level)
