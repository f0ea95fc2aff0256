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
from jaxsim.frames.regression import Regression


@dataclass(frozen=True, eq=False)
class NewRows:
    """``x`` ``[N, P]``; ``z`` ``[N, Q]`` (None without random effects); ``codes`` ``[N]`` of the fitted groups, -1 for others;
    ``labels`` of all groups, a tuple a row; ``index`` of the rows; ``offset`` ``[N]``, None without."""

    x: np.ndarray
    z: np.ndarray | None
    codes: np.ndarray
    index: pd.Index
    labels: list[Any]
    offset: np.ndarray | None = None

    def by_group(self) -> Iterator[tuple[np.ndarray, int]]:
        """The rows of each group, in the order in which they come, with its code; each new group is one of its own."""
        places = pd.Series(np.arange(len(self.labels))).groupby(pd.Series(self.labels, dtype=object), sort=False)
        for _, at in places:
            yield at.to_numpy(), int(self.codes[at.iloc[0]])


def new_rows(model: MixedModel | Regression, data: Any, *, grouped: bool, random: bool | None = None) -> NewRows:
    """The matrices of new rows.

    Args:
        model: that was fitted.
        data: rows with the predictors and, if ``grouped``, the groups. The response is not needed.
        grouped: whether the groups matter.
        random: whether the columns with random effects matter; where the groups do, when None.

    Raises:
        InputError: for a column that is not there, a missing value, a level that no fitted row has, or groups of another type.
    """
    groups = model.groups if grouped else None
    names = dict.fromkeys(name for tokens in model.formula.fixed.variables for name in column_names(tokens))
    offset = model.offset_recipe
    if offset is not None and not offset.loose:
        names |= dict.fromkeys(offset.names)
    random = grouped if random is None else random
    if random:
        parts = [part.terms.variables for part in model.formula.random]
        names |= dict.fromkeys(name for variables in parts for tokens in variables for name in column_names(tokens))
    if groups is not None:
        names |= dict.fromkeys(groups.names)
    data = as_frame(data)
    require(data, names, "the model needs")
    frame = data.loc[:, list(names)]
    missing = frame.isna().any()
    if missing.any():
        raise InputError(f"new rows have missing values in {', '.join(map(repr, frame.columns[missing]))}; drop them first.")
    frame = frame.reset_index(drop=True).infer_objects()
    return NewRows(
        x=model.x.recipe.on(frame),
        z=model.z_on(frame) if random and isinstance(model, MixedModel) else None,
        codes=_codes(groups, frame),
        index=data.index,
        labels=[] if groups is None else list(zip(*(frame[name] for name in groups.names), strict=True)),
        offset=None if offset is None else offset.on(frame),
    )


def _codes(groups: Grouping | None, frame: pd.DataFrame) -> np.ndarray:
    return np.full(len(frame), -1) if groups is None else groups.on(frame)
