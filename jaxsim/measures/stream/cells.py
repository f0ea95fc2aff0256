"""Cells by the levels of their factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief, choose
from jaxsim.levels import amount, freeze, shown
from jaxsim.measures.factor_name import in_full


def check_where(where: object) -> None:
    """Raise :class:`InputError` for anything but levels by factor, or nothing."""
    if where is not None and not isinstance(where, Mapping):
        raise InputError(f"where={brief(where)}: give levels by factor, such as {{'n_groups': [10, 30]}}.")


def chosen_cells(cells: pd.DataFrame, where: Mapping[str, Any]) -> tuple[int, ...]:
    """Numbers of the cells that have the wanted levels.

    Args:
        cells: one row a cell: ``cell`` and its conditions, as tables show them.
        where: a level, or a list of levels, by factor: ``{"n_groups": [10, 30], "fixed_effects": (0, 0.3)}``. Numbers compare as
            numbers; what is neither number nor text is compared as tables show it, and may be given as that text.

    Raises:
        InputError: for a factor or a level that no cell has, or levels that no cell has together.
    """
    check_where(where)
    kept = pd.Series(True, index=cells.index)
    for named, given in where.items():
        name = choose("factor", in_full(named, map(str, cells.columns)), map(str, cells.columns))
        levels = [shown(freeze(level)) for level in cells[name]]
        wanted = [_in_words(level, levels) for level in (given if isinstance(given, list) else [given])]
        for level in wanted:
            if level not in levels:
                present = ", ".join(map(repr, dict.fromkeys(levels)))
                raise InputError(f"where={{{name!r}: {brief(level)}}}: no cell has that; the levels are {present}.")
        kept &= np.array([level in wanted for level in levels], bool)
    if not kept.any():
        raise InputError(f"where={brief(dict(where))}: no cell has these levels together.")
    return tuple(map(int, cells.loc[kept, "cell"]))


def _in_words(given: Any, levels: Sequence[Any]) -> Any:
    """A level as tables show it; as the number that it says, where they show that."""
    said, own = shown(freeze(given)), amount(given)
    return own[1] if own is not None and said not in levels else said
