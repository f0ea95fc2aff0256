"""Cells by the levels of their factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose


def chosen_cells(cells: pd.DataFrame, where: Mapping[str, Any]) -> tuple[int, ...]:
    """Numbers of the cells that have the wanted levels.

    Args:
        cells: one row a cell: ``cell`` and its conditions.
        where: a level, or a list of levels, by factor; a level that is neither number nor text may be given as text.

    Raises:
        InputError: for a factor or a level that no cell has, or levels that no cell has together.
    """
    kept = pd.Series(True, index=cells.index)
    for name, given in where.items():
        choose("factor", name, map(str, cells.columns))
        present = list(pd.unique(cells[name]))
        wanted = [_shown(level) for level in (given if isinstance(given, list) else [given])]
        for level in wanted:
            if level not in present:
                raise InputError(
                    f"where={{{name!r}: {level!r}}}: no cell has that; the levels are {', '.join(map(repr, present))}."
                )
        kept &= cells[name].isin(wanted)
    if not kept.any():
        raise InputError(f"where={dict(where)}: no cell has these levels together.")
    return tuple(map(int, cells.loc[kept, "cell"]))


def _shown(level: Any) -> Any:
    level = level.item() if isinstance(level, np.generic) else level
    return level if isinstance(level, int | float | str) else str(level)
