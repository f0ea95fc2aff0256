"""How often fits converge, are singular, or fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.measures.grouping import counts, group_codes, groups_of
from jaxsim.measures.policy import is_usable, require
from jaxsim.measures.sample import Measured
from jaxsim.measures.summarise import tabulate
from jaxsim.status import Status


def is_success(fits: pd.DataFrame) -> np.ndarray:
    """The 2019 study's ``Fit_success``, lme4's "no warning": converged and not singular, bool ``[rows]``."""
    return (is_usable(fits) & fits["converged"] & ~fits["singular"]).to_numpy(bool)


def rates(fits: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Rates over all fits of each group (none is left out), with Wilson intervals.

    Args:
        fits: one row a fit (see :attr:`jaxsim.store.results.Results.fits`).
        by: columns that define the groups.

    Returns:
        One row per group and rate: ``*by, measure, value, mcse, low, high, n_used, n_failed``, where ``measure`` is ``convergence``
        (the optimality conditions hold), ``singular`` (as lme4 judges it), ``failure`` (no usable answer) or ``success``
        (converged and not singular).

    Raises:
        InputError: for an unknown column or an empty table.
    """
    require(fits, [*by, "cell", "replicate", "status", "converged", "singular"], "fits")
    code, lines = group_codes(fits, by)
    groups = groups_of(fits, code, len(lines))
    failure = ~is_usable(fits)
    events = {
        "convergence": fits["converged"].to_numpy(bool),
        "singular": fits["singular"].to_numpy(bool),
        "failure": failure,
        "success": is_success(fits),
    }
    parts = []
    for name, event in events.items():
        rate = groups.mean(event.astype(float))
        plain = np.sqrt(rate * (1 - rate) / groups.size)
        mcse = np.where(groups.is_plain, plain, groups.error_of_mean(event.astype(float)))
        parts.append(tabulate(lines, name, Measured(rate, mcse, is_rate=True), groups).assign(_order=np.arange(len(lines))))
    table = pd.concat(parts, ignore_index=True).sort_values("_order", kind="stable", ignore_index=True)
    failed = counts(code, failure, len(lines))
    return table.assign(n_failed=failed[table["_order"]]).drop(columns="_order")


def reasons(fits: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """How many fits of each group ended with each status: ``*by, status, n, message``, statuses that occur only."""
    require(fits, [*by, "status"], "fits")
    table = fits.groupby([*by, "status"], observed=True).size().rename("n").reset_index()
    return table.assign(message=[Status[str(status).upper()].message for status in table["status"]])
