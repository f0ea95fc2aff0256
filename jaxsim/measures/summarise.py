"""The table of performance measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.measures.catalogue import CATALOGUE
from jaxsim.measures.combine import Lines, lines_of, tabulate
from jaxsim.measures.policy import is_counted, is_usable, require
from jaxsim.measures.sample import Sample

# What is never mixed: measures are computed for one coefficient of one strategy in one cell, and then averaged.
STRATUM = ("cell", "model", "term")
NUMBERS = ("estimate", "truth", "std_error", "p_value", "conf_low", "conf_high")


def summarise(
    estimates: pd.DataFrame,
    by: Sequence[str],
    *,
    policy: str = "available",
    alpha: float = 0.05,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Performance measures with their Monte Carlo errors.

    A measure is computed for each coefficient of each strategy in each cell; a line of the table that spans several of them shows
    the average of their measures, each with the same weight (those without a value left out, see ``n_failed``).

    Args:
        estimates: long table of a run (see :attr:`jaxsim.store.results.Results.estimates`).
        by: columns that define the lines, such as ``["model", "n_groups", "term"]``; ``[]`` for one line.
        policy: ``available`` uses every usable fit, ``listwise`` only datasets that every strategy could fit.
        alpha: level of the tests behind ``rejection``.
        measures: some of the names in ``CATALOGUE``; all when None.

    Returns:
        One row per line and measure: ``*by, measure, kind, value, mcse, low, high, n_used, n_failed, policy``. ``low`` and
        ``high`` are 95% Monte Carlo limits (Wilson's for rates). ``n_used`` rows were counted; ``n_failed`` are those whose fit
        failed. ``kind`` says for ``rejection`` whether the truth is never zero (``power``), always (``type_one_error``) or
        ``mixed``; it is empty for other measures. A line without a usable fit stays, with NaN.

    Raises:
        InputError: for an unknown column, measure or policy, a level outside (0, 1), or an empty table.
    """
    require(estimates, [*by, *NUMBERS, *STRATUM, "replicate", "status"], "estimates")
    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha}: give a number between 0 and 1, such as 0.05.")
    names = [choose("measure", name, CATALOGUE) for name in (CATALOGUE if measures is None else measures)]
    every = lines_of(estimates, by, STRATUM)
    counted = is_counted(estimates, policy)
    lines, used = every.keep(counted), estimates[counted]
    sample = Sample(strata=lines.strata, alpha=alpha, **{name: used[name].to_numpy(float) for name in NUMBERS})
    failed = every.per_line(~is_usable(estimates))
    parts = []
    for name in names:
        kind = _kinds(lines, sample) if name == "rejection" else ""
        part = tabulate(lines, name, CATALOGUE[name](sample))
        parts.append(part.assign(kind=kind, n_failed=failed, policy=policy, _order=np.arange(lines.count)))
    columns = [*by, "measure", "kind", "value", "mcse", "low", "high", "n_used", "n_failed", "policy"]
    return pd.concat(parts, ignore_index=True).sort_values("_order", kind="stable", ignore_index=True)[columns]


def _kinds(lines: Lines, sample: Sample) -> np.ndarray:
    """What a rejection rate is, ``[lines]``."""
    zero, n = lines.per_line(sample.truth == 0), lines.per_line()
    return np.select([n == 0, zero == n, zero == 0], ["", "type_one_error", "power"], default="mixed")
