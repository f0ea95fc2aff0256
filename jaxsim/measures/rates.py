"""How often fits converge, are singular, or fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.measures.combine import lines_of, tabulate
from jaxsim.measures.policy import is_usable, require
from jaxsim.measures.sample import rate_of
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
    require(fits, [*by, "cell", "replicate", "model", "status", "converged", "singular"], "fits")
    lines = lines_of(fits, by, ("cell", "model"))
    failure = ~is_usable(fits)
    events = {
        "convergence": fits["converged"].to_numpy(bool),
        "singular": fits["singular"].to_numpy(bool),
        "failure": failure,
        "success": is_success(fits),
    }
    failed = lines.per_line(failure)
    parts = [
        tabulate(lines, name, rate_of(lines.strata, event)).assign(n_failed=failed, _order=np.arange(lines.count))
        for name, event in events.items()
    ]
    return pd.concat(parts, ignore_index=True).sort_values("_order", kind="stable", ignore_index=True).drop(columns="_order")


def reasons(fits: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """How many fits of each group ended with each status: ``*by, status, n, message``, statuses that occur only."""
    require(fits, [*by, "status"], "fits")
    table = fits.groupby([*by, "status"], observed=True).size().rename("n").reset_index()
    return table.assign(message=[Status[str(status).upper()].message for status in table["status"]])
