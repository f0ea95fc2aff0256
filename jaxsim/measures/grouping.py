"""From the columns a user groups by to integer codes and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.measures.policy import dataset_code
from jaxsim.measures.sample import Groups


def group_codes(table: pd.DataFrame, by: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Group number of each row, ``[rows]``, and one line per group with its values of ``by``, in sorted order."""
    if not by:
        return np.zeros(len(table), int), pd.DataFrame(index=[0])
    grouped = table.groupby(list(by), observed=True, sort=True, dropna=False)
    code = grouped.ngroup().to_numpy()
    _, first = np.unique(code, return_index=True)
    return code, table[list(by)].iloc[first].reset_index(drop=True)


def groups_of(table: pd.DataFrame, code: np.ndarray, count: int) -> Groups:
    """The :class:`Groups` of a table's rows."""
    return Groups(code, dataset_code(table), table["cell"].to_numpy(np.int64), count)


def counts(code: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    """Rows of each group for which ``mask`` holds, ``[count]``."""
    return np.bincount(code[mask], minlength=count)
