"""The table of performance measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.measures.catalogue import CATALOGUE
from jaxsim.measures.grouping import counts, group_codes, groups_of
from jaxsim.measures.interval import normal, wilson
from jaxsim.measures.policy import is_counted, is_usable, require
from jaxsim.measures.sample import Groups, Measured, Sample

NUMBERS = ("estimate", "truth", "std_error", "p_value", "conf_low", "conf_high")


def summarise(
    estimates: pd.DataFrame,
    by: Sequence[str],
    *,
    policy: str = "available",
    alpha: float = 0.05,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Performance measures of each group of rows, with their Monte Carlo errors.

    Args:
        estimates: long table of a run (see :attr:`jaxsim.store.results.Results.estimates`).
        by: columns that define the groups, such as ``["model", "n_groups", "term"]``; ``[]`` for one group of everything.
        policy: ``available`` uses every usable fit, ``listwise`` only datasets that every strategy could fit.
        alpha: level of the tests behind ``rejection``.
        measures: some of the names in ``CATALOGUE``; all when None.

    Returns:
        One row per group and measure: ``*by, measure, kind, value, mcse, low, high, n_used, n_failed, policy``. ``low`` and
        ``high`` are 95% Monte Carlo limits (Wilson's for rates). ``n_used`` rows were counted; ``n_failed`` are those whose fit
        failed. ``kind`` says for ``rejection`` whether the truth is never zero (``power``), always (``type_one_error``) or
        ``mixed``; it is empty for other measures. A group without a usable fit stays, with NaN.

    Raises:
        InputError: for an unknown column, measure or policy, a level outside (0, 1), or an empty table.
    """
    require(estimates, [*by, *NUMBERS, "cell", "replicate", "status"], "estimates")
    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha}: give a number between 0 and 1, such as 0.05.")
    names = [choose("measure", name, CATALOGUE) for name in (CATALOGUE if measures is None else measures)]
    code, lines = group_codes(estimates, by)
    counted = is_counted(estimates, policy)
    used = estimates[counted]
    groups = groups_of(used, code[counted], len(lines))
    values = {name: used[name].to_numpy(float) for name in NUMBERS}
    sample = Sample(groups=groups, alpha=alpha, **values)
    failed = counts(code, ~is_usable(estimates), len(lines))
    parts = []
    for name in names:
        kind = _kinds(sample) if name == "rejection" else ""
        part = tabulate(lines, name, CATALOGUE[name](sample), groups)
        parts.append(part.assign(kind=kind, n_failed=failed, policy=policy, _order=np.arange(len(lines))))
    columns = [*by, "measure", "kind", "value", "mcse", "low", "high", "n_used", "n_failed", "policy"]
    return pd.concat(parts, ignore_index=True).sort_values("_order", kind="stable", ignore_index=True)[columns]


def tabulate(lines: pd.DataFrame, name: str, measured: Measured, groups: Groups) -> pd.DataFrame:
    """One measure as rows of a table: the groups' columns, then ``measure, value, mcse, low, high, n_used``."""
    value, mcse = measured.value, measured.mcse
    if measured.is_rate:
        # Where rows are not independent the interval rests on the number of independent ones with the same error.
        with np.errstate(invalid="ignore", divide="ignore"):
            effective = np.where(groups.is_plain | ~(mcse > 0), groups.size, value * (1 - value) / mcse**2)
        low, high = wilson(value, effective)
    else:
        low, high = normal(value, mcse)
    return lines.assign(measure=name, value=value, mcse=mcse, low=low, high=high, n_used=groups.size)


def _kinds(sample: Sample) -> np.ndarray:
    """What a rejection rate is, ``[K]``."""
    zero = sample.groups.mean((sample.truth == 0).astype(float))
    return np.select([zero == 1, zero == 0, zero > 0], ["type_one_error", "power", "mixed"], default="")
