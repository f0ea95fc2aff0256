"""Measures of variance components: estimated standard deviations and correlations of random effects, and the residual SD."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.measures.kit import Kit
from jaxsim.measures.sample import NUMBERS
from jaxsim.measures.stream.performance import Performance
from jaxsim.measures.stream.scan import Frames
from jaxsim.status import USABLE_LABELS, Status

KEY = ("cell", "replicate", "model", "status")
Has = Mapping[str, Collection[str]]


def components(
    frames: Frames, cells: pd.DataFrame, has: Has, names: Sequence[str], factors: Sequence[str] | None = None
) -> Performance:
    """Measures of variance components against the values that the data were made with, read from the fits.

    In ``components(..).measures(by)`` each component stands where tables of coefficients have the ``term``, and the measures are
    those that need estimates and truths alone: ``bias, relative_bias, empirical_se, mse, rmse, median_absolute_error``. Singular
    fits count: a standard deviation of zero is their answer. Of a correlation they may have none, because it divides by that zero;
    these and fits that failed are in ``n_failed``, and under ``listwise`` such a dataset counts for no strategy.

    Args:
        frames: as for :class:`jaxsim.measures.stream.Performance`; of ``fits``, with ``cell, replicate, model, status`` and, for
            each component ``x``, its estimate ``x`` and its true value ``true_x``.
        cells: one row a cell: ``cell`` and its conditions.
        has: the components that each strategy estimates, by its label, in the order they are shown. Of the others there are no
            rows, and none where the data were made without the component (its true value is NaN).
        names: columns of the components, such as ``sd_Group_Intercept``, ``cor_Group_Intercept_IV1``, ``sigma``.
        factors: columns of ``cells`` that lines are made of by default; all but ``cell`` when None.
    """
    read = _Melted(frames, tuple(names), has)
    return Performance(read, cells, list(has), names, (), Kit(has_inference=False), factors)


class _Melted:
    """Estimates in frames, of the fits in frames: a row for each component of a fit."""

    def __init__(self, frames: Frames, names: tuple[str, ...], has: Has) -> None:
        self.frames, self.names, self.has = frames, names, has

    def __call__(self, table: str, columns: Sequence[str], where: Mapping[str, Any] | None = None) -> Iterable[pd.DataFrame]:
        if table == "fits":
            return self.frames(table, columns=columns, where=where)
        return (frame[list(columns)] for frame in self._estimates(where))

    def _estimates(self, where: Mapping[str, Any] | None) -> Iterator[pd.DataFrame]:
        wanted = [*KEY, *(column for name in self.names for column in (name, f"true_{name}"))]
        for fits in self.frames("fits", columns=wanted, where=where):
            yield pd.concat([self._rows(fits, name) for name in self.names], ignore_index=True)

    def _rows(self, fits: pd.DataFrame, name: str) -> pd.DataFrame:
        """Of one component."""
        estimate, truth = (fits[column].to_numpy(np.float64) for column in (name, f"true_{name}"))
        owners = [model for model, own in self.has.items() if name in own]
        there = fits["model"].isin(owners).to_numpy() & ~np.isnan(truth)
        without = fits["status"].isin(USABLE_LABELS).to_numpy() & np.isnan(estimate)
        status = np.where(without, Status.NON_FINITE.label, fits["status"].astype(str))
        found = fits[list(KEY)].assign(term=name, status=status, **dict.fromkeys(NUMBERS, np.nan))
        return found.assign(estimate=estimate, truth=truth)[there]
