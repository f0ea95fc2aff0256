"""Which fits a measure counts when some have failed. Nothing is ever redrawn: the number left out is always reported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose, names_given
from jaxsim.status import USABLE_LABELS

POLICIES: tuple[str, ...] = ("available", "listwise")
TRUTHS: tuple[str, ...] = ("zero", "nonzero")
# Kinds of truths by number; the last is that of a coefficient of which no true value is known.
KINDS: tuple[str, ...] = ("nonzero", "zero", "untold")


def is_usable(table: pd.DataFrame) -> np.ndarray:
    """Whether each row belongs to a fit that gave its strategy's answer (``ok`` or ``singular``), bool ``[rows]``."""
    status = table["status"]
    if not isinstance(status.dtype, pd.CategoricalDtype):
        return status.isin(USABLE_LABELS).to_numpy()
    usable = [label in USABLE_LABELS for label in status.cat.categories.tolist()]
    return np.array([*usable, False])[status.cat.codes.to_numpy()]  # the last for the code -1 of a missing one


def is_counted(table: pd.DataFrame, policy: str) -> np.ndarray:
    """Which rows count, bool ``[rows]``.

    Args:
        table: estimates or fits, with ``cell``, ``replicate`` and ``status``.
        policy: ``available`` counts every usable fit; ``listwise`` only those of datasets in which the fits of all strategies of
            the table are usable (a row that is not there is a fit that is not there).
    """
    choose("policy", policy, POLICIES)
    usable = is_usable(table)
    if policy == "available":
        return usable
    keys = [name for name in ("model", "term") if name in table.columns]
    wanted = table[["cell", *keys]].drop_duplicates().groupby("cell").size()
    found = table[usable].groupby(["cell", "replicate"]).size()
    complete = found.index[found.to_numpy() == wanted.reindex(found.index.get_level_values("cell")).to_numpy()]
    return pd.MultiIndex.from_frame(table[["cell", "replicate"]]).isin(complete)


def chosen_rows(table: pd.DataFrame, terms: Sequence[str] | None, truth: str | None) -> np.ndarray:
    """Rows of these coefficients (all when None) with a truth that is ``zero`` or ``nonzero`` (any when None), bool ``[rows]``."""
    chosen = np.ones(len(table), bool)
    if terms is not None:
        known = list(map(str, pd.unique(table["term"].astype(str))))
        chosen &= table["term"].isin([choose("term", term, known) for term in names_given("terms", terms)]).to_numpy()
    if truth is not None:
        chosen &= kind_of(table["truth"].to_numpy(float)) == KINDS.index(choose("truth", truth, TRUTHS))
    return chosen


def kind_of(truth: np.ndarray) -> np.ndarray:
    """The kind of each truth, a number of ``KINDS``, ``[rows]``."""
    return np.where(np.isnan(truth), 2, (truth == 0).astype(int))


def dataset_code(table: pd.DataFrame) -> np.ndarray:
    """One integer per dataset, ``[rows]``."""
    cell, replicate = table["cell"].to_numpy(np.int64), table["replicate"].to_numpy(np.int64)
    return cell * (int(replicate.max(initial=0)) + 1) + replicate


def require(table: pd.DataFrame, columns: list[str], what: str) -> None:
    """Raise :class:`InputError` unless the table has rows and all these columns."""
    if table.empty:
        raise InputError(f"the {what} table is empty: there is nothing to measure.")
    for name in columns:
        if name not in table.columns:
            raise InputError(f"{name!r} is not a column of the {what} table; use {', '.join(map(str, table.columns))}.")
