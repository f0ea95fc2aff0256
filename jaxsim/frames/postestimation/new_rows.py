"""The matrices of a model for rows that it was not fitted to, coded as the fitted rows were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.formula.columns import require
from jaxsim.formula.functions import column_names
from jaxsim.formula.grouping import Grouping
from jaxsim.formula.tables import as_frame
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.estimability import estimable
from jaxsim.frames.regression import Regression


@dataclass(frozen=True, eq=False)
class NewRows:
    """``x`` ``[N, P]``; ``z`` ``[N, Q]`` (None without random effects); ``codes`` ``[N]`` of the fitted groups, -1 for others, and
    ``[N, F]`` of several grouping factors; ``index`` of the rows; ``labels`` of all groups, a tuple a row; ``offset`` ``[N]``, None
    without; ``known`` ``[N]``, whether the fitted rows decide what the fixed effects give, as they do not in an empty cell; None
    where they always do."""

    x: np.ndarray
    z: np.ndarray | None
    codes: np.ndarray
    index: pd.Index
    labels: list[Any]
    offset: np.ndarray | None = None
    known: np.ndarray | None = None

    def by_group(self) -> Iterator[tuple[np.ndarray, int]]:
        """The rows of each group, in the order in which they come, with its code; each new group is one of its own."""
        places = pd.Series(np.arange(len(self.labels))).groupby(pd.Series(self.labels, dtype=object), sort=False)
        for _, at in places:
            yield at.to_numpy(), int(self.codes[at.iloc[0]])


def new_rows(
    model: MixedModel | Regression, data: Any, *, grouped: bool, random: bool | None = None, offset: np.ndarray | None = None
) -> NewRows:
    """The matrices of new rows.

    Args:
        model: that was fitted.
        data: rows with the predictors and, if ``grouped``, the groups. The response is not needed.
        grouped: whether the groups matter.
        random: whether the columns with random effects matter; where the groups do, when None.
        offset: of the rows ``[N]``, instead of what the model makes it of.

    Raises:
        InputError: for a column that is not there, a missing value, a level that no fitted row has, or groups of another type.
    """
    factors = _factors(model) if grouped else ()
    names = dict.fromkeys(name for tokens in model.formula.fixed.variables for name in column_names(tokens))
    recipe = model.offset_recipe if offset is None else None
    if recipe is not None and not recipe.loose:
        names |= dict.fromkeys(recipe.names)
    random = grouped if random is None else random
    if random:
        parts = [part.terms.variables for part in model.formula.random]
        names |= dict.fromkeys(name for variables in parts for tokens in variables for name in column_names(tokens))
    names |= dict.fromkeys(name for factor in factors for name in factor.names)
    data = as_frame(data)
    require(data, names, "the model needs")
    frame = data.loc[:, list(names)]
    missing = frame.isna().any()
    if missing.any():
        raise InputError(f"new rows have missing values in {', '.join(map(repr, frame.columns[missing]))}; drop them first.")
    frame = frame.reset_index(drop=True).infer_objects()
    x, known = estimable(model, model.x.recipe.full_on(frame))
    return NewRows(
        x=x,
        z=model.z_on(frame) if random and isinstance(model, MixedModel) else None,
        codes=_codes(factors, frame),
        index=data.index,
        labels=list(zip(*(frame[name] for factor in factors for name in factor.names), strict=True)),
        offset=offset if recipe is None else recipe.on(frame),
        known=known,
    )


def _factors(model: MixedModel | Regression) -> tuple[Grouping, ...]:
    """Those of a mixed model, and the one of a regression that has one."""
    if isinstance(model, MixedModel):
        return model.factors
    return () if model.groups is None else (model.groups,)


def _codes(factors: tuple[Grouping, ...], frame: pd.DataFrame) -> np.ndarray:
    if len(factors) > 1:
        return np.column_stack([factor.on(frame) for factor in factors])
    return factors[0].on(frame) if factors else np.full(len(frame), -1)
