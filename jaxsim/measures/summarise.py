"""The table of performance measures of estimates that are in memory: the definition that streaming reproduces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.measures.catalogue import CATALOGUE, GROUP_RECIPE, GROUPS, RECIPE
from jaxsim.measures.combine import by_line, lines_of, tabulate
from jaxsim.measures.measure import measure_all
from jaxsim.measures.policy import chosen_rows, is_counted, is_usable, require
from jaxsim.measures.sample import NUMBERS, estimate_rows, has_groups, numbers_of

# What is never mixed: measures are computed for one coefficient of one strategy in one cell, and then averaged.
STRATUM = ("cell", "model", "term")
COLUMNS = ("measure", "kind", "value", "mcse", "low", "high", "n_used", "n_failed", "policy")


def summarise(
    estimates: pd.DataFrame,
    by: Sequence[str],
    *,
    policy: str = "available",
    alpha: float = 0.05,
    measures: Sequence[str] | None = None,
    terms: Sequence[str] | None = None,
    truth: str | None = None,
) -> pd.DataFrame:
    """Performance measures with their Monte Carlo errors.

    A measure is computed for each coefficient of each strategy in each cell; a line of the table that spans several of them shows
    the average of their measures, each with the same weight (those without a value left out, see ``n_failed``).

    Args:
        estimates: long table of a run (see :attr:`jaxsim.store.results.Results.estimates`).
        by: columns that define the lines, such as ``["model", "n_groups", "term"]``; ``[]`` for one line.
        policy: ``available`` uses every usable fit, ``listwise`` only datasets that every strategy could fit.
        alpha: level of the tests behind ``rejection``.
        measures: some of the names in ``CATALOGUE``, and in ``GROUPS`` if the table tells of the coefficients of groups; all of
            these when None.
        terms: coefficients that count; all when None.
        truth: ``zero`` or ``nonzero`` keeps the rows whose true value is zero, or is not: rejecting the first is an error of
            type I, rejecting the second is power. Which datasets are complete is judged before.

    Returns:
        One row per line and measure: ``*by, measure, kind, value, mcse, low, high, n_used, n_failed, policy``. ``low`` and
        ``high`` are 95% Monte Carlo limits (Wilson's for rates). ``n_used`` rows were counted; ``n_failed`` are those whose fit
        failed. ``kind`` says for ``rejection`` whether the truth is never zero (``power``), always (``type_one_error``) or
        ``mixed``; it is empty for other measures. A line without a usable fit stays, with NaN. No line at all where no row has
        such a truth.

    Raises:
        InputError: for an unknown column, measure, policy, term or truth, a level outside (0, 1), or an empty table.
    """
    require(estimates, [*by, *NUMBERS, *STRATUM, "replicate", "status"], "estimates")
    groups = has_groups(estimates)
    names = check_options(alpha, measures, groups)
    counted, kept = is_counted(estimates, policy), chosen_rows(estimates, terms, truth)
    estimates, counted = estimates[kept], counted[kept]
    every = lines_of(estimates, by, STRATUM)
    lines = every.keep(counted)
    rows = estimate_rows(numbers_of(estimates[counted]), lines.strata.code, alpha)
    found = measure_all(GROUP_RECIPE if groups else RECIPE, rows, lines.strata.count, names)
    failed, kind = every.per_line(~is_usable(estimates)), kinds(lines.per_line(), lines.per_line(rows["null"] == 1))
    parts = [
        tabulate(lines, name, found[name]).assign(kind=kind if name == "rejection" else "", n_failed=failed, policy=policy)
        for name in names
    ]
    return by_line(parts)[[*by, *COLUMNS]]


def check_options(alpha: float, measures: Sequence[str] | None, groups: bool = False) -> list[str]:
    """The measures asked for; raises :class:`InputError` for one that is not known, or a level outside (0, 1).

    Args:
        alpha, measures: as for :func:`summarise`.
        groups: whether there are coefficients of groups to measure.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha}: give a number between 0 and 1, such as 0.05.")
    known = CATALOGUE | GROUPS if groups else CATALOGUE
    for name in () if groups else measures or ():
        if name in GROUPS:
            raise InputError(
                f"{name!r} needs coefficients of groups, which these results lack; run a Study(group_coefficients=True)."
            )
    return [choose("measure", name, known) for name in (known if measures is None else measures)]


def kinds(used: np.ndarray, null: np.ndarray) -> np.ndarray:
    """What the rejection rates of lines are that count ``used`` rows, ``null`` of them with a truth of zero, ``[lines]``."""
    return np.select([used == 0, null == used, null == 0], ["", "type_one_error", "power"], default="mixed")
