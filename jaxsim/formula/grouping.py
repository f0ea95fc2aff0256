"""The groups of a model: codes and labels of the fitted rows, and which of them the rows are in that come later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from jaxsim.errors import InputError, brief
from jaxsim.formula.columns import level_name, sorted_codes


@dataclass(frozen=True, eq=False)
class Grouping:
    """One grouping factor: a column, or the combinations of several that occur.

    Attributes:
        names: the columns.
        codes: group of each fitted row, ``0 .. G - 1``, ``[N]``.
        labels: of the groups in the order of R's factor levels, ``[G]``; combinations as ``a:b``.
        members: the labels of each column in each group, ``[G]`` tuples.
    """

    names: tuple[str, ...]
    codes: np.ndarray
    labels: pd.Index
    members: tuple[tuple[Any, ...], ...]

    @property
    def name(self) -> str:
        """As R writes it."""
        return ":".join(self.names)

    @cached_property
    def _codes(self) -> dict[tuple[Any, ...], int]:
        return {member: code for code, member in enumerate(self.members)}

    def on(self, frame: pd.DataFrame) -> np.ndarray:
        """Group of each row of ``frame`` ``[N]``; -1 for a group that no fitted row is in.

        Raises:
            InputError: for labels of another type than those of the fitted rows: "1" is not the group 1.
        """
        for i, name in enumerate(self.names):
            self._same_type(i, name, frame[name])
        rows = zip(*(frame[name] for name in self.names), strict=True)
        return np.array([self._codes.get(row, -1) for row in rows], dtype=int)

    def _same_type(self, i: int, name: str, new: pd.Series) -> None:
        known = {_kind(member[i]) for member in self.members}
        for label in new.unique().tolist():
            if _kind(label) not in known:
                have = brief(self.members[0][i])
                raise InputError(
                    f"the group {brief(label)} in {name!r} is {_kind(label)}, and those of the fitted rows are "
                    f"{' or '.join(sorted(known))}, such as {have}; convert the column, so that known groups are recognised."
                )


def _kind(label: Any) -> str:
    """What labels are compared as: the number 1 and the number 1.0 are one group, the text "1" is another."""
    if isinstance(label, str):
        return "text"
    if types.is_bool(label):
        return "true or false"
    return "a number" if types.is_number(label) else f"a {type(label).__name__}"


def grouping(frame: pd.DataFrame, names: Sequence[str]) -> Grouping:
    """The groups of complete rows; several names make one factor of the combinations that occur."""
    parts = [sorted_codes(frame[name]) for name in names]
    if len(parts) == 1:
        codes, labels = parts[0]
        index = pd.Index(labels, name=names[0], tupleize_cols=False)
        return Grouping(tuple(names), codes, index, tuple((label,) for label in labels))
    seen, codes = np.unique(np.column_stack([codes for codes, _ in parts]), axis=0, return_inverse=True)
    members = tuple(tuple(labels[i] for i, (_, labels) in zip(row, parts, strict=True)) for row in seen)
    return Grouping(tuple(names), codes.reshape(-1), pd.Index(joined(members), name=":".join(names)), members)


def joined(members: Sequence[tuple[Any, ...]]) -> list[str]:
    """A label for each combination of labels: ``a:b`` as in R, parts in backquotes where that leaves two groups with one label."""
    labels = [":".join(map(level_name, member)) for member in members]
    if len(set(labels)) == len(labels):
        return labels
    return [":".join(map(_quoted, member)) for member in members]


def _quoted(label: Any) -> str:
    if isinstance(label, str):
        return "`" + label.replace("`", "``") + "`" if {":", "`"} & set(label) else label
    return repr(label) if isinstance(label, float) else level_name(label)


def two_groups(groups: Grouping) -> None:
    """Raise :class:`InputError` for a grouping factor with one level."""
    if len(groups.labels) < 2:
        raise InputError(
            f"the grouping factor {groups.name!r} has the one level {groups.labels[0]!r}; at least two groups are needed."
        )
