"""The table of performance measures of estimates that are in memory: the definition that streaming reproduces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.measures.asked import ask, measure_of
from jaxsim.measures.combine import Lines, lines_of, tabulate
from jaxsim.measures.groups import kit_of
from jaxsim.measures.kit import Kit
from jaxsim.measures.own import OwnMeasure
from jaxsim.measures.part import Part, by_line
from jaxsim.measures.policy import chosen_rows, is_counted, is_usable, require
from jaxsim.measures.recipe import measure_all
from jaxsim.measures.sample import NUMBERS, numbers_of

# What is never mixed: measures are computed for one coefficient of one strategy in one cell, and then averaged.
STRATUM = ("cell", "model", "term")
COLUMNS = ("measure", "kind", "value", "mcse", "low", "high", "n_used", "n_failed", "policy")


def summarise(
    estimates: pd.DataFrame,
    by: Sequence[str],
    *,
    policy: str = "available",
    alpha: float | None = None,
    measures: Sequence[str] | None = None,
    terms: Sequence[str] | None = None,
    truth: str | None = None,
    own: Sequence[OwnMeasure] = (),
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """Performance measures with their Monte Carlo errors.

    A measure is computed for each coefficient of each strategy in each cell; a line of the table that spans several of them shows
    the average of their measures, each with the same weight (those without a value left out, see ``n_failed``).

    Args:
        estimates: long table of a run (see :attr:`jaxsim.results.Results.estimates`). A strategy need not have every coefficient.
        by: columns that define the lines, such as ``["model", "n_groups", "term"]``; ``[]`` for one line.
        policy: ``available`` counts every usable fit (status ``ok`` or ``singular``), ``listwise`` only those of datasets in which
            the fits of all strategies are usable.
        alpha: level of the tests behind ``rejection``; ``1 - conf_level`` when None, so that power and coverage speak of one level.
        measures: some of the names in ``CATALOGUE``, in ``GROUPS`` if the table tells of the coefficients of groups, and of
            ``own``; all of these when None. Also ``power`` and ``type_one_error``: ``rejection`` of the coefficients whose truth is
            not zero, or is. Lines without such a coefficient do not show them.
        terms: coefficients that count; all when None.
        truth: ``zero`` or ``nonzero`` keeps the rows whose true value is zero, or is not: rejecting the first is an error of
            type I, rejecting the second is power. Which datasets are complete is judged before.
        own: measures of your own.
        conf_level: of the intervals in the table.

    Returns:
        One row per line and measure: ``*by, measure, kind, value, mcse, low, high, n_used, n_failed, policy``. ``low`` and
        ``high`` are 95% Monte Carlo limits (Wilson's for rates). ``n_used`` rows were counted; ``n_failed`` are those whose fit
        failed. ``kind`` says for rejections whether the truth is never zero (``power``), always (``type_one_error``) or
        ``mixed``; it is empty for other measures. A line without a usable fit stays, with NaN. No line at all where no row has
        such a truth.

    Raises:
        InputError: for an unknown column, measure, policy, term or truth, ``power`` of truths that are zero, a level outside
            (0, 1), or an empty table.
    """
    require(estimates, [*by, *NUMBERS, *STRATUM, "replicate", "status"], "estimates")
    kit = kit_of(estimates, own, conf_level)
    level, asked = kit.level(alpha), ask(kit, measures, truth)
    counted, kept = is_counted(estimates, policy), chosen_rows(estimates, terms, truth)
    estimates, counted = estimates[kept], counted[kept]
    every = lines_of(estimates, by, STRATUM)
    parts: dict[str, Part] = {}
    for kind, names in asked.by_truth():
        if kind is None:
            parts |= _parts(kit, estimates, counted, every, names, level)
        else:
            here = chosen_rows(estimates, None, kind)
            parts |= _parts(kit, estimates[here], counted[here], every.keep(here), names, level)
    return by_line(every.table, [parts[name] for name in asked.names]).assign(policy=policy)[[*by, *COLUMNS]]


def _parts(kit: Kit, table: pd.DataFrame, counted: np.ndarray, every: Lines, names: Sequence[str], alpha: float) -> dict[str, Part]:
    """Some measures, each in the lines that have any of these rows of the estimates."""
    lines = every.keep(counted)
    rows = kit.rows(numbers_of(table[counted], kit.columns), lines.strata.code, alpha)
    wanted = list(dict.fromkeys(map(measure_of, names)))
    found = measure_all(kit.recipe(wanted), rows, lines.strata.count, wanted)
    there, failed = every.per_line() > 0, every.per_line(~is_usable(table))
    null = np.where(lines.per_line(np.isnan(rows["null"])) > 0, np.nan, lines.per_line(rows["null"] == 1))
    kind = kinds(lines.per_line(), null)
    parts = {}
    for name in names:
        said = kind if measure_of(name) == "rejection" else np.full(len(kind), "")
        parts[name] = tabulate(lines, name, found[measure_of(name)]).with_more(there, kind=said, n_failed=failed)
    return parts


def kinds(used: np.ndarray, null: np.ndarray) -> np.ndarray:
    """What the rejection rates of lines are that count ``used`` rows, ``null`` of them with a truth of zero, ``[lines]``.

    Nothing where ``null`` is NaN: of some rows no truth is known.
    """
    return np.select([(used == 0) | np.isnan(null), null == used, null == 0], ["", "type_one_error", "power"], default="mixed")
