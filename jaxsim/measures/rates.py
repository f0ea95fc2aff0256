"""How often fits converge, are singular, or fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.measures.combine import codes_of, lines_of, tabulate
from jaxsim.measures.measure import Measure, Rate
from jaxsim.measures.part import by_line
from jaxsim.measures.policy import is_usable, require
from jaxsim.measures.recipe import measure_all, recipe_of
from jaxsim.measures.sample import Array, Rows
from jaxsim.status import Status

EVENTS = ("convergence", "singular", "failure", "success")
MEASURES: dict[str, Measure] = {name: Rate(name) for name in EVENTS}
RECIPE = recipe_of(MEASURES)


def is_success(fits: pd.DataFrame) -> np.ndarray:
    """The 2019 study's ``Fit_success``, lme4's "no warning": converged and not singular, bool ``[rows]``."""
    return is_usable(fits) & fits["converged"].to_numpy(bool) & ~fits["singular"].to_numpy(bool)


def fit_rows(fits: pd.DataFrame, code: Array) -> Rows:
    """Whether each event of ``EVENTS`` happened in each fit, 0 or 1."""
    events = (fits["converged"].to_numpy(bool), fits["singular"].to_numpy(bool), ~is_usable(fits), is_success(fits))
    return Rows(code, {name: event.astype(float) for name, event in zip(EVENTS, events, strict=True)})


def rates(fits: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Rates over all fits of each group (none is left out), with Wilson intervals.

    Args:
        fits: one row a fit (see :attr:`jaxsim.results.Results.fits`).
        by: columns that define the groups.

    Returns:
        One row per group and rate: ``*by, measure, value, mcse, low, high, n_used, n_failed``, where ``measure`` is ``convergence``
        (the optimality conditions hold), ``singular`` (as lme4 judges it), ``failure`` (no usable answer) or ``success``
        (converged and not singular).

    Raises:
        InputError: for an unknown column or an empty table.
    """
    require(fits, [*by, "cell", "replicate", "model", "status", "converged", "singular"], "fits")
    lines = lines_of(fits, by, ("cell", "model"))
    rows = fit_rows(fits, lines.strata.code)
    failed = lines.per_line(rows["failure"] == 1)
    found = measure_all(RECIPE, rows, lines.strata.count, EVENTS)
    return by_line(lines.table, [tabulate(lines, name, m).with_more(n_failed=failed) for name, m in found.items()])


def reasons(fits: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """How many fits of each group ended with each status: ``*by, status, n, message``, statuses that occur only."""
    require(fits, [*by, "cell", "status"], "fits")
    line, first = codes_of(fits, list(by))
    counts = fits["status"].groupby([line, fits["status"]], observed=True).size()
    lines, status = (counts.index.get_level_values(i) for i in (0, 1))
    table = fits[list(by)].iloc[first[lines]].reset_index(drop=True).assign(status=status, n=counts.to_numpy())
    return table.assign(message=[Status[str(status).upper()].message for status in table["status"]])
