"""One measure in every line of a table, and tables of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.measures.interval import normal, wilson
from jaxsim.measures.sample import Array


@dataclass(frozen=True)
class Part:
    """One measure in every line of a table.

    Attributes:
        name: of the measure.
        columns: ``value, mcse, low, high`` and what else is said of the lines, ``[lines]`` each.
        there: the lines that show it, bool ``[lines]``; all when None.
    """

    name: str
    columns: Mapping[str, Array]
    there: Array | None = None

    def with_more(self, there: Array | None = None, **columns: Array) -> Part:
        """The same with further columns, in some of the lines."""
        return replace(self, columns={**self.columns, **columns}, there=self.there if there is None else there)


def part_of(name: str, averaged: tuple[Array, Array, Array], is_rate: bool) -> Part:
    """A measure of which value, Monte Carlo error and independent trials are known, ``[lines]`` each; Wilson's limits for rates."""
    value, mcse, trials = averaged
    low, high = wilson(value, trials) if is_rate else normal(value, mcse)
    return Part(name, {"value": value, "mcse": mcse, "low": low, "high": high})


def by_line(table: pd.DataFrame, parts: Sequence[Part]) -> pd.DataFrame:
    """The lines of a table with their measures below each other: its columns, ``measure``, and those of the parts.

    Raises:
        InputError: if two of these columns have the same name.
    """
    for name in table.columns:
        if name in ("measure", "policy", *parts[0].columns):
            raise InputError(f"lines by {name!r}: tables of measures have a column of that name; give the factor another.")
    every = np.ones(len(table), bool)
    lines = [np.flatnonzero(every if part.there is None else part.there) for part in parts]
    order = np.argsort(np.concatenate(lines), kind="stable")
    names = np.repeat(np.array([part.name for part in parts]), list(map(len, lines)))
    columns = {
        name: np.concatenate([part.columns[name][line] for part, line in zip(parts, lines, strict=True)])[order]
        for name in parts[0].columns
    }
    return table.iloc[np.concatenate(lines)[order]].reset_index(drop=True).assign(measure=names[order], **columns)
